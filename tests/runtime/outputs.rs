use crate::support::{OPTIONS, ask_with, embed, scene};
use higress_dify_plugin::runtime::entities::{ContentPart, ImageDetail, Media, MediaKind, ToolCall};
use higress_dify_plugin::runtime::pricing::llm_usage;
use higress_dify_plugin::runtime::transport::memory::{Host, llm_output};
use higress_dify_plugin::runtime::{Context, ErrorKind, LlmOutput};
use serde_json::{Value, json};
use std::time::Duration;

const LINE_LIMIT: usize = 5_242_880;

fn output(stream: bool) -> (LlmOutput, Host, Context) {
    let cx = Context::new("S", "invoke_llm");
    let (out, host) = llm_output(&cx, "m", stream).unwrap();
    (out, host, cx)
}

fn picture(bytes: usize) -> ContentPart {
    ContentPart::Media(Media {
        kind: MediaKind::Image,
        format: "png".to_owned(),
        mime_type: "image/png".to_owned(),
        url: String::new(),
        base64_data: "A".repeat(bytes),
        filename: String::new(),
        detail: ImageDetail::Low,
    })
}

fn tool_call() -> ToolCall {
    ToolCall { id: "call_1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() }
}

async fn finish(out: LlmOutput) {
    out.finish(llm_usage(1, 2, None, Duration::ZERO), Some("stop".to_owned()), None).await.unwrap();
}

/// Chunks up to the last one, which has usage.
async fn chunks(host: &mut Host) -> Vec<Value> {
    let mut chunks = Vec::new();
    loop {
        let line = host.line().await.unwrap();
        assert!(line.len() + 1 < LINE_LIMIT);
        let event: Value = serde_json::from_slice(&line).unwrap();
        chunks.push(event["data"]["data"].clone());
        assert_eq!(chunks.last().unwrap()["delta"]["index"], json!(chunks.len() - 1));
        if chunks.last().unwrap()["delta"]["usage"].is_object() {
            return chunks;
        }
    }
}

fn content(chunk: &Value) -> &Value {
    &chunk["delta"]["message"]["content"]
}

#[tokio::test]
async fn a_streamed_answer_keeps_its_order_and_its_indices() {
    let (mut out, mut host, cx) = output(true);
    out.text("one").await.unwrap();
    out.text("").await.unwrap();
    out.parts(vec![picture(4)]).await.unwrap();
    out.tool_calls(vec![tool_call()]).await.unwrap();
    out.text("two").await.unwrap();
    finish(out).await;
    let chunks = chunks(&mut host).await;
    assert_eq!(chunks.len(), 5);
    assert_eq!(content(&chunks[0]), "one");
    assert_eq!(content(&chunks[1])[0]["type"], "image");
    assert_eq!(chunks[2]["delta"]["message"]["tool_calls"][0]["id"], "call_1");
    assert_eq!(content(&chunks[2]), "");
    assert_eq!(content(&chunks[3]), "two");
    assert_eq!((content(&chunks[4]), &chunks[4]["delta"]["finish_reason"]), (&json!(""), &json!("stop")));
    assert!(cx.recorded().time_to_first_chunk.is_some());
}

#[tokio::test]
async fn text_that_waits_becomes_one_chunk_and_a_tool_call_keeps_its_place_and_the_end_its_usage() {
    let (mut out, mut host, _) = output(true);
    // Nothing is read meanwhile: all of it waits.
    for word in ["<think>", "\nwhy ", "not", "\n</think>\n\n", "so "] {
        out.text(word).await.unwrap();
    }
    out.tool_calls(vec![tool_call()]).await.unwrap();
    for word in ["one ", "two ", "three"] {
        out.text(word).await.unwrap();
    }
    finish(out).await;
    let chunks = chunks(&mut host).await;
    let texts: Vec<_> = chunks.iter().map(|chunk| content(chunk).as_str().unwrap()).collect();
    assert_eq!(texts, ["<think>\nwhy not\n</think>\n\nso ", "", "one two three", ""]);
    assert_eq!(chunks[1]["delta"]["message"]["tool_calls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_collected_answer_is_one_chunk_with_everything() {
    let (mut out, mut host, _) = output(false);
    out.text("one ").await.unwrap();
    out.text("two").await.unwrap();
    out.tool_calls(vec![tool_call()]).await.unwrap();
    out.finish(llm_usage(1, 2, None, Duration::ZERO), Some("stop".to_owned()), Some(json!({"a": 1}))).await.unwrap();
    let chunks = chunks(&mut host).await;
    assert_eq!(chunks.len(), 1);
    assert_eq!(content(&chunks[0]), "one two");
    assert_eq!(chunks[0]["delta"]["message"]["tool_calls"][0]["id"], "call_1");
    assert_eq!(chunks[0]["structured_output"], json!({"a": 1}));
}

#[tokio::test]
async fn a_collected_answer_with_a_picture_is_a_list_of_parts() {
    let (mut out, mut host, _) = output(false);
    out.text("look: ").await.unwrap();
    out.parts(vec![picture(4), ContentPart::Text("and".to_owned())]).await.unwrap();
    out.text(" more").await.unwrap();
    finish(out).await;
    let chunks = chunks(&mut host).await;
    let kinds: Vec<_> = content(&chunks[0]).as_array().unwrap().iter().map(|part| part["type"].clone()).collect();
    assert_eq!((chunks.len(), kinds), (1, vec![json!("text"), json!("image"), json!("text")]));
    assert_eq!(content(&chunks[0])[2]["data"], "and more");
}

#[tokio::test]
async fn text_longer_than_a_line_may_be_is_split_between_characters() {
    for stream in [true, false] {
        let (mut out, mut host, _) = output(stream);
        let text = "\u{1F600}\0".repeat(1_200_000);
        let sent = text.clone();
        let sending = tokio::spawn(async move {
            out.text(&sent).await.unwrap();
            finish(out).await;
        });
        let chunks = chunks(&mut host).await;
        sending.await.unwrap();
        let joined: String = chunks.iter().map(|chunk| content(chunk).as_str().unwrap()).collect();
        assert!(joined == text && chunks.len() > 1);
    }
}

#[tokio::test]
async fn a_part_longer_than_a_line_may_be_is_an_error_that_names_the_limit() {
    for stream in [true, false] {
        let (mut out, _host, _) = output(stream);
        let sent = out.parts(vec![picture(LINE_LIMIT)]).await;
        let error = match sent {
            Err(error) => error,
            Ok(()) => out.finish(llm_usage(1, 2, None, Duration::ZERO), None, None).await.unwrap_err(),
        };
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert!(error.message.contains("5242880"), "{error}");
    }
}

#[tokio::test]
async fn a_collected_answer_over_its_cap_is_an_error_that_names_it() {
    let (mut out, _host, _) = output(false);
    let megabyte = "x".repeat(1024 * 1024);
    for _ in 0..16 {
        out.text(&megabyte).await.unwrap();
    }
    let error = out.text("x").await.unwrap_err();
    assert!(error.kind == ErrorKind::BadRequest && error.message.contains("16 MiB"), "{error}");
}

#[tokio::test]
async fn a_result_at_the_line_limit_becomes_a_session_error_and_the_next_call_is_served() {
    let mut scene = scene(OPTIONS);
    scene.host.send(embed("S", &[&(LINE_LIMIT / 2).to_string()])).await;
    let said = scene.hear("S").await;
    assert_eq!(said.error_type(), "InvokeBadRequestError");
    assert!(said.error_text().contains("5242880"));
    scene.host.send(embed("T", &["2500000"])).await;
    assert_eq!(scene.hear("T").await.results.len(), 1);
}

#[tokio::test]
async fn a_call_that_does_not_stream_gets_one_chunk() {
    let mut scene = scene(OPTIONS);
    scene.host.send(ask_with("S", "say a b c", false, &json!({}))).await;
    let said = scene.hear("S").await;
    said.assert_whole();
    assert_eq!((said.text().as_str(), said.results.len()), ("a b c", 1));
}
