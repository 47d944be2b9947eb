use crate::scripted::Gateway;
use crate::tasks::{ID, RUNNING, SUCCEEDED, URLS, tasks};
use crate::{context, fields, fox};
use higress_dify_plugin::provider::Higress;
use higress_dify_plugin::runtime::Provider;
use higress_dify_plugin::runtime::entities::{CheckPollingRequest, ContentPart, Credentials, PollingAnswer};
use serde_json::{Map, Value, json};

const SECRET: &str = "sk-very-secret";

fn form(gateway: &Gateway) -> Credentials {
    let mut form = fields("dashscope_async");
    form["consumer_auth_mode"] = "api_key".into();
    form["api_key"] = SECRET.into();
    gateway.credentials(form)
}

async fn start(credentials: &Credentials, parameters: Value) -> PollingAnswer {
    Higress.start_polling(&context(), fox(credentials.clone(), parameters)).await.expect("failures are answers")
}

async fn check(credentials: &Credentials, plugin_state: Map<String, Value>) -> PollingAnswer {
    let request = CheckPollingRequest { model: "my-image".to_owned(), credentials: credentials.clone(), plugin_state };
    Higress.check_polling(&context(), request).await.expect("failures are answers")
}

fn running(answer: PollingAnswer) -> Map<String, Value> {
    match answer {
        PollingAnswer::Running { plugin_state, next_check_after_seconds } => {
            assert!((1..=30).contains(&next_check_after_seconds));
            through_dify(&plugin_state)
        }
        other => panic!("not running: {other:?}"),
    }
}

fn failed(answer: PollingAnswer) -> String {
    match answer {
        PollingAnswer::Failed(message) => message,
        other => panic!("not failed: {other:?}"),
    }
}

/// Dify's daemon is written in Go: it reads every number as a float and writes whole ones without a point.
fn through_dify(state: &Map<String, Value>) -> Map<String, Value> {
    let text = serde_json::to_string(state).unwrap().replace(".0,", ",").replace(".0}", "}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_state_is_all_another_process_needs() {
    let gateway = tasks(&[(200, RUNNING), (200, SUCCEEDED)]).await;
    let credentials = form(&gateway);
    let state = running(start(&credentials, json!({"output_format": "both"})).await);
    assert_eq!((&state["task_id"], &state["output_format"]), (&ID.into(), &"both".into()));
    assert!(!serde_json::to_string(&state).unwrap().contains(SECRET));
    let state = running(check(&credentials, state).await);
    let PollingAnswer::Succeeded { content, usage, structured_output } = check(&credentials, state).await else {
        panic!("not done")
    };
    let [ContentPart::Text(text), ContentPart::Media(first), ContentPart::Media(second)] = &content[..] else {
        panic!("{content:?}")
    };
    assert_eq!(text, URLS);
    assert_eq!((first.filename.as_str(), first.mime_type.as_str()), ("1.png", "image/png"));
    assert_eq!((second.filename.as_str(), second.mime_type.as_str()), ("2.jpeg", "image/jpeg"));
    assert_eq!((usage.total_tokens, structured_output), (0, None));
    assert_eq!(gateway.asked().iter().filter(|asked| asked.line.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn a_check_that_fails_for_a_moment_leaves_the_task_running() {
    let gateway = tasks(&[(502, "<html>"), (200, SUCCEEDED)]).await;
    let credentials = form(&gateway);
    let state = running(start(&credentials, json!({})).await);
    let state = running(check(&credentials, state).await);
    assert!(matches!(check(&credentials, state).await, PollingAnswer::Succeeded { .. }));
}

#[tokio::test]
async fn checks_that_keep_failing_end_the_task() {
    let gateway = tasks(&[(502, "<html>")]).await;
    let credentials = form(&gateway);
    let mut state = running(start(&credentials, json!({})).await);
    for _ in 0..20 {
        state = running(check(&credentials, state).await);
    }
    let message = failed(check(&credentials, state).await);
    assert!(message.contains(ID), "{message}");
}

#[tokio::test]
async fn failures_are_answers_and_name_the_task() {
    let gateway = tasks(&[(200, include_str!("../fixtures/image/dashscope_failed.json"))]).await;
    let credentials = form(&gateway);
    let state = running(start(&credentials, json!({})).await);
    let message = failed(check(&credentials, state).await);
    assert!(message.contains(&format!("task {ID} failed: DataInspectionFailed")), "{message}");
    let refusing = Gateway::always(401, "Invalid Key").await;
    assert!(failed(start(&form(&refusing), json!({})).await).contains("Invalid Key"));
}

#[tokio::test]
async fn only_tasks_can_be_polled_and_only_in_a_state_of_ours() {
    let gateway = Gateway::always(500, "").await;
    let one_call = gateway.credentials(fields("dashscope_image_generation"));
    assert!(failed(start(&one_call, json!({})).await).contains("dashscope_async"));
    let foreign = json!({"job": 1}).as_object().unwrap().clone();
    assert!(failed(check(&form(&gateway), foreign).await).contains("plugin_state"));
    let forged = json!({"task_id": "../../keys", "output_format": "image"}).as_object().unwrap().clone();
    assert!(failed(check(&form(&gateway), forged).await).contains("not the id of a task"));
    assert!(gateway.asked().is_empty());
}

/// The plugin daemon answers an error of these actions with HTTP 500, and Dify does not read its text.
#[tokio::test]
async fn credentials_that_cannot_be_read_are_a_failure_that_says_why() {
    let gateway = Gateway::always(500, "").await;
    for (change, said) in [
        (json!({"llm_usage_scenario": "text_generation"}), "only image models"),
        (json!({"endpoint_url": ""}), "endpoint_url is empty"),
        (json!({"api_key": ""}), "api_key is empty"),
        (json!({"advanced_options": "{"}), "advanced_options"),
    ] {
        let mut form = form(&gateway);
        form.0.extend(change.as_object().unwrap().clone());
        let message = failed(start(&form, json!({})).await);
        assert!(message.starts_with("[higress] ") && message.contains(said), "{message}");
        let state = json!({"task_id": ID, "output_format": "image"}).as_object().unwrap().clone();
        assert_eq!(failed(check(&form, state).await), message);
    }
    assert!(gateway.asked().is_empty());
}
