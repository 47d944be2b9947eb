use crate::scripted::{Asked, Gateway, answer};
use crate::{content, context, draw, fields, fox, picture, says};
use higress_dify_plugin::runtime::ErrorKind;
use higress_dify_plugin::runtime::entities::{Content, ContentPart, Role};
use serde_json::{Value, json};

const ANSWER: &str = include_str!("../fixtures/image/dashscope_generation.json");
const URL: &str = "https://dashscope-result.example/x.png?Expires=1";

async fn dashscope() -> Gateway {
    Gateway::always(200, ANSWER).await
}

fn only(gateway: &Gateway) -> Asked {
    let asked = gateway.asked();
    assert_eq!(asked.len(), 1);
    asked[0].clone()
}

#[tokio::test]
async fn a_saved_model_sends_and_answers_what_the_python_plugin_did() {
    let gateway = dashscope().await;
    let credentials = gateway.credentials(json!({
        "llm_usage_scenario": "image_generation", "image_model_protocol": "dashscope_image_generation",
    }));
    let cx = context();
    // Parameters of text models are still stored in apps that use a picture model.
    let old = json!({"temperature": 0.7, "top_p": 0.8, "top_k": 50, "seed": null});
    let deltas = draw(&cx, fox(credentials, old)).await.unwrap();
    let asked = only(&gateway);
    assert_eq!(asked.line, "POST /pre/api/v1/services/aigc/multimodal-generation/generation");
    assert_eq!(
        asked.text,
        r#"{"model":"qwen-image-plus","input":{"messages":[{"role":"user","content":[{"text":"A red fox"}]}]},"parameters":{"negative_prompt":"","prompt_extend":true,"watermark":false,"size":"1328*1328"}}"#
    );
    assert_eq!(content(&deltas), (URL.to_owned(), Vec::new()));
    let last = deltas.last().unwrap();
    assert_eq!(last["finish_reason"], "stop");
    assert_eq!(last["usage"]["total_tokens"], 0);
    assert_eq!(last["usage"]["currency"], "USD");
    assert_eq!(cx.recorded().upstream_model.as_deref(), Some("qwen-image-plus"));
}

#[tokio::test]
async fn a_picture_is_given_as_text_as_a_file_or_as_both() {
    let file = json!({
        "format": "png", "base64_data": "", "url": URL, "mime_type": "image/png", "filename": "x.png",
        "type": "image", "detail": "low",
    });
    for (format, text, files) in
        [("url_text", URL, vec![]), ("image", "", vec![file.clone()]), ("both", URL, vec![file.clone()])]
    {
        let gateway = dashscope().await;
        let credentials = gateway.credentials(fields("dashscope_image_generation"));
        let deltas = draw(&context(), fox(credentials, json!({"output_format": format}))).await.unwrap();
        assert_eq!(content(&deltas), (text.to_owned(), files), "{format}");
    }
}

