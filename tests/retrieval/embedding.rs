use crate::scripted::{Asked, Gateway, answer};
use axum::response::Response;
use higress_dify_plugin::provider::embedding;
use higress_dify_plugin::runtime::entities::{
    Credentials, EmbeddingResult, InputType, ModelRef, ModelType, TextEmbeddingRequest, TextTokensRequest,
};
use higress_dify_plugin::runtime::protocol::outbound;
use higress_dify_plugin::runtime::{Context, ErrorKind, InvokeError};
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough for any of these tests, short enough to notice one that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn embed(credentials: Credentials, texts: Vec<String>) -> Result<EmbeddingResult, InvokeError> {
    embed_in(&context(), credentials, texts).await
}

pub(crate) async fn embed_in(
    cx: &Context,
    credentials: Credentials,
    texts: Vec<String>,
) -> Result<EmbeddingResult, InvokeError> {
    let request =
        TextEmbeddingRequest { model: "my-emb".to_owned(), credentials, texts, input_type: InputType::Document };
    tokio::time::timeout(PATIENCE, embedding::invoke_text(cx, request)).await.expect("the call hangs")
}

pub(crate) fn context() -> Context {
    let mut cx = Context::new("s-1", "invoke_text_embedding");
    cx.user_id = Some("u-42".to_owned());
    cx
}

pub(crate) fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

pub(crate) fn inputs(asked: &Asked) -> Vec<String> {
    serde_json::from_value(asked.json()["input"].clone()).unwrap()
}

/// The vector of a text, in odd digits that no printer of floats would choose.
fn vector(text: &str) -> String {
    let sum = text.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("[0.{sum:020}000,-1.50E-3,{sum},0.10]")
}

fn entry(index: usize, text: &str) -> String {
    format!(r#"{{"object":"embedding","embedding":{},"index":{index}}}"#, vector(text))
}

pub(crate) fn reply(entries: &[String], tokens: usize) -> Response {
    answer(
        200,
        format!(
            r#"{{"object":"list","data":[{}],"model":"other","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#,
            entries.join(",")
        ),
    )
}

/// A good gateway's answer, last text first.
pub(crate) fn backwards(asked: &Asked) -> Response {
    let texts = inputs(asked);
    let mut entries: Vec<String> = texts.iter().enumerate().map(|(index, text)| entry(index, text)).collect();
    entries.reverse();
    reply(&entries, 3 * texts.len())
}

pub(crate) fn vectors(result: &EmbeddingResult) -> Vec<String> {
    result.embeddings.iter().map(|vector| vector.get().to_owned()).collect()
}

pub(crate) fn expected(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| vector(text)).collect()
}

#[tokio::test]
async fn two_texts_are_one_request_and_the_vectors_come_in_their_order() {
    let gateway = Gateway::start(async |asked: Asked| backwards(&asked)).await;
    let cx = context();
    let credentials = gateway.credentials(json!({
        "embedding_usage_scenario": "embedding",
        "embedding_model_protocol": "openai_compatible",
        "gateway_model_name": "text-embedding-v4",
    }));
    let texts = vec!["alpha".to_owned(), "beta".to_owned()];
    let result = embed_in(&cx, credentials, texts.clone()).await.unwrap();
    let asked = gateway.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /pre/v1/embeddings");
    assert_eq!(
        asked[0].text,
        r#"{"input":["alpha","beta"],"model":"text-embedding-v4","user":"u-42","encoding_format":"float"}"#
    );
    assert_eq!(vectors(&result), expected(&texts));
    assert_eq!(result.model, "my-emb");
    assert_eq!((result.usage.tokens, result.usage.total_tokens), (6, 6));
    let record = cx.recorded();
    assert_eq!(record.upstream_model.as_deref(), Some("text-embedding-v4"));
    assert_eq!((record.status, record.prompt_tokens, record.tokens_estimated), (Some(200), Some(6), false));
    assert!(record.endpoint.unwrap().ends_with("/pre"));
}

