//! What the stand-in answers to a request that it lets in.

use crate::http::{exchange, get, post, request};
use higress_dify_plugin::standin::auth::Access;
use higress_dify_plugin::standin::{Config, Standin, spawn};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CHAT: &str = "/open/v1/chat/completions";
const SOON: Duration = Duration::from_secs(10);

fn standin() -> Standin {
    spawn(Config::default()).unwrap()
}

fn asks(model: &str, prompt: &str) -> Value {
    json!({"model": model, "stream": true, "stream_options": {"include_usage": true},
           "messages": [{"role": "user", "content": prompt}]})
}

fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}}])
}

#[tokio::test]
async fn a_streamed_answer_names_the_prompt_and_ends_with_usage_and_done() {
    let gateway = standin();
    let answer = post(gateway.addr(), CHAT, &[], &asks("qwen3-max", "Wie heißt der Fuchs? 狐狸")).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.header("x-envoy-upstream-service-time").is_some());
    assert!(answer.delta("content").contains("“Wie heißt der Fuchs? 狐狸”"));
    assert_eq!(answer.delta("reasoning_content"), "");
    let last = answer.events().pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["completion_tokens"].as_u64().unwrap() > 5);
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_whole_answer_says_the_same_as_a_streamed_one() {
    let gateway = standin();
    let mut body = asks("qwen3-max", "A fox?");
    body["enable_thinking"] = json!(true);
    let streamed = post(gateway.addr(), CHAT, &[], &body).await;
    body["stream"] = json!(false);
    let whole = post(gateway.addr(), CHAT, &[], &body).await.json();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], streamed.delta("content"));
    assert_eq!(message["reasoning_content"], streamed.delta("reasoning_content"));
    assert_eq!(whole["usage"], streamed.events().pop().unwrap()["usage"]);
}

#[tokio::test]
async fn a_tool_is_called_with_arguments_that_fit_and_its_result_is_told() {
    let gateway = standin();
    let mut body = asks("qwen3-max", "Weather in Paris for 3 days?");
    body["tools"] = weather();
    let answer = post(gateway.addr(), CHAT, &[], &body).await;
    let arguments: String = answer
        .events()
        .iter()
        .filter_map(|event| {
            event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"city": "Paris", "days": 3}));
    assert!(answer.text().contains(r#""finish_reason":"tool_calls""#));
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "", "tool_calls": []}));
    messages.push(json!({"role": "tool", "content": "18°C", "tool_call_id": "call_1"}));
    assert!(post(gateway.addr(), CHAT, &[], &body).await.delta("content").contains("18°C"));
}

#[tokio::test]
async fn a_json_answer_fits_its_schema_and_a_limit_cuts() {
    let gateway = standin();
    let mut body = asks("qwen3-max", "Paris?");
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"schema": {
        "type": "object", "properties": {"tags": {"type": "array", "items": {"enum": ["a", "b"]}}}}}});
    let answer = post(gateway.addr(), CHAT, &[], &body).await;
    assert_eq!(serde_json::from_str::<Value>(&answer.delta("content")).unwrap(), json!({"tags": ["a"]}));
    let mut body = asks("qwen3-max", "Paris?");
    body["max_tokens"] = json!(2);
    let answer = post(gateway.addr(), CHAT, &[], &body).await;
    assert_eq!(answer.delta("content"), "You asked:");
    assert!(answer.text().contains(r#""finish_reason":"length""#));
}

#[tokio::test]
async fn similar_texts_have_similar_vectors_and_equal_ones_equal() {
    let gateway = standin();
    let texts = ["The red fox runs.", "A red fox is running.", "Quarterly tax report", "The red fox runs."];
    let answer = post(gateway.addr(), "/open/v1/embeddings", &[], &json!({"model": "e", "input": texts})).await.json();
    let vector =
        |index: usize| -> Vec<f64> { serde_json::from_value(answer["data"][index]["embedding"].clone()).unwrap() };
    let dot = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>();
    assert_eq!(vector(0), vector(3));
    assert!((dot(vector(0), vector(0)) - 1.0).abs() < 1e-3);
    assert!(dot(vector(0), vector(1)) > 2.0 * dot(vector(0), vector(2)));
    let refused =
        post(gateway.addr(), "/open/v1/embeddings", &[], &json!({"model": "batch-limit-3", "input": texts})).await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn documents_come_by_the_words_they_share_in_all_three_shapes() {
    let gateway = standin();
    let (query, documents) = ("red fox", json!(["a dog", "the red fox", "a red car"]));
    let nested = json!({"model": "gte-rerank-v2", "input": {"query": query, "documents": documents},
                        "parameters": {"top_n": 2, "return_documents": true}});
    let flat = json!({"model": "qwen3-rerank", "query": query, "documents": documents, "top_n": 2});
    let path = "/open/api/v1/services/rerank/text-rerank/text-rerank";
    let order = |results: &Value| -> Vec<u64> {
        results.as_array().unwrap().iter().map(|result| result["index"].as_u64().unwrap()).collect()
    };
    let answer = post(gateway.addr(), path, &[], &nested).await.json();
    assert_eq!(order(&answer["output"]["results"]), [1, 2]);
    assert_eq!(answer["output"]["results"][0]["document"]["text"], "the red fox");
    assert_eq!(order(&post(gateway.addr(), path, &[], &flat).await.json()["output"]["results"]), [1, 2]);
    for path in ["/open/v1/rerank", "/open/v1/reranks"] {
        assert_eq!(order(&post(gateway.addr(), path, &[], &flat).await.json()["results"]), [1, 2]);
    }
}

#[tokio::test]
async fn a_picture_is_a_png_at_an_address_of_the_gateway_itself() {
    let gateway = standin();
    let path = "/open/api/v1/services/aigc/multimodal-generation/generation";
    let body = |content: Value| json!({"model": "qwen-image-plus", "input": {"messages": [{"role": "user", "content": content}]}});
    let answer = post(gateway.addr(), path, &[], &body(json!([{"text": "A red fox"}]))).await.json();
    let url = answer["output"]["choices"][0]["message"]["content"][0]["image"].as_str().unwrap().to_owned();
    let file = get(gateway.addr(), url.strip_prefix("http://gateway.test").unwrap()).await;
    assert_eq!((file.status, file.header("content-type")), (200, Some("image/png")));
    assert!(file.body.starts_with(b"\x89PNG\r\n\x1a\n"));
    let refused = post(gateway.addr(), path, &[], &body(json!([]))).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("InvalidParameter")));
}

