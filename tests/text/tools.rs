//! Tools: what a model is offered and told of them, and the calls that come back.

use crate::harness::{HELLO, Outcome, STOP, asks, event, invoke, program, says};
use crate::server::{Server, reply, stream};
use higress_dify_plugin::runtime::entities::{Role, ToolDefinition};
use serde_json::{Value, json};

async fn outcome_of(body: &str) -> Outcome {
    let server = Server::start(vec![stream(body)]).await;
    invoke(asks(&server, json!({}), json!({}))).await
}

#[tokio::test]
async fn tools_and_schemas_keep_the_order_of_their_fields() {
    let fields = r#"{"type":"object","properties":{"reasoning":{"type":"string"},"answer":{"type":"string"}}}"#;
    let server = Server::start(vec![stream(HELLO)]).await;
    let more = json!({"structured_output_support": "supported", "function_calling_type": "tool_call"});
    let schema = format!(r#"{{"schema":{fields},"name":"n"}}"#);
    let mut request = asks(&server, more, json!({"response_format": "json_schema", "json_schema": schema}));
    request.tools = vec![ToolDefinition {
        name: "f".to_owned(),
        description: String::new(),
        parameters: serde_json::from_str(fields).unwrap(),
    }];
    assert_eq!(invoke(request).await.result, Ok(()));
    // Models write the fields of an object in the order of its schema: thinking first is not thinking last.
    let sent = &server.sent()[0].body;
    assert_eq!(sent["tools"][0]["function"]["parameters"].to_string(), fields);
    assert_eq!(sent["response_format"]["json_schema"].to_string(), schema);
}

#[tokio::test]
async fn tools_are_told_as_text_to_a_model_that_cannot_call_and_no_message_is_empty() {
    let server = Server::start(vec![stream(HELLO)]).await;
    let mut request = asks(&server, json!({}), json!({}));
    let mut result = says(Role::Tool, "42");
    result.tool_call_id = Some("c1".to_owned());
    request.prompt_messages.push(result);
    assert_eq!(invoke(request).await.result, Ok(()));
    let sent = &server.sent()[0].body;
    assert_eq!(sent["messages"][1], json!({"role": "user", "content": "Result of a tool:\n42"}));
    assert_eq!(sent.get("tools"), None);
}

#[tokio::test]
async fn calls_in_the_older_shape_have_ids_of_their_own() {
    let body = concat!(
        "data: {\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"function_call\":{\"arguments\":\"{\\\"a\\\":1}\"}},\"finish_reason\":\"function_call\"}]}\n\n",
    );
    let server = Server::start(vec![stream(body), stream(body)]).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let outcome = invoke(asks(&server, json!({"function_calling_type": "function_call"}), json!({}))).await;
        let calls: Vec<_> =
            outcome.deltas.iter().filter_map(|delta| delta["message"]["tool_calls"].as_array()).flatten().collect();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0]["function"], json!({"name": "f", "arguments": "{\"a\":1}"}));
        ids.push(calls[0]["id"].as_str().unwrap().to_owned());
    }
    assert!(ids[0] != ids[1] && ids.iter().all(|id| !id.is_empty()));
}

#[tokio::test]
async fn a_call_counts_in_whatever_shape_it_comes() {
    let tool = json!({"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let function = json!({"function_call": {"name": "f", "arguments": "{}"}});
    for mode in ["tool_call", "function_call"] {
        for message in [&tool, &function] {
            let body = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).to_string();
            let server = Server::start(vec![reply("200 OK", "application/json", &body)]).await;
            let outcome = invoke(asks(&server, json!({"function_calling_type": mode}), json!({}))).await;
            assert_eq!(outcome.result, Ok(()), "{mode} {message}");
            let calls = outcome.deltas.iter().filter_map(|delta| delta["message"]["tool_calls"].as_array()).flatten();
            let names: Vec<_> = calls.map(|call| &call["function"]["name"]).collect();
            assert_eq!(names, ["f"], "{mode} {message}");
        }
    }
}

#[tokio::test]
async fn whole_calls_that_share_an_index_and_have_no_ids_stay_apart() {
    let call = |name: &str, arguments: &str| {
        let call = json!({"index": 0, "function": {"name": name, "arguments": arguments}});
        event(&json!({"choices": [{"delta": {"tool_calls": [call]}}]}))
    };
    let body = [call("f", "{\"x\":1}"), call("f", "{\"x\":2}"), call("g", "{\"x\":2}"), STOP.to_owned()].concat();
    let outcome = outcome_of(&body).await;
    assert_eq!(outcome.result, Ok(()));
    let calls = outcome.deltas.iter().filter_map(|delta| delta["message"]["tool_calls"].as_array()).flatten();
    let calls: Vec<_> = calls.map(|call| (&call["function"]["name"], &call["function"]["arguments"])).collect();
    assert_eq!(
        calls,
        [(&json!("f"), &json!("{\"x\":1}")), (&json!("f"), &json!("{\"x\":2}")), (&json!("g"), &json!("{\"x\":2}"))]
    );
}

#[tokio::test]
async fn halves_of_characters_in_a_calls_arguments_do_not_spoil_it() {
    let piece = |arguments: &str| {
        let call = format!(r#"{{"index":0,"id":"c1","function":{{"name":"f","arguments":"{arguments}"}}}}"#);
        format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{call}]}}}}]}}\n\n")
    };
    for (first, second, expected) in [
        (r#"{\"a\":\"\ud83d"#, r#"\ude00\"}"#, json!({"a": "😀"})),
        (r#"{\"a\":\"\\ud83d"#, r#"\\ude00\"}"#, json!({"a": "😀"})),
        (r#"{\"a\":\"\\ud83d"#, r#"\"}"#, json!({"a": "\u{fffd}"})),
    ] {
        let outcome = outcome_of(&format!("{}{}{STOP}", piece(first), piece(second))).await;
        assert_eq!(outcome.result, Ok(()), "{first} {second}");
        let calls = outcome.deltas.iter().find_map(|delta| delta["message"]["tool_calls"][0]["function"].as_object());
        let arguments: Value = serde_json::from_str(calls.unwrap()["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, expected);
    }
}

#[tokio::test]
async fn tools_that_are_not_offered_are_named_in_the_log() {
    let server = Server::start(vec![stream(HELLO)]).await;
    let tool = json!({"name": "f", "description": "", "parameters": {"type": "object"}});
    let data = json!({
        "type": "model", "action": "invoke_llm", "model_type": "llm", "model": "m", "provider": "higress",
        "credentials": {"endpoint_url": server.url, "function_calling_type": "no_call"}, "model_parameters": {},
        "prompt_messages": [{"role": "user", "content": "Hi"}], "tools": [tool], "stream": true,
    });
    let written = program(&[json!({"session_id": "S", "event": "request", "data": data})]).await;
    assert_eq!(server.sent()[0].body.get("tools"), None);
    let logged =
        written.iter().filter(|event| event["event"] == "log").filter_map(|log| log["data"]["message"].as_str());
    assert!(logged.clone().any(|text| text.contains("function_calling_type is no_call")), "{written:?}");
}