#[tokio::test]
async fn the_same_text_has_the_same_vector_alone_and_in_a_batch() {
    let gateway = Gateway::start(async |asked: Asked| backwards(&asked)).await;
    let credentials = gateway.credentials(json!({}));
    let texts = numbered(23);
    let together = embed(credentials.clone(), texts.clone()).await.unwrap();
    let mut alone = Vec::new();
    for text in &texts {
        alone.extend(vectors(&embed(credentials.clone(), vec![text.clone()]).await.unwrap()));
    }
    assert_eq!(vectors(&together), alone);
    assert_eq!(alone, expected(&texts));
    let line = serde_json::to_string(&together).unwrap();
    assert!(line.contains(&vector("text 22")), "the digits do not reach Dify");
    assert_eq!(together.usage.tokens, 69);
}

#[tokio::test]
async fn no_texts_no_request() {
    let gateway = Gateway::always(500, "").await;
    let result = embed(gateway.credentials(json!({})), Vec::new()).await.unwrap();
    assert!(result.embeddings.is_empty() && gateway.asked().is_empty());
    assert_eq!(result.usage.tokens, 0);
}

/// Numbers whose digits a parser and a printer would change.
const ODD: &str = "[1e-7,-0.0,0.1,1.0,-0,1E+2,0.30000000000000004,0.10000000149011612,-1.7976931348623157e308,5e-324,\
                   0.12345678901234567890123456789]";