#[tokio::test]
async fn a_task_is_done_after_it_was_asked_for_often_enough() {
    let gateway = standin();
    let path = "/open/api/v1/services/aigc/text2image/image-synthesis";
    let body = json!({"model": "wan2.2-t2i-flash", "input": {"prompt": "A red fox"}, "parameters": {"n": 2}});
    assert_eq!(post(gateway.addr(), path, &[], &body).await.status, 403, "only as a task");
    let started = post(gateway.addr(), path, &[("x-dashscope-async", "enable")], &body).await.json();
    let id = started["output"]["task_id"].as_str().unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let task = get(gateway.addr(), &format!("/open/api/v1/tasks/{id}")).await.json();
        seen.push(task["output"]["task_status"].as_str().unwrap().to_owned());
        assert!(task["output"]["results"].as_array().is_none_or(|results| results.len() == 2));
    }
    assert_eq!(seen, ["PENDING", "RUNNING", "SUCCEEDED"]);
}

#[tokio::test]
async fn openai_images_come_as_addresses_or_as_files() {
    let gateway = standin();
    let path = "/open/v1/images/generations";
    let urls = post(gateway.addr(), path, &[], &json!({"model": "dall-e-3", "prompt": "A fox", "n": 2})).await.json();
    assert_eq!(urls["data"].as_array().unwrap().len(), 2);
    assert!(urls["data"][0]["url"].is_string());
    let files = post(gateway.addr(), path, &[], &json!({"model": "gpt-image-1", "prompt": "A fox"})).await.json();
    assert!(files["data"][0]["b64_json"].as_str().unwrap().starts_with("iVBORw0KGgo"));
    let form = "--b\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\nA fox\r\n--b\r\ncontent-disposition: form-data; \
                name=\"image\"; filename=\"a.png\"\r\n\r\nPNG\r\n--b--\r\n";
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let edited = exchange(gateway.addr(), &request("POST", "/open/v1/images/edits", &[kind], form)).await.json();
    assert!(edited["data"][0]["b64_json"].is_string());
}

#[tokio::test]
async fn unknown_routes_and_paths_are_an_empty_404_of_the_gateway() {
    let gateway = standin();
    for path in ["/v1/chat/completions", "/opener/v1/chat/completions", "/open/v1/chat/completion", "/"] {
        let answer = post(gateway.addr(), path, &[], &json!({})).await;
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{path}");
        assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
        assert_eq!(answer.header("content-type"), None);
    }
}

