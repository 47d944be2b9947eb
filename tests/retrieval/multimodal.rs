use crate::scripted::{Asked, Gateway, answer};
use higress_dify_plugin::provider::{embedding, rerank};
use higress_dify_plugin::runtime::entities::{
    Credentials, EmbeddingResult, InputType, MultimodalContent, MultimodalEmbeddingRequest, MultimodalRerankRequest,
    RerankResult, TextEmbeddingRequest,
};
use higress_dify_plugin::runtime::{Context, ErrorKind, InvokeError};
use serde_json::json;

const PNG: &str = "iVBORw0KGgo=";

fn cat() -> MultimodalContent {
    MultimodalContent::Text("a cat".to_owned())
}

fn picture() -> MultimodalContent {
    MultimodalContent::Image(PNG.to_owned())
}

fn context() -> Context {
    Context::new("s-1", "invoke_multimodal_embedding")
}

async fn embed(credentials: Credentials) -> Result<EmbeddingResult, InvokeError> {
    let request = MultimodalEmbeddingRequest {
        model: "my-emb".to_owned(),
        credentials,
        documents: vec![cat(), picture()],
        input_type: InputType::Document,
    };
    embedding::invoke_multimodal(&context(), request).await
}

fn vectors(result: &EmbeddingResult) -> Vec<&str> {
    result.embeddings.iter().map(|vector| vector.get()).collect()
}

/// What a vLLM server makes of a conversation: another vector for a text than for a picture.
fn vllm(asked: &Asked) -> axum::response::Response {
    let is_text = asked.json()["messages"][0]["content"][0]["type"] == "text";
    let vector = if is_text { "[0.1]" } else { "[0.2]" };
    answer(200, format!(r#"{{"data":[{{"index":0,"embedding":{vector}}}],"usage":{{"total_tokens":5}}}}"#))
}

#[tokio::test]
async fn vllm_is_asked_once_per_document_in_messages() {
    let gateway = Gateway::start(async |asked: Asked| vllm(&asked)).await;
    let credentials = gateway.credentials(json!({"embedding_model_protocol": "openai_multimodal"}));
    let result = embed(credentials.clone()).await.unwrap();
    assert_eq!(vectors(&result), ["[0.1]", "[0.2]"]);
    assert_eq!(result.usage.tokens, 10);
    assert!(gateway.asked().iter().all(|asked| asked.line == "POST /pre/v1/embeddings"));
    // A text has the same vector whichever action asks for it.
    let request = TextEmbeddingRequest {
        model: "my-emb".to_owned(),
        credentials,
        texts: vec!["a cat".to_owned()],
        input_type: InputType::Query,
    };
    assert_eq!(vectors(&embedding::invoke_text(&context(), request).await.unwrap()), ["[0.1]"]);
}

#[tokio::test]
async fn dashscope_is_asked_with_all_documents_at_once() {
    let gateway = Gateway::always(200, include_str!("../fixtures/embedding/dashscope_multimodal.json")).await;
    let result = embed(gateway.credentials(json!({"embedding_model_protocol": "dashscope_multimodal"}))).await.unwrap();
    assert_eq!(vectors(&result), ["[0.05,0.06]", "[-0.026611328125,-0.016571044921875]"]);
    let asked = gateway.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /pre/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding");
    assert_eq!(
        asked[0].json()["input"]["contents"],
        json!([{"text": "a cat"}, {"image": "data:image/png;base64,iVBORw0KGgo="}])
    );
}

#[tokio::test]
async fn a_picture_for_a_text_protocol_is_refused_before_anything_is_sent() {
    let gateway = Gateway::always(500, "").await;
    let error = embed(gateway.credentials(json!({}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(error.message.contains("dashscope_multimodal"), "{}", error.message);
    assert!(gateway.asked().is_empty());
}

async fn order(credentials: Credentials, query: MultimodalContent) -> Result<RerankResult, InvokeError> {
    let request = MultimodalRerankRequest {
        model: "my-rr".to_owned(),
        credentials,
        query,
        docs: vec![cat(), picture()],
        score_threshold: None,
        top_n: None,
    };
    rerank::invoke_multimodal(&context(), request).await
}

const SCORES: &str = r#"{"output":{"results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.4}]}}"#;

#[tokio::test]
async fn dashscope_orders_texts_and_pictures() {
    let gateway = Gateway::always(200, SCORES).await;
    let credentials = gateway.credentials(json!({"gateway_model_name": "qwen3-vl-rerank"}));
    let result = order(credentials, cat()).await.unwrap();
    assert_eq!(gateway.asked()[0].line, "POST /pre/api/v1/services/rerank/text-rerank/text-rerank");
    assert_eq!(
        gateway.asked()[0].json()["input"],
        json!({"query": "a cat", "documents": [{"text": "a cat"}, {"image": "data:image/png;base64,iVBORw0KGgo="}]})
    );
    let docs: Vec<(usize, &str, f64)> =
        result.docs.iter().map(|doc| (doc.index, doc.text.as_str(), doc.score)).collect();
    assert_eq!(docs, [(1, "", 0.9), (0, "a cat", 0.4)]);
}

#[tokio::test]
async fn a_server_that_takes_pictures_in_the_other_form_is_asked_in_it() {
    // Jina's API knows no `content`.
    let gateway = Gateway::start(async |asked: Asked| {
        if asked.json()["documents"].is_array() {
            answer(200, SCORES)
        } else {
            answer(422, r#"{"detail":"documents"}"#)
        }
    })
    .await;
    let credentials =
        gateway.credentials(json!({"rerank_model_protocol": "openai_rerank", "gateway_model_name": "m0"}));
    let result = order(credentials, picture()).await.unwrap();
    assert_eq!(result.docs.len(), 2);
    let asked = gateway.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].json()["documents"]["content"][0], json!({"type": "text", "text": "a cat"}));
    assert_eq!(asked[1].json()["query"], json!({"image": "data:image/png;base64,iVBORw0KGgo="}));
}

#[tokio::test]
async fn a_picture_for_a_model_that_reads_texts_is_a_clear_error() {
    let gateway = Gateway::always(500, "").await;
    for model in ["gte-rerank-v2", "qwen3-rerank"] {
        let error = order(gateway.credentials(json!({"gateway_model_name": model})), cat()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert!(error.message.contains("qwen3-vl-rerank"), "{}", error.message);
    }
    assert!(gateway.asked().is_empty());
}
