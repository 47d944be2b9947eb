use crate::scripted::Gateway;
use higress_dify_plugin::provider::rerank;
use higress_dify_plugin::runtime::entities::{Credentials, ModelRef, ModelType, RerankRequest};
use higress_dify_plugin::runtime::{Context, ErrorKind, InvokeError};
use serde_json::{Value, json};

fn context() -> Context {
    Context::new("s-1", "invoke_rerank")
}

fn request(credentials: Credentials) -> RerankRequest {
    RerankRequest {
        model: "my-rr".to_owned(),
        credentials,
        query: "q".to_owned(),
        docs: ["a", "b", "c"].map(str::to_owned).into(),
        score_threshold: None,
        top_n: None,
    }
}

async fn order(request: RerankRequest) -> Result<Value, InvokeError> {
    Ok(serde_json::to_value(rerank::invoke(&context(), request).await?).unwrap())
}

#[tokio::test]
async fn gte_rerank_is_asked_in_the_nested_form() {
    let gateway = Gateway::always(200, include_str!("../fixtures/rerank/dashscope_nested.json")).await;
    let credentials = gateway.credentials(json!({
        "rerank_usage_scenario": "rerank", "rerank_model_protocol": "dashscope_rerank",
        "gateway_model_name": "gte-rerank-v2",
    }));
    let result = order(RerankRequest { top_n: Some(2), score_threshold: Some(0.3), ..request(credentials) }).await;
    assert_eq!(result.unwrap(), json!({"model": "my-rr", "docs": [{"index": 2, "text": "c", "score": 0.91}]}));
    let asked = gateway.asked();
    assert_eq!(asked[0].line, "POST /pre/api/v1/services/rerank/text-rerank/text-rerank");
    assert_eq!(
        asked[0].text,
        r#"{"model":"gte-rerank-v2","input":{"query":"q","documents":["a","b","c"]},"parameters":{"return_documents":true,"top_n":2}}"#
    );
}

