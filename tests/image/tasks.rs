use crate::scripted::{Asked, Gateway, answer};
use crate::{content, context, draw, fields, fox};
use axum::response::Response;
use higress_dify_plugin::runtime::ErrorKind;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const ID: &str = "0385dc79-5ff8-4d82-bcb6-000000000001";
pub(crate) const SUBMITTED: &str = include_str!("../fixtures/image/dashscope_submitted.json");
pub(crate) const RUNNING: &str = include_str!("../fixtures/image/dashscope_running.json");
pub(crate) const SUCCEEDED: &str = include_str!("../fixtures/image/dashscope_succeeded.json");
pub(crate) const URLS: &str =
    "https://dashscope-result.example/1.png?Expires=2\nhttps://dashscope-result.example/2.jpeg";

/// A gateway that accepts a task and answers the questions about it with these, in turn.
pub(crate) async fn tasks(states: &'static [(u16, &'static str)]) -> Gateway {
    let questions = Arc::new(AtomicUsize::new(0));
    Gateway::start(move |asked: Asked| {
        let question = asked.line.starts_with("GET").then(|| questions.fetch_add(1, Ordering::SeqCst));
        std::future::ready(reply(states, question))
    })
    .await
}

fn reply(script: &[(u16, &str)], question: Option<usize>) -> Response {
    match question {
        None => answer(200, SUBMITTED),
        Some(number) => {
            let (status, body) = script.get(number).or(script.last()).unwrap();
            answer(*status, *body)
        }
    }
}

#[tokio::test]
async fn a_task_is_submitted_once_and_asked_for_until_it_is_done() {
    let gateway = tasks(&[(200, RUNNING), (200, SUCCEEDED)]).await;
    let credentials = gateway.credentials(fields("dashscope_async"));
    let deltas = draw(&context(), fox(credentials, json!({"size": "1024*1024"}))).await.unwrap();
    assert_eq!(content(&deltas).0, URLS);
    let asked = gateway.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let question = format!("GET /pre/api/v1/tasks/{ID}");
    assert_eq!(lines, ["POST /pre/api/v1/services/aigc/text2image/image-synthesis", &question, &question]);
    assert_eq!(asked[0].headers["x-dashscope-async"], "enable");
    assert_eq!(
        asked[0].json(),
        json!({"model": "painter", "input": {"prompt": "A red fox"}, "parameters": {"size": "1024*1024", "n": 1}})
    );
    assert!(asked[1].headers.get("x-dashscope-async").is_none());
}

#[tokio::test]
async fn a_question_that_fails_for_a_moment_is_asked_again() {
    let gateway = tasks(&[(503, "no healthy upstream"), (200, SUCCEEDED)]).await;
    let cx = context();
    let deltas = draw(&cx, fox(gateway.credentials(fields("dashscope_async")), json!({}))).await.unwrap();
    assert_eq!(content(&deltas).0, URLS);
    assert_eq!(cx.recorded().retries, 1);
    assert_eq!(gateway.asked().iter().filter(|asked| asked.line.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn failed_cancelled_and_unknown_tasks_are_told_apart_by_name() {
    for (state, words) in [
        (include_str!("../fixtures/image/dashscope_failed.json"), "failed: DataInspectionFailed: Input data may"),
        (r#"{"output":{"task_id":"x","task_status":"CANCELED"}}"#, "was cancelled"),
        (r#"{"output":{"task_id":"x","task_status":"UNKNOWN"}}"#, "is unknown"),
    ] {
        let states: &'static [(u16, &'static str)] = Box::leak(Box::new([(200, state)]));
        let gateway = tasks(states).await;
        let credentials = gateway.credentials(fields("dashscope_async"));
        let error = draw(&context(), fox(credentials, json!({}))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert!(error.message.contains(&format!("task {ID} {words}")), "{}", error.message);
    }
}

#[tokio::test]
async fn a_task_that_is_done_without_a_picture_is_not_asked_for_again() {
    let gateway = tasks(&[(200, r#"{"output":{"task_id":"x","task_status":"SUCCEEDED","results":[]}}"#)]).await;
    let credentials = gateway.credentials(fields("dashscope_async"));
    let error = draw(&context(), fox(credentials, json!({}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ServerUnavailable);
    assert!(error.message.contains(ID) && error.message.contains("no picture"), "{}", error.message);
    assert_eq!(gateway.asked().len(), 2);
}

#[tokio::test]
async fn a_task_that_may_not_be_asked_for_is_named_in_the_error() {
    let gateway = tasks(&[(404, "")]).await;
    let credentials = gateway.credentials(fields("dashscope_async"));
    let error = draw(&context(), fox(credentials, json!({}))).await.unwrap_err();
    assert!(error.message.contains(ID) && error.message.contains("/api/v1/tasks/"), "{}", error.message);
}

#[tokio::test]
async fn a_task_that_takes_too_long_is_left_with_its_id() {
    let gateway = tasks(&[(200, RUNNING)]).await;
    let mut form: Value = fields("dashscope_async");
    form["advanced_options"] =
        r#"{"total_timeout":2,"connect_timeout":1,"first_byte_timeout":1,"idle_timeout":1}"#.into();
    let error = draw(&context(), fox(gateway.credentials(form), json!({}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection);
    assert!(error.message.contains(ID) && error.message.contains("2 s"), "{}", error.message);
}
