//! Who is calling, told to the gateway on every request of the program.

use crate::harness::program;
use crate::server::{Server, reply};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The actions that ask a gateway, one of each road: kind of model, action, form, and what Dify sends with it.
fn calls() -> Vec<(&'static str, &'static str, Value, Value)> {
    let image = json!({"llm_usage_scenario": "image_generation"});
    let task = json!({"llm_usage_scenario": "image_generation", "image_model_protocol": "dashscope_async"});
    let asks =
        json!({"prompt_messages": [{"role": "user", "content": "A red fox"}], "model_parameters": {}, "stream": true});
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let state = json!({"task_id": "t-1", "output_format": "image", "started": now});
    let files = json!({"embedding_model_protocol": "dashscope_multimodal"});
    vec![
        ("llm", "invoke_llm", json!({}), asks.clone()),
        ("llm", "invoke_llm", image.clone(), asks.clone()),
        ("llm", "start_polling", task.clone(), asks),
        ("llm", "check_polling", task, json!({"plugin_state": state})),
        ("llm", "validate_model_credentials", json!({}), json!({})),
        ("llm", "validate_model_credentials", image, json!({})),
        ("text-embedding", "invoke_text_embedding", json!({}), json!({"texts": ["a"], "input_type": "document"})),
        (
            "text-embedding",
            "invoke_multimodal_embedding",
            files,
            json!({"documents": [{"content_type": "text", "content": "a"}], "input_type": "document"}),
        ),
        ("text-embedding", "validate_model_credentials", json!({}), json!({})),
        ("rerank", "invoke_rerank", json!({}), json!({"query": "q", "docs": ["a"]})),
        (
            "rerank",
            "invoke_multimodal_rerank",
            json!({"gateway_model_name": "qwen3-vl-rerank"}),
            json!({
                "query": {"content_type": "text", "content": "q"},
                "docs": [{"content_type": "text", "content": "a"}],
            }),
        ),
        ("rerank", "validate_model_credentials", json!({}), json!({})),
    ]
}

#[tokio::test]
async fn every_request_of_every_kind_of_model_tells_the_app_and_the_user_under_its_signature() {
    let calls = calls();
    let refusals = vec![reply("400 Bad Request", "text/plain", "no"); calls.len()];
    let server = Server::start(refusals).await;
    let mut requests = Vec::new();
    for (index, (kind, action, form, more)) in calls.iter().enumerate() {
        let mut credentials = json!({
            "endpoint_url": server.url, "consumer_auth_mode": "hmac", "hmac_key": "k", "hmac_secret": "s",
            "enable_request_metadata": "app_and_user", "extra_headers": "{\"X-Dify-App-Id\":\"other\"}",
        });
        credentials.as_object_mut().unwrap().extend(form.as_object().unwrap().clone());
        let mut data = json!({
            "type": "model", "action": action, "model_type": kind, "model": "m", "provider": "higress",
            "user_id": "user-1", "credentials": credentials,
        });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        requests.push(json!({"session_id": index.to_string(), "app_id": "app-1", "event": "request", "data": data}));
    }
    let written = program(&requests).await;
    let sent = server.sent();
    assert_eq!(sent.len(), calls.len(), "{written:?}");
    for request in sent {
        let head = request.head.to_ascii_lowercase();
        let value = |name: &str| {
            let mut values = head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            (values.next(), values.next())
        };
        for (name, expected) in [("x-dify-app-id", "app-1"), ("x-dify-source", "dify"), ("x-dify-user-id", "user-1")] {
            assert_eq!(value(name), (Some(expected), None), "{head}");
            assert!(value("x-ca-signature-headers").0.unwrap().split(',').any(|signed| signed == name), "{head}");
        }
    }
}