#[tokio::test]
async fn a_protected_route_refuses_over_http_and_records_who_came_without_the_key() {
    let gateway = standin();
    let addr = gateway.addr();
    let body = asks("qwen3-max", "hi");
    let path = "/key/v1/chat/completions";
    let refused = post(addr, path, &[("authorization", "Bearer wrong")], &body).await;
    assert_eq!((refused.status, refused.body.len()), (401, 0));
    assert_eq!(refused.header("www-authenticate"), Some("Key realm=MSE Gateway"));
    assert_eq!(post(addr, path, &[("authorization", "Bearer sk-demo-0001")], &body).await.status, 200);
    assert_eq!(post(addr, &format!("{path}?apikey=sk-demo-0001"), &[], &body).await.status, 200);
    let refused = post(addr, "/hmac/v1/chat/completions", &[], &body).await;
    assert_eq!((refused.status, refused.text().as_str()), (401, "Invalid Key"));
    assert_eq!(refused.header("content-type"), Some("text/plain"));
    let records = gateway.requests();
    let seen: Vec<_> = records.iter().map(|record| (record.consumer.as_deref(), record.status)).collect();
    assert_eq!(seen, [(None, Some(401)), (Some("demo"), Some(200)), (Some("demo"), Some(200)), (None, Some(401))]);
    assert_eq!(gateway.stats().rejected, 2);
    let shown = get(addr, "/standin/requests").await.text() + &format!("{records:?}");
    assert!(!shown.contains("sk-demo-0001") && !shown.contains("Bearer wrong"), "{shown}");
    assert_eq!(gateway.url(Access::Hmac), format!("http://{addr}/hmac"));
}

#[tokio::test]
async fn faults_are_chosen_by_the_name_of_the_model() {
    let gateway = standin();
    let ask = async |model: &str| post(gateway.addr(), CHAT, &[], &asks(model, "hi")).await;
    let limited = ask("fault-429").await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    let no_upstream = ask("fault-503").await;
    assert_eq!((no_upstream.status, no_upstream.text().as_str()), (503, "no healthy upstream"));
    assert_eq!(no_upstream.header("x-envoy-upstream-service-time"), None);
    assert!(ask("fault-500-html").await.text().contains("<html>"));
    let cut = ask("fault-cut").await;
    assert!(!cut.complete && cut.delta("content").starts_with("You asked"));
    assert!(ask("fault-guard").await.text().ends_with("data: [DONE]"));
    assert!(ask("fault-crlf").await.text().contains("\r\n\r\n: keep-alive\r\n"));
    assert_eq!(ask("fault-nonsense").await.status, 404);
}

#[tokio::test]
async fn every_fault_that_is_listed_exists() {
    let gateway = standin();
    let faults = higress_dify_plugin::standin::SPECIAL_MODELS.iter().map(|(name, _)| *name);
    for name in faults.filter(|name| name.starts_with("fault-") && !name.contains("stall") && !name.contains("task")) {
        let answer = post(gateway.addr(), CHAT, &[], &asks(name, "hi")).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains("has no fault called"), "{name}");
    }
}

#[tokio::test]
async fn load_streams_number_their_chunks() {
    let gateway = standin();
    let expected: String = (0..100).map(|number| format!("{number} ")).collect();
    for model in ["flood-100", "pace-1ms-100"] {
        let answer = post(gateway.addr(), CHAT, &[], &asks(model, "go")).await;
        assert_eq!(answer.delta("content"), expected, "{model}");
        assert!(answer.text().ends_with("data: [DONE]\n\n"));
    }
}

#[tokio::test]
async fn a_caller_that_leaves_in_mid_answer_is_counted() {
    let gateway = standin();
    for model in ["fault-stall", "fault-stall-stream", "pace-50ms-100000"] {
        let before = gateway.stats();
        let mut stream = TcpStream::connect(gateway.addr()).await.unwrap();
        stream.write_all(request("POST", CHAT, &[], &asks(model, "hi").to_string()).as_bytes()).await.unwrap();
        assert!(gateway.wait_until(SOON, |stats| stats.requests_in_flight == 1).await);
        if model != "fault-stall" {
            stream.read_exact(&mut [0; 64]).await.unwrap();
        }
        drop(stream);
        assert!(gateway.wait_until(SOON, |stats| stats.aborted == before.aborted + 1).await, "{model}");
        assert!(gateway.wait_until(SOON, |stats| stats.connections_open == 0).await, "{model}");
    }
    let stats = get(gateway.addr(), "/standin/stats").await.json();
    assert_eq!((&stats["aborted"], &stats["requests"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn shutting_down_ends_answers_that_would_never_end() {
    let gateway = standin();
    let addr = gateway.addr();
    let body = asks("fault-stall-stream", "hi");
    let caller = tokio::spawn(async move { post(addr, CHAT, &[], &body).await });
    assert!(gateway.wait_until(SOON, |stats| stats.chunks > 0).await);
    tokio::time::timeout(SOON, gateway.shutdown()).await.expect("a prompt end").unwrap();
    assert!(!caller.await.unwrap().complete);
}
