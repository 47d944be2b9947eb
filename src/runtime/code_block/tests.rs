use super::super::entities::{Media, MediaKind};
use super::*;
use proptest::prelude::*;
use serde_json::json;

/// A whole answer without its fences.
fn strip(answer: &str) -> String {
    let mut filter = CodeBlockFilter::new();
    let mut out = filter.push(answer);
    out.push_str(&filter.finish());
    out
}

fn user(text: &str) -> PromptMessage {
    message(Role::User, text.to_owned())
}

fn text(message: &PromptMessage) -> &str {
    match &message.content {
        Content::Text(text) => text,
        Content::Parts(_) => panic!("parts"),
    }
}

#[test]
fn only_json_and_xml_in_capitals_ask_for_a_block() {
    let mut parameters = json!({"response_format": "JSON", "seed": 1}).as_object().unwrap().clone();
    assert_eq!(CodeBlock::take(&mut parameters), Some(CodeBlock::Json));
    assert_eq!(Value::Object(parameters), json!({"seed": 1}));
    for other in [json!("json"), json!("json_object"), json!("json_schema"), json!("text"), json!(null)] {
        let mut parameters = json!({"response_format": other}).as_object().unwrap().clone();
        assert_eq!(CodeBlock::take(&mut parameters), None);
        assert_eq!(parameters.get("response_format"), Some(&other));
    }
}

#[test]
fn a_system_message_becomes_the_instructions() {
    let mut messages = vec![message(Role::System, "Reply as {\"a\": 1}.".to_owned()), user("go")];
    let mut stop = vec!["END".to_owned()];
    CodeBlock::Json.ask(&mut messages, &mut stop);
    assert_eq!(stop, ["END", "\n```", "```\n"]);
    assert_eq!(messages.len(), 2);
    assert!(text(&messages[0]).contains("<instructions>\nReply as {\"a\": 1}.\n</instructions>"));
    assert_eq!(text(&messages[1]), "go\n```JSON\n");
}

#[test]
fn parts_of_a_system_message_become_the_instructions_as_text() {
    let mut messages = vec![user("go")];
    messages.insert(0, message(Role::System, String::new()));
    messages[0].content =
        Content::Parts(vec![ContentPart::Text("one".to_owned()), ContentPart::Text("two".to_owned())]);
    CodeBlock::Json.ask(&mut messages, &mut Vec::new());
    assert!(text(&messages[0]).contains("<instructions>\none\ntwo\n</instructions>"));
}

#[test]
fn without_a_system_message_one_is_put_in_front() {
    let mut messages = vec![user("go"), message(Role::Assistant, "hm".to_owned())];
    CodeBlock::Xml.ask(&mut messages, &mut Vec::new());
    assert_eq!(
        messages.iter().map(|message| message.role).collect::<Vec<_>>(),
        [Role::System, Role::User, Role::Assistant, Role::User]
    );
    assert!(text(&messages[0]).contains("Please output a valid XML object."));
    assert_eq!(text(&messages[3]), "```XML\n");
}

#[test]
fn the_fence_goes_to_the_last_text_part() {
    let image = ContentPart::Media(Media {
        kind: MediaKind::Image,
        format: "png".to_owned(),
        mime_type: "image/png".to_owned(),
        url: "https://example.org/x.png".to_owned(),
        base64_data: String::new(),
        filename: String::new(),
        detail: crate::runtime::entities::ImageDetail::Low,
    });
    let mut messages = vec![user("")];
    messages[0].content = Content::Parts(vec![ContentPart::Text("look".to_owned()), image.clone()]);
    CodeBlock::Json.ask(&mut messages, &mut Vec::new());
    let expected = vec![ContentPart::Text("look\n```JSON\n".to_owned()), image.clone()];
    assert_eq!(messages[1].content, Content::Parts(expected));

    let mut messages = vec![user("")];
    messages[0].content = Content::Parts(vec![image.clone()]);
    CodeBlock::Json.ask(&mut messages, &mut Vec::new());
    assert_eq!(messages[1].content, Content::Parts(vec![image, ContentPart::Text("```JSON\n".to_owned())]));
}

#[test]
fn a_complete_block_passes_without_its_fences_and_what_follows() {
    assert_eq!(strip("```json\n{\"a\": 1}\n```\nThat is it."), "{\"a\": 1}\n");
    assert_eq!(strip("```\n{}```"), "{}");
    assert_eq!(strip("`x ```json\n{\"code\": \"`a``b\"}```"), "{\"code\": \"`a``b\"}");
}

#[test]
fn a_continued_block_passes_without_fences() {
    assert_eq!(strip("{\"a\": 1}\n```"), "{\"a\": 1}\n");
    assert_eq!(strip("Here:\n```json\n{\"a\": \"`b`\"}\n``` done"), "Here:\n{\"a\": \"`b`\"}\ndone");
}

#[test]
fn backticks_at_the_very_end_that_are_no_fence_are_kept() {
    assert_eq!(strip("say `x`"), "say `x`");
    assert_eq!(strip("```md\nsay `x``"), "say `x``");
}

#[test]
fn an_answer_without_fences_passes_unchanged() {
    for answer in ["", "{}", "{\"ä\": \"🎉\"}", " \n{\"a\":[1]}\n"] {
        assert_eq!(strip(answer), answer);
    }
}

/// The SDK's two filters, written as it writes them: over whole text, with the state in local variables.
fn sdk(answer: &str) -> String {
    let mut out = String::new();
    let mut count = 0;
    if answer.starts_with('`') {
        let mut state = 0;
        for c in answer.chars() {
            match (state, c) {
                (0, '`') => {
                    count += 1;
                    if count == 3 {
                        (state, count) = (1, 0);
                    }
                }
                (0, _) => count = 0,
                (1, '\n') => state = 2,
                (2, '`') => {
                    count += 1;
                    if count == 3 {
                        state = 3;
                    }
                }
                (2, c) => {
                    out.push_str(&"`".repeat(count));
                    count = 0;
                    out.push(c);
                }
                _ => {}
            }
        }
    } else {
        let mut skip = false;
        for c in answer.chars() {
            if skip {
                skip = !c.is_whitespace();
            } else if c == '`' {
                count += 1;
                if count == 3 {
                    (skip, count) = (true, 0);
                }
            } else {
                out.push_str(&"`".repeat(count));
                count = 0;
                out.push(c);
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_text(answer in "[`a\\n {🎉]{0,40}", cuts in prop::collection::vec(0..200_usize, 0..8)) {
        let mut places: Vec<_> = cuts.into_iter().filter(|at| answer.is_char_boundary(*at)).collect();
        places.extend([0, answer.len()]);
        places.sort_unstable();
        let mut filter = CodeBlockFilter::new();
        let mut out = String::new();
        for pair in places.windows(2) {
            out.push_str(&filter.push(&answer[pair[0]..pair[1]]));
        }
        out.push_str(&filter.finish());
        prop_assert_eq!(out, strip(&answer));
    }

    #[test]
    fn the_text_is_what_the_sdk_passes_plus_backticks_at_the_end(answer in "[`a\\n {🎉]{0,40}") {
        let ours = strip(&answer);
        let theirs = sdk(&answer);
        let lost = ours.strip_prefix(theirs.as_str());
        prop_assert!(lost.is_some_and(|lost| lost.len() <= 2 && lost.chars().all(|c| c == '`')), "{:?} {:?}", ours, theirs);
    }
}
