//! Polling as a host with several nodes does it: every question is asked of a process that has just been started.

use crate::fields;
use crate::scripted::Gateway;
use crate::tasks::{ID, RUNNING, SUCCEEDED, URLS, tasks};
use higress_dify_plugin::runtime::entities::Credentials;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The plugin's program, for one call; its only result.
async fn call(action: &str, credentials: &Credentials, more: Value) -> Value {
    let mut data = json!({
        "type": "model", "action": action, "model_type": "llm", "model": "my-image", "provider": "higress",
        "user_id": "u", "credentials": credentials.0,
    });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut plugin = Command::new(env!("CARGO_BIN_EXE_higress-dify-plugin"))
        .env("INSTALL_METHOD", "local")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let request = json!({"session_id": "S", "event": "request", "data": data}).to_string() + "\n";
    plugin.stdin.take().unwrap().write_all(request.as_bytes()).await.unwrap();
    let output = tokio::time::timeout(Duration::from_secs(20), plugin.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success());
    let messages: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == "session")
        .map(|event| event["data"].clone())
        .collect();
    let [result, end] = &messages[..] else { panic!("one result, then the end: {messages:?}") };
    assert_eq!((&result["type"], &end["type"]), (&"stream".into(), &"end".into()));
    result["data"].clone()
}

fn form(gateway: &Gateway, key: &str) -> Credentials {
    let mut form = fields("dashscope_async");
    form["advanced_options"] = r#"{"polling":true}"#.into();
    form["consumer_auth_mode"] = "api_key".into();
    form["api_key"] = key.into();
    gateway.credentials(form)
}

fn fox() -> Value {
    json!({
        "prompt_messages": [{"role": "user", "content": "A red fox"}], "tools": null, "stop": null, "stream": false,
        "model_parameters": {"output_format": "both", "n": 2},
    })
}

#[tokio::test]
async fn a_task_is_started_checked_and_fetched_by_three_processes() {
    let gateway = tasks(&[(200, RUNNING), (200, SUCCEEDED)]).await;
    let credentials = form(&gateway, "sk-first");
    let started = call("start_polling", &credentials, fox()).await;
    assert!(!started.to_string().contains("sk-first"));
    assert_eq!((&started["status"], &started["plugin_state"]["task_id"]), (&"running".into(), &ID.into()));
    let state = |answer: &Value| json!({"plugin_state": answer["plugin_state"]});
    let checked = call("check_polling", &credentials, state(&started)).await;
    assert_eq!(checked["status"], "running");
    // The key was changed in Dify meanwhile: the state holds nothing of the old one.
    let done = call("check_polling", &form(&gateway, "sk-second"), state(&checked)).await;
    assert_eq!((&done["status"], &done["error"]), (&"succeeded".into(), &Value::Null));
    let parts = done["result"]["message"]["content"].as_array().unwrap();
    assert_eq!(parts[0]["data"], URLS);
    let kinds: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "image", "image"]);
    let keys: Vec<_> = gateway.asked().iter().map(|asked| asked.headers["authorization"].clone()).collect();
    assert_eq!(keys, ["Bearer sk-first", "Bearer sk-first", "Bearer sk-second"]);
    let submitted = gateway.asked().iter().filter(|asked| asked.line.starts_with("POST")).count();
    assert_eq!(submitted, 1, "no process submits it again");
}

#[tokio::test]
async fn an_unreadable_model_is_a_failed_task_on_the_wire_too() {
    let gateway = Gateway::always(500, "").await;
    let answer = call("start_polling", &form(&gateway, ""), fox()).await;
    assert_eq!(answer["status"], "failed");
    assert!(answer["error"].as_str().unwrap().contains("api_key is empty"), "{answer}");
}