#[tokio::test]
async fn qwen3_rerank_is_asked_in_the_flat_form() {
    let gateway = Gateway::always(200, include_str!("../fixtures/rerank/dashscope_flat.json")).await;
    for name in ["qwen3-rerank", "qwen3-rerank-2025-11-01"] {
        let credentials = gateway.credentials(json!({"gateway_model_name": name}));
        let result = order(RerankRequest { top_n: Some(2), ..request(credentials) }).await.unwrap();
        assert_eq!(result, json!({"model": "my-rr", "docs": [{"index": 2, "text": "c", "score": 0.91}]}));
    }
    let asked = gateway.asked();
    assert_eq!(asked[0].line, "POST /pre/v1/reranks");
    assert_eq!(asked[0].text, r#"{"model":"qwen3-rerank","query":"q","documents":["a","b","c"],"top_n":2}"#);
    assert_eq!(asked[1].line, "POST /pre/v1/reranks");
}

#[tokio::test]
async fn every_dialect_of_openai_rerank_is_read() {
    for (fixture, expected) in [
        (include_str!("../fixtures/rerank/cohere.json"), json!([[1, 0.999_071], [0, 0.327_130_68]])),
        (include_str!("../fixtures/rerank/jina.json"), json!([[0, 0.87], [2, -1.25]])),
        (
            include_str!("../fixtures/rerank/vllm.json"),
            json!([[1, 0.998_535_156_25], [0, 0.000_586_032_867_431_640_6]]),
        ),
        (include_str!("../fixtures/rerank/text_embeddings_inference.json"), json!([[1, 0.998], [0, 0.03]])),
        (include_str!("../fixtures/rerank/dashscope_nested.json"), json!([[2, 0.91], [0, 0.12]])),
    ] {
        let gateway = Gateway::always(200, fixture).await;
        let credentials = gateway.credentials(json!({"rerank_model_protocol": "openai_rerank"}));
        let result = order(request(credentials)).await.unwrap();
        let scores: Vec<Value> =
            result["docs"].as_array().unwrap().iter().map(|doc| json!([doc["index"], doc["score"]])).collect();
        assert_eq!(Value::Array(scores), expected);
        assert_eq!(gateway.asked()[0].line, "POST /pre/v1/rerank");
        assert_eq!(gateway.asked()[0].text, r#"{"model":"my-rr","query":"q","documents":["a","b","c"]}"#);
    }
}

#[tokio::test]
async fn results_are_sorted_cut_and_taken_from_the_request() {
    let body = r#"{"results":[{"index":0,"relevance_score":-0.5},{"index":2,"relevance_score":0.25,"document":{"text":"forged"}},{"index":9,"relevance_score":1},{"index":1,"relevance_score":0.75},{"index":1,"relevance_score":0.1}]}"#;
    let gateway = Gateway::always(200, body).await;
    let credentials = gateway.credentials(json!({}));
    let all = json!([
        {"index": 1, "text": "b", "score": 0.75},
        {"index": 2, "text": "c", "score": 0.25},
        {"index": 0, "text": "a", "score": -0.5},
    ]);
    assert_eq!(order(request(credentials.clone())).await.unwrap()["docs"], all);
    // What Dify did not set arrives as 0.
    let unset = RerankRequest { top_n: Some(0), score_threshold: Some(0.0), ..request(credentials.clone()) };
    assert_eq!(order(unset).await.unwrap()["docs"], all);
    // An upstream that ignores top_n is cut here.
    let best = RerankRequest { top_n: Some(1), ..request(credentials.clone()) };
    assert_eq!(order(best).await.unwrap()["docs"], json!([all[0]]));
    let good = RerankRequest { score_threshold: Some(0.25), ..request(credentials) };
    assert_eq!(order(good).await.unwrap()["docs"], json!([all[0], all[1]]));
    let asked = gateway.asked();
    assert!(asked[1].json()["parameters"].get("top_n").is_none());
}

#[tokio::test]
async fn no_documents_no_request() {
    let gateway = Gateway::always(500, "").await;
    let empty = RerankRequest { docs: Vec::new(), ..request(gateway.credentials(json!({}))) };
    assert_eq!(order(empty).await.unwrap(), json!({"model": "my-rr", "docs": []}));
    assert!(gateway.asked().is_empty());
}

#[tokio::test]
async fn an_api_that_the_route_does_not_serve_gives_the_hint_to_switch() {
    let text = "failed to process request body: unsupported API name";
    let gateway = Gateway::always(500, text).await;
    for (fields, hint) in [
        (json!({"rerank_model_protocol": "openai_rerank"}), "dashscope_rerank"),
        (json!({"rerank_model_protocol": "dashscope_rerank", "gateway_model_name": "qwen3-rerank"}), "openai_rerank"),
    ] {
        let error = order(request(gateway.credentials(fields))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ServerUnavailable);
        assert!(error.message.contains(&format!("rerank_model_protocol {hint}")), "{}", error.message);
    }
}

#[tokio::test]
async fn a_route_that_is_not_there_gives_both_hints_as_sentences() {
    let gateway = Gateway::always(404, "").await;
    let error = order(request(gateway.credentials(json!({})))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(error.message.contains("admits this model name. This route does not seem"), "{}", error.message);
    assert!(error.message.ends_with("try rerank_model_protocol openai_rerank."), "{}", error.message);
}

#[tokio::test]
async fn a_failure_at_run_time_is_never_one_of_saving() {
    for (status, body, kind) in [
        (401, "Invalid Key", ErrorKind::Authorization),
        (429, "Too many requests", ErrorKind::RateLimit),
        (400, r#"{"code":"InvalidParameter","message":"no"}"#, ErrorKind::BadRequest),
        (502, "<html>", ErrorKind::ServerUnavailable),
        (200, "not json", ErrorKind::ServerUnavailable),
    ] {
        let gateway = Gateway::always(status, body).await;
        let error = order(request(gateway.credentials(json!({})))).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status} {body}: {}", error.message);
        assert_eq!(gateway.asked().len(), 1, "a rerank call is not sent again");
    }
}

#[tokio::test]
async fn saving_asks_a_question_and_takes_any_ordering_for_an_answer() {
    let gateway = Gateway::always(200, r#"{"output":{"results":[]}}"#).await;
    let credentials = gateway.credentials(json!({}));
    let model = |credentials| ModelRef { model_type: ModelType::Rerank, model: "my-rr".to_owned(), credentials };
    assert_eq!(rerank::validate(&context(), &model(credentials.clone())).await.unwrap(), credentials);
    let asked = gateway.asked()[0].json();
    assert_eq!(asked["model"], "gte-rerank-v2");
    assert_eq!(asked["input"]["query"], "What is the capital of the United States?");
    assert_eq!(asked["input"]["documents"].as_array().unwrap().len(), 2);
    let refusing = Gateway::always(401, "Invalid Key").await;
    let error = rerank::validate(&context(), &model(refusing.credentials(json!({})))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::CredentialsValidateFailed);
}

#[tokio::test]
async fn an_answer_about_other_documents_only_is_an_error_and_not_an_empty_order() {
    let gateway = Gateway::always(200, r#"{"output":{"results":[{"index":5,"relevance_score":0.9}]}}"#).await;
    let error = order(request(gateway.credentials(json!({})))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ServerUnavailable);
    assert!(error.message.contains("other documents"), "{}", error.message);
}
