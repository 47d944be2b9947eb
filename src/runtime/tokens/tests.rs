use super::*;
use serde_json::json;

fn message(role: Role, text: &str) -> PromptMessage {
    let content = Content::Text(text.to_owned());
    PromptMessage { role, content, name: None, tool_calls: Vec::new(), tool_call_id: None, opaque_body: None }
}

#[test]
fn texts_count_as_with_gpt_2() {
    // Counts of OpenAI's tiktoken for "gpt2".
    for (text, tokens) in [("", 0), ("hi", 1), ("Hello world", 2), ("你好", 4), ("🎉", 3), ("a  b\n\nc", 6)] {
        assert_eq!(count_text(text), tokens, "{text:?}");
    }
}

#[test]
fn names_of_special_tokens_are_ordinary_text() {
    assert_eq!(count_text("<|endoftext|>"), 7);
}

#[test]
fn a_text_of_a_hundred_thousand_characters_counts_its_characters() {
    assert_eq!(count_text(&"ä".repeat(100_000)), 100_000);
    assert!(count_text(&"word ".repeat(19_999)) < 25_000);
}

#[test]
fn long_runs_of_white_space_are_counted() {
    assert!(count_text(&format!("{}x", " ".repeat(99_998))) > 0);
    assert!(count_text(&format!("{}x", "\n\t".repeat(49_998))) > 0);
}

#[test]
fn a_conversation_counts_every_value_and_its_overhead() {
    // 3 + role + text each, 3 for the answer.
    let hi = message(Role::User, "hi");
    assert_eq!(count_messages(std::slice::from_ref(&hi), &[]), 3 + 1 + 1 + 3);
    let mut named = hi.clone();
    named.name = Some("hi".to_owned());
    assert_eq!(count_messages(&[named, hi.clone()], &[]), (3 + 1 + 1 + 2) + (3 + 1 + 1) + 3);
    let mut answer = message(Role::Tool, "hi");
    answer.tool_call_id = Some("hi".to_owned());
    assert_eq!(count_messages(&[answer], &[]), 3 + 1 + 1 + 1 + 3);
    let mut call = message(Role::Assistant, "");
    call.tool_calls = vec![ToolCall { id: "hi".to_owned(), name: "hi".to_owned(), arguments: "hi".to_owned() }];
    let empty = count_messages(&[message(Role::Assistant, "")], &[]);
    // Seven tokens of keys: "arguments" has two.
    assert_eq!(count_messages(&[call], &[]), empty + 7 + 3);
}

#[test]
fn files_count_nothing_and_texts_beside_them_do() {
    let mut parts = message(Role::User, "");
    parts.content = Content::Parts(vec![ContentPart::Text("hi".to_owned())]);
    assert_eq!(count_messages(&[parts], &[]), count_messages(&[message(Role::User, "hi")], &[]));
}

#[test]
fn tools_count_as_in_the_sdk() {
    let tool = ToolDefinition {
        name: "get_weather".to_owned(),
        description: "Current weather".to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name"},
                "unit": {"type": "string", "enum": ["c", "f"]},
            },
            "required": ["city"],
        }),
    };
    // What `_num_tokens_for_tools` of `dify_plugin` 0.10 gives.
    assert_eq!(count_messages(&[], &[tool]) - count_messages(&[], &[]), 40);
}

#[tokio::test]
async fn large_and_small_counts_agree() {
    let small = "word ".repeat(10);
    let large = "word ".repeat(10_000);
    let counts = count_texts(vec![small.clone(), large.clone()]).await;
    assert_eq!(counts, [count_text(&small), count_text(&large)]);
    let messages = vec![message(Role::User, &large)];
    assert_eq!(count_conversation(messages.clone(), Vec::new()).await, count_messages(&messages, &[]));
}
