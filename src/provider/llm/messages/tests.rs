use super::*;
use crate::runtime::entities::{ImageDetail, Media, MediaKind};
use serde_json::{Value, json};

fn message(role: Role, content: Content) -> PromptMessage {
    PromptMessage { role, content, name: None, tool_calls: Vec::new(), tool_call_id: None, opaque_body: None }
}

fn says(role: Role, text: &str) -> PromptMessage {
    message(role, Content::Text(text.to_owned()))
}

fn dialect(tools: ToolMode) -> Dialect {
    Dialect { tools, format: MultimodalFormat::OpenAi, history: ReasoningHistory::Strip }
}

fn sent(messages: &[PromptMessage], dialect: Dialect) -> Value {
    serde_json::to_value(convert(messages, dialect).unwrap()).unwrap()
}

fn image() -> ContentPart {
    ContentPart::Media(Media {
        kind: MediaKind::Image,
        format: "png".to_owned(),
        mime_type: "image/png".to_owned(),
        url: "http://x/a.png".to_owned(),
        base64_data: String::new(),
        filename: String::new(),
        detail: ImageDetail::Low,
    })
}

fn tool_round() -> Vec<PromptMessage> {
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    vec![
        says(Role::User, "Weather?"),
        PromptMessage {
            tool_calls: vec![call("a", "get_weather", r#"{"city":"Paris"}"#), call("b", "get_time", "")],
            ..says(Role::Assistant, "<think>\nNeed it.\n</think>\n\nLooking.")
        },
        PromptMessage {
            tool_call_id: Some("a".to_owned()),
            name: Some("get_weather".to_owned()),
            ..says(Role::Tool, "18°C")
        },
        PromptMessage { tool_call_id: Some("b".to_owned()), ..says(Role::Tool, "noon") },
    ]
}

#[test]
fn a_tool_round_keeps_its_calls_and_ids() {
    assert_eq!(
        sent(&tool_round(), dialect(ToolMode::Tools)),
        json!([
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "Looking.", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}},
                {"id": "b", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}]},
            {"role": "tool", "content": "18°C", "tool_call_id": "a"},
            {"role": "tool", "content": "noon", "tool_call_id": "b"},
        ])
    );
}

#[test]
fn a_tool_round_in_the_older_shape_has_one_call_per_message_and_names() {
    assert_eq!(
        sent(&tool_round(), dialect(ToolMode::Functions)),
        json!([
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "Looking.",
             "function_call": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}},
            {"role": "assistant", "content": "", "function_call": {"name": "get_time", "arguments": "{}"}},
            {"role": "function", "content": "18°C", "name": "get_weather"},
            {"role": "function", "content": "noon", "name": "get_time"},
        ])
    );
}

#[test]
fn a_tool_round_becomes_text_for_a_model_without_tools() {
    assert_eq!(
        sent(&tool_round(), dialect(ToolMode::None)),
        json!([
            {"role": "user", "content": "Weather?"},
            {"role": "assistant",
             "content": "Looking.\nCalling the tool get_weather with {\"city\":\"Paris\"}\nCalling the tool get_time with {}"},
            {"role": "user", "content": "Result of the tool get_weather:\n18°C"},
            {"role": "user", "content": "Result of the tool get_time:\nnoon"},
        ])
    );
}

#[test]
fn thinking_goes_back_in_its_own_field_when_that_is_wanted() {
    let dialect = Dialect { history: ReasoningHistory::ReasoningContent, ..dialect(ToolMode::Tools) };
    let sent = sent(&tool_round(), dialect);
    assert_eq!(sent[1]["reasoning_content"], "Need it.");
    assert_eq!(sent[1]["content"], "Looking.");
}

#[test]
fn thinking_left_unclosed_before_tool_calls_is_taken_out_too() {
    let mut round = tool_round();
    round[1].content = Content::Text("<think>Need it.".to_owned());
    assert_eq!(sent(&round, dialect(ToolMode::Tools))[1]["content"], "");
    let literal = [says(Role::Assistant, "<think> is a tag")];
    assert_eq!(sent(&literal, dialect(ToolMode::Tools))[0]["content"], "<think> is a tag");
}

#[test]
fn parts_are_converted_in_every_role() {
    for role in [Role::System, Role::Developer, Role::User, Role::Assistant, Role::Tool] {
        let parts = Content::Parts(vec![ContentPart::Text("look".to_owned()), image()]);
        let sent = sent(&[message(role, parts)], dialect(ToolMode::Tools));
        let expected = json!([
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "http://x/a.png", "detail": "low"}},
        ]);
        assert_eq!(sent[0]["content"], expected, "{role:?}");
    }
}

#[test]
fn a_list_of_nothing_but_text_is_sent_as_text() {
    let parts = |texts: &[&str]| {
        let parts = texts.iter().map(|text| ContentPart::Text((*text).to_owned())).collect();
        sent(&[message(Role::User, Content::Parts(parts))], dialect(ToolMode::Tools))[0]["content"].clone()
    };
    assert_eq!(parts(&["a"]), "a");
    assert_eq!(parts(&["a", "b"]), "a\nb");
    assert_eq!(parts(&[]), "");
}

#[test]
fn names_are_passed_on_but_not_for_tools() {
    let named = |role| PromptMessage { name: Some("n".to_owned()), ..says(role, "x") };
    let sent = sent(&[named(Role::System), named(Role::User), named(Role::Tool)], dialect(ToolMode::Tools));
    assert_eq!((&sent[0]["name"], &sent[1]["name"], &sent[2]["name"]), (&json!("n"), &json!("n"), &Value::Null));
    let unnamed = PromptMessage { name: Some(String::new()), ..says(Role::User, "x") };
    assert_eq!(self::sent(&[unnamed], dialect(ToolMode::Tools))[0], json!({"role": "user", "content": "x"}));
}
