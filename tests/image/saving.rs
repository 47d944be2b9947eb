use crate::scripted::Gateway;
use crate::{context, fields, typed};
use higress_dify_plugin::provider::image;
use higress_dify_plugin::runtime::{ErrorKind, InvokeError};
use serde_json::json;

async fn save(gateway: &Gateway, protocol: &str) -> Result<(), InvokeError> {
    let cx = context();
    let credentials = typed(&cx, &gateway.credentials(fields(protocol)))?;
    image::validate(&cx, &credentials).await
}

#[tokio::test]
async fn saving_asks_for_nothing_that_could_be_billed() {
    for (protocol, line, body) in [
        (
            "dashscope_image_generation",
            "POST /pre/api/v1/services/aigc/multimodal-generation/generation",
            json!({"model": "painter", "input": {"messages": [{"role": "user", "content": []}]}}),
        ),
        (
            "dashscope_async",
            "POST /pre/api/v1/services/aigc/text2image/image-synthesis",
            json!({"model": "painter", "input": {}, "parameters": {}}),
        ),
        ("openai_images", "POST /pre/v1/images/generations", json!({"model": "painter"})),
    ] {
        let gateway = Gateway::always(200, "{}").await;
        save(&gateway, protocol).await.unwrap();
        let asked = gateway.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].line.as_str(), asked[0].json()), (line, body));
    }
}

#[tokio::test]
async fn the_upstream_s_own_refusal_of_the_missing_prompt_is_a_success() {
    for (status, body) in [
        (
            400,
            r#"{"code":"InvalidParameter","message":"Input should be a valid list: input.messages","request_id":"r"}"#,
        ),
        (
            400,
            r#"{"error":{"message":"Missing required parameter: 'prompt'.","type":"invalid_request_error","code":"missing_required_parameter"}}"#,
        ),
        (422, r#"{"detail":[{"loc":["body","prompt"],"msg":"Field required","type":"missing"}]}"#),
    ] {
        let gateway = Gateway::always(status, body).await;
        save(&gateway, "dashscope_image_generation").await.unwrap_or_else(|error| panic!("{body}: {}", error.message));
    }
}

#[tokio::test]
async fn everything_else_fails_under_the_name_of_saving() {
    for (status, body) in [
        (400, "Invalid Signature"),
        (400, r#"{"code":"InvalidParameter","message":"Model not exist."}"#),
        (400, r#"{"error":{"message":"The model `painter` does not exist","code":"model_not_found"}}"#),
        (401, "Invalid Key"),
        (403, ""),
        (404, ""),
        (429, "Too many requests"),
        (500, "failed to process request body: unsupported API name"),
        (503, "no healthy upstream"),
        (400, ""),
        (400, "blocked"),
        (400, "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"),
        (422, "Unprocessable Entity"),
        (400, r#"{"error":{"message":"Billing hard limit has been reached","code":"billing_hard_limit_reached"}}"#),
        (200, "<html>"),
        (200, ""),
        (200, r#"{"code":"InvalidApiKey","message":"Invalid API-key provided."}"#),
    ] {
        let gateway = Gateway::always(status, body).await;
        let error = save(&gateway, "dashscope_image_generation").await.expect_err(body);
        assert_eq!(error.kind, ErrorKind::CredentialsValidateFailed);
        assert!(error.message.starts_with("[higress]"), "{}", error.message);
    }
}