#[tokio::test]
async fn every_digit_reaches_the_host_s_line() {
    let gateway = Gateway::start(async |asked: Asked| {
        let entry = |index: usize| format!(r#"{{"index":{index},"embedding":{ODD}}}"#);
        reply(&(0..inputs(&asked).len()).map(entry).collect::<Vec<_>>(), 1)
    })
    .await;
    let result = embed(gateway.credentials(json!({})), numbered(2)).await.unwrap();
    let line = String::from_utf8(outbound::stream("S", &result).unwrap()).unwrap();
    assert!(line.contains(&format!("[{ODD},{ODD}]")), "{line}");
}

#[tokio::test]
async fn what_is_no_number_is_never_passed_on() {
    for vector in ["[0.5,NaN]", "[Infinity]", "[0.5,\"0.5\"]", "[\"\"]", "null", "\"\"", "[]", "[[0.5]]", "{}"] {
        let gateway =
            Gateway::start(move |_| std::future::ready(reply(&[format!(r#"{{"index":0,"embedding":{vector}}}"#)], 1)))
                .await;
        let error = embed(gateway.credentials(json!({})), numbered(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ServerUnavailable, "{vector}: {}", error.message);
        assert!(error.message.starts_with("[higress] "), "{vector}: {}", error.message);
    }
}

#[tokio::test]
async fn an_answer_that_is_short_or_repeats_an_index_is_an_error() {
    for (entries, complaint) in [
        (vec![entry(0, "text 0")], "2 texts were sent in one request, but 1 vectors came back"),
        (vec![entry(0, "text 0"), entry(0, "text 1")], "two vectors with index 0"),
        (vec![entry(0, "text 0"), entry(5, "text 1")], "index 5"),
        (vec![entry(0, "text 0"), r#"{"index":1,"embedding":[0.5,null]}"#.to_owned()], "not a number"),
        (vec![entry(0, "text 0"), r#"{"index":1,"embedding":[1e400]}"#.to_owned()], "not finite"),
    ] {
        let gateway = Gateway::start(move |_| {
            let entries = entries.clone();
            async move { reply(&entries, 1) }
        })
        .await;
        let error = embed(gateway.credentials(json!({})), numbered(2)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ServerUnavailable);
        assert!(error.message.contains(complaint), "{}", error.message);
    }
}

#[tokio::test]
async fn vectors_in_base64_are_decoded_when_they_are_chosen() {
    let gateway = Gateway::always(200, include_str!("../fixtures/embedding/openai_base64.json")).await;
    let credentials = gateway.credentials(json!({"advanced_options": r#"{"encoding_format":"base64"}"#}));
    let result = embed(credentials, numbered(1)).await.unwrap();
    assert_eq!(vectors(&result), ["[0.10000000149011612,-1.0,2.0]"]);
    assert_eq!(gateway.asked()[0].json()["encoding_format"], "base64");
}

#[tokio::test]
async fn an_indented_answer_stays_one_line_for_the_host() {
    let gateway = Gateway::always(200, include_str!("../fixtures/embedding/indented_vllm.json")).await;
    let result = embed(gateway.credentials(json!({})), numbered(1)).await.unwrap();
    assert_eq!(vectors(&result), ["[0.25,-0.5]"]);
}

#[tokio::test]
async fn a_result_over_the_host_s_line_names_the_batch_size_to_choose() {
    let gateway = Gateway::start(async |asked: Asked| {
        let vector = format!("[{}0.5]", "0.123456789012345,".repeat(4095));
        let entries: Vec<String> =
            (0..inputs(&asked).len()).map(|index| format!(r#"{{"index":{index},"embedding":{vector}}}"#)).collect();
        reply(&entries, 1)
    })
    .await;
    let credentials = gateway.credentials(json!({"max_chunks": "50"}));
    let error = embed(credentials.clone(), numbered(100)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    let fits: usize = error.message.split("max_chunks to ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let result = embed(credentials, numbered(fits)).await.unwrap();
    assert!(serde_json::to_vec(&result).unwrap().len() < 5 * 1024 * 1024 - 1024);
}

#[tokio::test]
async fn prefix_dimensions_and_truncation_only_where_they_are_set() {
    let gateway = Gateway::start(async |asked: Asked| backwards(&asked)).await;
    let long = "汉字 and letters ".repeat(4000);
    embed(gateway.credentials(json!({})), vec![long.clone()]).await.unwrap();
    let credentials = gateway.credentials(json!({
        "dimensions": "256",
        "context_size": "100",
        "document_prefix": "passage: ",
        "advanced_options": r#"{"send_user":false,"encoding_format":"not_set"}"#,
    }));
    embed(credentials, vec![long.clone(), "short".to_owned()]).await.unwrap();
    let asked = gateway.asked();
    assert_eq!(inputs(&asked[0]), [long.as_str()]);
    assert_eq!(asked[1].json()["dimensions"], 256);
    assert_eq!(asked[1].json().as_object().unwrap().len(), 3, "neither user nor encoding_format");
    let texts = inputs(&asked[1]);
    assert!(texts[0].len() < 1000 && format!("passage: {long}").starts_with(&texts[0]));
    assert_eq!(texts[1], "passage: short");
}

#[tokio::test]
async fn questions_and_documents_have_a_prefix_of_their_own() {
    let gateway = Gateway::start(async |asked: Asked| backwards(&asked)).await;
    let credentials = gateway.credentials(json!({"document_prefix": "passage: ", "query_prefix": "query: "}));
    for (input_type, sent) in [(InputType::Document, "passage: fox"), (InputType::Query, "query: fox")] {
        let request = TextEmbeddingRequest {
            model: "my-emb".to_owned(),
            credentials: credentials.clone(),
            texts: vec!["fox".to_owned()],
            input_type,
        };
        embedding::invoke_text(&context(), request).await.unwrap();
        assert_eq!(inputs(gateway.asked().last().unwrap()), [sent]);
    }
}

#[tokio::test]
async fn a_text_that_is_too_long_is_named_with_the_way_out() {
    let gateway = Gateway::always(
        400,
        r#"{"error":{"message":"Range of input length should be [1, 8192]","code":"InvalidParameter"}}"#,
    )
    .await;
    let texts = vec!["short".to_owned(), "very long ".repeat(2000)];
    let error = embed(gateway.credentials(json!({})), texts).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    for part in ["number 2", "20000 characters", "very long", "context_size"] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
}

/// Text Embeddings Inference answers 413 to a text that is too long as well as to a batch that is too large.
#[tokio::test]
async fn a_text_that_is_too_long_is_not_taken_for_a_batch_that_is_too_large() {
    let gateway = Gateway::always(
        413,
        r#"{"error":"`inputs` must have less than 512 tokens. Given: 600","error_type":"Validation","code":413}"#,
    )
    .await;
    let texts = vec!["short".to_owned(), "very long ".repeat(600)];
    let error = embed(gateway.credentials(json!({})), texts).await.unwrap_err();
    assert_eq!((error.kind, gateway.asked().len()), (ErrorKind::BadRequest, 1));
    assert!(error.message.contains("number 2"), "{}", error.message);
}

#[tokio::test]
async fn tokens_are_estimated_where_the_upstream_counts_none() {
    let gateway = Gateway::always(200, r#"{"data":[{"index":0,"embedding":[1]}]}"#).await;
    let cx = context();
    let result = embed_in(&cx, gateway.credentials(json!({})), vec!["one two three".to_owned()]).await.unwrap();
    assert_eq!(result.usage.tokens, 3);
    assert!(cx.recorded().tokens_estimated);
    let request = TextTokensRequest {
        model: "m".to_owned(),
        credentials: Credentials::default(),
        texts: vec!["one two three".to_owned(), String::new()],
    };
    assert_eq!(embedding::count_tokens(request).await, [3, 0]);
}

async fn save(credentials: Credentials) -> Result<Credentials, InvokeError> {
    let model = ModelRef { model_type: ModelType::TextEmbedding, model: "my-emb".to_owned(), credentials };
    embedding::validate(&context(), &model).await
}

#[tokio::test]
async fn saving_asks_for_one_vector_as_the_python_plugin_does() {
    let gateway = Gateway::always(200, r#"{"model":"m","data":[{"index":0,"embedding":[1]}]}"#).await;
    let credentials = gateway.credentials(json!({"gateway_model_name": "text-embedding-v4"}));
    assert_eq!(save(credentials.clone()).await.unwrap(), credentials);
    assert_eq!(gateway.asked()[0].text, r#"{"input":"ping","model":"text-embedding-v4"}"#);
}

#[tokio::test]
async fn saving_fails_under_its_own_name_whatever_went_wrong() {
    for (status, body) in [(401, "Invalid Key"), (200, r#"{"choices":[]}"#), (200, "<html>"), (503, "")] {
        let gateway = Gateway::always(status, body).await;
        let error = save(gateway.credentials(json!({}))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::CredentialsValidateFailed, "{status}");
    }
}

#[tokio::test]
async fn an_error_in_a_good_status_is_told_as_it_is() {
    let gateway =
        Gateway::always(200, r#"{"code":"InvalidApiKey","message":"Invalid API-key provided.","request_id":"r-9"}"#)
            .await;
    let error = embed(gateway.credentials(json!({})), numbered(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Authorization, "{}", error.message);
    assert!(error.message.contains("Invalid API-key provided"), "{}", error.message);
}

#[tokio::test]
async fn the_model_is_named_in_a_header_where_it_is_asked_for() {
    let gateway = Gateway::start(async |asked: Asked| backwards(&asked)).await;
    embed(gateway.credentials(json!({})), numbered(1)).await.unwrap();
    let credentials =
        gateway.credentials(json!({"gateway_model_name": "v4", "advanced_options": r#"{"llm_model_header":true}"#}));
    embed(credentials, numbered(1)).await.unwrap();
    let named: Vec<Option<Value>> = gateway
        .asked()
        .iter()
        .map(|asked| asked.headers.get("x-higress-llm-model").map(|name| name.to_str().unwrap().into()))
        .collect();
    assert_eq!(named, [None, Some("v4".into())]);
}

#[tokio::test]
async fn base64_far_beyond_any_vector_is_refused_before_it_is_unpacked() {
    let gateway = Gateway::start(async |_: Asked| {
        let vector = "AAAA".repeat(5 << 20);
        answer(200, format!(r#"{{"data":[{{"index":0,"embedding":"{vector}"}}]}}"#))
    })
    .await;
    let error = embed(gateway.credentials(json!({})), numbered(1)).await.unwrap_err();
    assert!(error.message.contains("larger than 16 MiB in base64"), "{}", error.message);
}
