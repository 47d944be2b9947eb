//! Batches: how many texts go out at once, in what order their vectors come back, and what limits do to them.

use crate::embedding::{PATIENCE, backwards, context, embed, embed_in, expected, inputs, numbered, reply, vectors};
use crate::scripted::{Asked, Gateway, answer};
use axum::response::Response;
use higress_dify_plugin::runtime::ErrorKind;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Barrier, Semaphore};

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

#[tokio::test]
async fn a_call_that_takes_too_long_is_told_with_its_limit_whichever_batch_is_under_way() {
    let count = Arc::new(AtomicUsize::new(0));
    let gateway = Gateway::start(move |asked: Asked| {
        let answers = count.fetch_add(1, Ordering::SeqCst) < 3;
        async move { if answers { backwards(&asked) } else { std::future::pending().await } }
    })
    .await;
    let options = r#"{"concurrency":1,"total_timeout":2}"#;
    let credentials = gateway.credentials(json!({"advanced_options": options, "max_chunks": "1"}));
    let error = embed(credentials, numbered(20)).await.unwrap_err();
    assert!(error.message.contains("within 2 s (total_timeout)"), "{}", error.message);
    assert_eq!(gateway.asked().len(), 4, "earlier batches took of the time");
}
