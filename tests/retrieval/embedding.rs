use crate::scripted::{Asked, Gateway, answer};
use axum::response::Response;
use higress_dify_plugin::provider::embedding;
use higress_dify_plugin::runtime::entities::{
    Credentials, EmbeddingResult, InputType, ModelRef, ModelType, TextEmbeddingRequest, TextTokensRequest,
};
use higress_dify_plugin::runtime::protocol::outbound;
use higress_dify_plugin::runtime::{Context, ErrorKind, InvokeError};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Barrier, Semaphore};

/// Long enough for any of these tests, short enough to notice one that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

async fn embed(credentials: Credentials, texts: Vec<String>) -> Result<EmbeddingResult, InvokeError> {
    embed_in(&context(), credentials, texts).await
}

async fn embed_in(cx: &Context, credentials: Credentials, texts: Vec<String>) -> Result<EmbeddingResult, InvokeError> {
    let request =
        TextEmbeddingRequest { model: "my-emb".to_owned(), credentials, texts, input_type: InputType::Document };
    tokio::time::timeout(PATIENCE, embedding::invoke_text(cx, request)).await.expect("the call hangs")
}

fn context() -> Context {
    let mut cx = Context::new("s-1", "invoke_text_embedding");
    cx.user_id = Some("u-42".to_owned());
    cx
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

fn inputs(asked: &Asked) -> Vec<String> {
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

fn reply(entries: &[String], tokens: usize) -> Response {
    answer(
        200,
        format!(
            r#"{{"object":"list","data":[{}],"model":"other","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#,
            entries.join(",")
        ),
    )
}

/// A good gateway's answer, last text first.
fn backwards(asked: &Asked) -> Response {
    let texts = inputs(asked);
    let mut entries: Vec<String> = texts.iter().enumerate().map(|(index, text)| entry(index, text)).collect();
    entries.reverse();
    reply(&entries, 3 * texts.len())
}

fn vectors(result: &EmbeddingResult) -> Vec<String> {
    result.embeddings.iter().map(|vector| vector.get().to_owned()).collect()
}

fn expected(texts: &[String]) -> Vec<String> {
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

#[tokio::test]
async fn batches_of_max_chunks_go_out_side_by_side_and_answers_may_come_in_any_order() {
    // Nobody is answered until four are waiting, and then the first to come waits for a second round.
    let barrier = Arc::new(Barrier::new(4));
    let gateway = Gateway::start(move |asked: Asked| {
        let barrier = Arc::clone(&barrier);
        async move {
            if barrier.wait().await.is_leader() {
                tokio::task::yield_now().await;
            }
            backwards(&asked)
        }
    })
    .await;
    let texts = numbered(80);
    let result = embed(gateway.credentials(json!({})), texts.clone()).await.unwrap();
    assert_eq!(vectors(&result), expected(&texts));
    let sizes: Vec<usize> = gateway.asked().iter().map(|asked| inputs(asked).len()).collect();
    assert_eq!(sizes, [10; 8]);
}

#[tokio::test]
async fn the_concurrency_of_an_endpoint_is_shared_by_all_its_calls() {
    static FLYING: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let gateway = Gateway::start(async |asked: Asked| {
        let flying = FLYING.fetch_add(1, Ordering::SeqCst) + 1;
        MOST.fetch_max(flying, Ordering::SeqCst);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        FLYING.fetch_sub(1, Ordering::SeqCst);
        backwards(&asked)
    })
    .await;
    let credentials = gateway.credentials(json!({"advanced_options": r#"{"concurrency":3}"#, "max_chunks": "1"}));
    let calls = (0..5).map(|_| embed(credentials.clone(), numbered(8)));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(vectors(&result.unwrap()), expected(&numbered(8)));
    }
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_refused_batch_is_halved_until_it_fits_and_the_size_is_remembered() {
    let gateway = Gateway::start(async |asked: Asked| {
        if inputs(&asked).len() > 3 {
            return answer(400, include_str!("../fixtures/embedding/dashscope_batch_refused.json"));
        }
        backwards(&asked)
    })
    .await;
    let credentials = gateway.credentials(json!({"gateway_model_name": "halved", "max_chunks": "10"}));
    let texts = numbered(25);
    let result = embed(credentials.clone(), texts.clone()).await.unwrap();
    assert_eq!(vectors(&result), expected(&texts));
    assert_eq!(result.usage.tokens, 75);
    let before = gateway.asked().len();
    let result = embed(credentials, texts.clone()).await.unwrap();
    assert_eq!(vectors(&result), expected(&texts));
    let later: Vec<usize> = gateway.asked()[before..].iter().map(|asked| inputs(asked).len()).collect();
    assert!(later.iter().all(|size| *size <= 3), "{later:?}");
}

#[tokio::test]
async fn a_single_text_that_is_refused_for_its_size_is_an_error() {
    let gateway = Gateway::always(400, r#"{"error":{"message":"batch size is invalid"}}"#).await;
    let credentials = gateway.credentials(json!({"gateway_model_name": "never"}));
    let error = embed(credentials, numbered(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(gateway.asked().len(), 2);
}

#[tokio::test]
async fn what_a_batch_is_refused_for_is_learned_only_when_smaller_ones_pass() {
    let gateway = Gateway::start(async |asked: Asked| {
        if inputs(&asked).iter().any(|text| text.len() > 1000) {
            return answer(400, r#"{"error":{"message":"the input is larger than the physical batch size"}}"#);
        }
        backwards(&asked)
    })
    .await;
    let credentials = gateway.credentials(json!({"gateway_model_name": "one-large-text"}));
    let texts: Vec<String> = std::iter::once("x".repeat(2000)).chain(numbered(9)).collect();
    assert_eq!(embed(credentials.clone(), texts).await.unwrap_err().kind, ErrorKind::BadRequest);
    let before = gateway.asked().len();
    embed(credentials, numbered(10)).await.unwrap();
    assert_eq!(gateway.asked().len() - before, 1, "a text that no batch could hold says nothing of batches");
}

#[tokio::test]
async fn a_request_of_too_many_bytes_says_nothing_of_how_many_texts_may_be_sent() {
    let gateway =
        Gateway::start(
            async |asked: Asked| {
                if asked.text.len() > 1000 { answer(413, "Payload Too Large") } else { backwards(&asked) }
            },
        )
        .await;
    let credentials = gateway.credentials(json!({"gateway_model_name": "bytes"}));
    let texts: Vec<String> = (0..10).map(|number| number.to_string().repeat(400)).collect();
    let result = embed(credentials.clone(), texts.clone()).await.unwrap();
    assert_eq!(vectors(&result), expected(&texts));
    let before = gateway.asked().len();
    embed(credentials, numbered(10)).await.unwrap();
    assert_eq!(gateway.asked().len() - before, 1);
}

#[tokio::test]
async fn vectors_of_different_lengths_are_refused_in_one_answer_and_between_answers() {
    for (first, second, max_chunks) in [("[1,2]", "[1]", "2"), ("[1,2]", "[1]", "1"), ("\"AACAPw==\"", "[1,2]", "2")] {
        let gateway = Gateway::start(move |asked: Asked| {
            let vector = |text: &String| if text == "text 0" { first } else { second };
            let entry = |(index, text)| format!(r#"{{"index":{index},"embedding":{}}}"#, vector(text));
            std::future::ready(reply(&inputs(&asked).iter().enumerate().map(entry).collect::<Vec<_>>(), 1))
        })
        .await;
        let error = embed(gateway.credentials(json!({"max_chunks": max_chunks})), numbered(2)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ServerUnavailable);
        assert!(error.message.contains("different lengths"), "{}", error.message);
    }
}

fn limited(after: &str) -> Response {
    let mut response = answer(429, "Too many requests");
    response.headers_mut().insert("retry-after", after.parse().unwrap());
    response
}

#[tokio::test]
async fn a_batch_over_the_rate_limit_goes_again_when_the_gateway_says() {
    let count = Arc::new(AtomicUsize::new(0));
    let gateway = Gateway::start(move |asked: Asked| {
        let attempt = count.fetch_add(1, Ordering::SeqCst);
        async move { if attempt < 3 { limited("0") } else { backwards(&asked) } }
    })
    .await;
    let cx = context();
    let result = embed_in(&cx, gateway.credentials(json!({})), numbered(2)).await.unwrap();
    assert_eq!(vectors(&result), expected(&numbered(2)));
    assert_eq!((gateway.asked().len(), cx.recorded().retries), (4, 3));
}

/// A gateway that answers 429 with this header, for ever.
async fn over_the_limit(header: &'static str, value: &'static str) -> Gateway {
    Gateway::start(move |_| {
        let mut response = answer(429, "Too many requests");
        if !header.is_empty() {
            response.headers_mut().insert(header, value.parse().unwrap());
        }
        std::future::ready(response)
    })
    .await
}

#[tokio::test]
async fn a_batch_waits_for_the_limit_to_start_anew_where_that_is_what_the_gateway_tells() {
    for header in ["x-ratelimit-reset", "x-tokenratelimit-reset"] {
        // Two seconds, where it would be one without the header.
        let count = Arc::new(AtomicUsize::new(0));
        let gateway = Gateway::start(move |asked: Asked| {
            let first = count.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if !first {
                    return backwards(&asked);
                }
                let mut response = answer(429, "Too many requests");
                response.headers_mut().insert(header, "2".parse().unwrap());
                response
            }
        })
        .await;
        let started = Instant::now();
        let result = embed(gateway.credentials(json!({})), numbered(2)).await.unwrap();
        assert_eq!(vectors(&result), expected(&numbered(2)), "{header}");
        assert!(started.elapsed() >= Duration::from_secs(2), "{header}: {:?}", started.elapsed());
        // An hour is beyond the call's time.
        let gateway = over_the_limit(header, "3600").await;
        assert_eq!(embed(gateway.credentials(json!({})), numbered(1)).await.unwrap_err().kind, ErrorKind::RateLimit);
        assert_eq!(gateway.asked().len(), 1, "{header}");
    }
}

#[tokio::test]
async fn retries_that_are_set_are_all_there_are() {
    for (header, value) in [("", ""), ("retry-after", "0")] {
        let gateway = over_the_limit(header, value).await;
        let credentials = gateway.credentials(json!({"advanced_options": r#"{"retries":2}"#}));
        assert_eq!(embed(credentials, numbered(1)).await.unwrap_err().kind, ErrorKind::RateLimit);
        assert_eq!(gateway.asked().len(), 3, "{header}");
    }
}

#[tokio::test]
async fn a_rate_limit_that_stays_is_an_error_after_three_more_attempts() {
    let gateway = Gateway::start(async |_| limited("0")).await;
    let error = embed(gateway.credentials(json!({})), numbered(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimit);
    assert_eq!(gateway.asked().len(), 4);
}

#[tokio::test]
async fn retries_set_to_none_means_none() {
    let gateway = Gateway::start(async |_| limited("0")).await;
    let credentials = gateway.credentials(json!({"advanced_options": r#"{"retries":0}"#}));
    assert_eq!(embed(credentials, numbered(1)).await.unwrap_err().kind, ErrorKind::RateLimit);
    assert_eq!(gateway.asked().len(), 1);
}

#[tokio::test]
async fn a_wait_beyond_the_total_time_out_is_not_begun() {
    let gateway = Gateway::start(async |_| limited("3600")).await;
    let error = embed(gateway.credentials(json!({})), numbered(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimit);
    assert_eq!(gateway.asked().len(), 1);
}

#[tokio::test]
async fn one_failing_batch_fails_the_call_with_its_error_and_ends_the_others() {
    // Every other batch is never answered: the call must not wait for them.
    let gateway = Gateway::start(async |asked: Asked| {
        if inputs(&asked).contains(&"text 11".to_owned()) {
            return answer(401, r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#);
        }
        std::future::pending().await
    })
    .await;
    let error = embed(gateway.credentials(json!({})), numbered(30)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Authorization);
    assert!(error.message.contains("Incorrect API key"), "{}", error.message);
}

/// Tells when a request's connection is gone: a server drops what it was doing for it.
struct Gone(Arc<Semaphore>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

#[tokio::test]
async fn a_failing_batch_closes_the_connections_of_the_others() {
    let (waiting, gone) = (Arc::new(Barrier::new(4)), Arc::new(Semaphore::new(0)));
    let closed = Arc::clone(&gone);
    let gateway = Gateway::start(move |asked: Asked| {
        let (waiting, gone) = (Arc::clone(&waiting), Gone(Arc::clone(&gone)));
        async move {
            let _held = gone;
            waiting.wait().await;
            if inputs(&asked).contains(&"text 0".to_owned()) {
                return answer(400, r#"{"error":{"message":"no"}}"#);
            }
            std::future::pending().await
        }
    })
    .await;
    // Ten batches, four at a time: six are never sent.
    let error = embed(gateway.credentials(json!({})), numbered(100)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    let all = tokio::time::timeout(PATIENCE, closed.acquire_many(4)).await;
    assert!(all.is_ok(), "{} of 4 are closed", closed.available_permits());
    assert_eq!(gateway.asked().len(), 4);
}

#[tokio::test]
async fn a_batch_that_is_answered_last_of_all_stands_in_its_place() {
    let answered = Arc::new(Semaphore::new(0));
    let gateway = Gateway::start(move |asked: Asked| {
        let answered = Arc::clone(&answered);
        async move {
            if inputs(&asked).contains(&"text 0".to_owned()) {
                answered.acquire_many(7).await.unwrap().forget();
            } else {
                answered.add_permits(1);
            }
            backwards(&asked)
        }
    })
    .await;
    let texts = numbered(80);
    let result = embed(gateway.credentials(json!({})), texts.clone()).await.unwrap();
    assert_eq!(vectors(&result), expected(&texts));
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