#[tokio::test]
async fn parameters_are_sent_as_set_and_refused_when_wrong() {
    let gateway = dashscope().await;
    let credentials = gateway.credentials(fields("dashscope_image_generation"));
    let parameters = json!({
        "size": "1664x928", "n": 2, "negative_prompt": "dogs", "prompt_extend": false, "watermark": true, "seed": 7,
    });
    draw(&context(), fox(credentials.clone(), parameters)).await.unwrap();
    assert_eq!(
        only(&gateway).json()["parameters"],
        json!({
            "size": "1664*928", "n": 2, "negative_prompt": "dogs", "prompt_extend": false, "watermark": true, "seed": 7,
        })
    );
    for wrong in [json!({"n": "many"}), json!({"output_format": "video"}), json!({"seed": -1})] {
        let error = draw(&context(), fox(credentials.clone(), wrong)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert!(error.message.starts_with("[higress] "), "{}", error.message);
    }
    assert_eq!(gateway.asked().len(), 1, "a wrong parameter is not sent");
}

fn conversation() -> Vec<higress_dify_plugin::runtime::entities::PromptMessage> {
    vec![
        says(Role::System, "Oil on canvas."),
        says(Role::User, "A dog"),
        says(Role::Assistant, "https://example.com/dog.png"),
        crate::message(
            Role::User,
            Content::Parts(vec![
                picture("iVBORw0KGgo=", ""),
                ContentPart::Text("Make it blue".to_owned()),
                picture("", "https://dify.example/2.png"),
            ]),
        ),
    ]
}

#[tokio::test]
async fn the_last_turn_is_the_prompt_and_its_pictures_are_edited() {
    let gateway = dashscope().await;
    let credentials = gateway.credentials(fields("dashscope_image_generation"));
    draw(&context(), crate::request(credentials, conversation(), json!({}))).await.unwrap();
    let body = only(&gateway).json();
    assert_eq!(
        body["input"]["messages"],
        json!([{"role": "user", "content": [
            {"image": "data:image/png;base64,iVBORw0KGgo="},
            {"image": "https://dify.example/2.png"},
            {"text": "Make it blue"},
        ]}])
    );
    assert!(body["parameters"].get("size").is_none(), "an edited picture keeps its size");
}

#[tokio::test]
async fn the_system_prompt_stands_in_front_where_it_is_asked_for() {
    let gateway = dashscope().await;
    let mut form = fields("dashscope_image_generation");
    form["advanced_options"] = r#"{"image_system_prompt":true}"#.into();
    let messages = vec![says(Role::System, "Oil on canvas."), says(Role::User, "A dog")];
    draw(&context(), crate::request(gateway.credentials(form), messages, json!({}))).await.unwrap();
    assert_eq!(only(&gateway).json()["input"]["messages"][0]["content"], json!([{"text": "Oil on canvas.\nA dog"}]));
}

#[tokio::test]
async fn without_a_prompt_nothing_is_sent() {
    let gateway = dashscope().await;
    let credentials = gateway.credentials(fields("dashscope_image_generation"));
    for messages in [vec![], vec![says(Role::System, "x")], vec![says(Role::User, " \n")]] {
        let error = draw(&context(), crate::request(credentials.clone(), messages, json!({}))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert!(error.message.contains("prompt"), "{}", error.message);
    }
    assert!(gateway.asked().is_empty());
}

#[tokio::test]
async fn openai_is_asked_with_what_is_set_and_in_its_own_way_of_writing_sizes() {
    let gateway = Gateway::always(200, include_str!("../fixtures/image/openai_url.json")).await;
    let credentials = gateway.credentials(fields("openai_images"));
    let deltas = draw(&context(), fox(credentials, json!({"size": "1024*1024", "n": 1}))).await.unwrap();
    let asked = only(&gateway);
    assert_eq!(asked.line, "POST /pre/v1/images/generations");
    assert_eq!(asked.json(), json!({"model": "painter", "prompt": "A red fox", "n": 1, "size": "1024x1024"}));
    assert_eq!(content(&deltas).0, "https://oaidalle.example/img-1.png?se=1");
}

#[tokio::test]
async fn a_picture_by_content_is_a_file_in_every_format() {
    for format in ["url_text", "image", "both"] {
        let gateway = Gateway::always(200, include_str!("../fixtures/image/openai_base64.json")).await;
        let credentials = gateway.credentials(fields("openai_images"));
        let deltas = draw(&context(), fox(credentials, json!({"output_format": format}))).await.unwrap();
        let (text, files) = content(&deltas);
        assert_eq!((text.as_str(), files.len()), ("", 1), "{format}");
        assert!(files[0]["base64_data"].as_str().unwrap().starts_with("iVBORw0KGgo"));
        assert_eq!((&files[0]["mime_type"], &files[0]["filename"]), (&"image/png".into(), &"image-1.png".into()));
        let usage = &deltas.last().unwrap()["usage"];
        assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&Value::from(50), &Value::from(4160)));
    }
}

#[tokio::test]
async fn a_picture_over_the_host_s_line_is_an_error_that_says_what_to_do() {
    let gateway = Gateway::start(async |_: Asked| {
        let content = format!("iVBORw0KGgo{}", "A".repeat(5 * 1024 * 1024));
        answer(200, json!({"data": [{"b64_json": content}]}).to_string())
    })
    .await;
    let credentials = gateway.credentials(fields("openai_images"));
    let error = draw(&context(), fox(credentials, json!({}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    for part in ["[higress] ", "5 MiB", "smaller"] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
}

#[tokio::test]
async fn openai_edits_get_the_picture_in_a_form() {
    let gateway = Gateway::always(200, include_str!("../fixtures/image/openai_url.json")).await;
    let credentials = gateway.credentials(fields("openai_images"));
    let edit = crate::message(
        Role::User,
        Content::Parts(vec![picture("aGVsbG8=", ""), ContentPart::Text("Make it blue".to_owned())]),
    );
    draw(&context(), crate::request(credentials, vec![edit], json!({}))).await.unwrap();
    let asked = only(&gateway);
    assert_eq!(asked.line, "POST /pre/v1/images/edits");
    let content_type = asked.headers["content-type"].to_str().unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let parts: Vec<&str> = asked.text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 5, "{}", asked.text);
    assert!(parts.iter().any(|part| part.contains("name=\"image\"; filename=") && part.ends_with("\r\n\r\nhello\r\n")));
    assert!(parts.iter().any(|part| part.ends_with("name=\"prompt\"\r\n\r\nMake it blue\r\n")));
    assert_eq!(parts[4], "--\r\n");
}

#[tokio::test]
async fn failures_have_dify_s_names() {
    for (status, body, kind) in [
        (401, "Invalid Key", ErrorKind::Authorization),
        (429, "Too many requests", ErrorKind::RateLimit),
        (400, r#"{"code":"DataInspectionFailed","message":"no"}"#, ErrorKind::BadRequest),
        (503, "no healthy upstream", ErrorKind::ServerUnavailable),
        (200, "<html>", ErrorKind::ServerUnavailable),
        (200, r#"{"code":"InvalidApiKey","message":"Invalid API-key provided."}"#, ErrorKind::Authorization),
    ] {
        let gateway = Gateway::always(status, body).await;
        let credentials = gateway.credentials(fields("dashscope_image_generation"));
        let error = draw(&context(), fox(credentials, json!({}))).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status} {body}: {}", error.message);
        assert_eq!(gateway.asked().len(), 1, "a picture is not asked for twice");
    }
}
