use super::*;

fn decode(json: &str) -> ChatChunk<'_> {
    ChatChunk::decode(json).unwrap().unwrap()
}

#[test]
fn a_plain_delta_is_read_without_copying() {
    let mut chunk =
        decode(r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}"#);
    let choice = chunk.choices.0.pop().unwrap();
    let delta = choice.delta.0.unwrap();
    assert!(matches!(delta.content, Content::Text(Cow::Borrowed("Hi"))));
    assert!(choice.finish_reason.is_empty());
}

#[test]
fn every_field_may_be_null_or_of_another_type() {
    for json in [
        r#"{"choices":null,"usage":null,"error":null,"code":null,"x_higress_guardrail":null}"#,
        r#"{"choices":{},"usage":[],"error":{},"code":"","message":{"a":1}}"#,
        r#"{"choices":[null,7,"x"],"model":3,"id":7}"#,
        r#"{"choices":[{"delta":null,"message":[],"finish_reason":null,"text":null}]}"#,
        r#"{"choices":[{"delta":{"content":null,"tool_calls":null,"function_call":null,"reasoning_details":null}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":null,"id":null,"function":null},null]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":null,"arguments":null}}]}}]}"#,
    ] {
        decode(json);
    }
    assert!(ChatChunk::decode("[1]").unwrap().is_none());
    assert!(ChatChunk::decode("{").is_err());
}

#[test]
fn texts_that_follow_each_other_in_a_content_list_are_one_part() {
    let chunk = ChatChunk::decode(
        r#"{"choices":[{"delta":{"content":["a","",1,null,"b",{"text":"c"},"d","e",{"text":"f"},[]]}}]}"#,
    );
    let delta = chunk.unwrap().unwrap().choices.0.remove(0).delta.0.unwrap();
    let Content::Parts(parts) = delta.content else { panic!("parts") };
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(texts, ["ab", "c", "de", "f"]);
}

#[test]
fn content_may_be_parts() {
    let mut chunk = decode(
        r#"{"choices":[{"message":{"content":["a",{"type":"text","text":"b"},{"type":"image_url","image_url":{"url":"u"}},{"image":"v"}]}}]}"#,
    );
    let delta = chunk.choices.0.pop().unwrap().message.0.unwrap();
    let Content::Parts(mut parts) = delta.content else { panic!("parts") };
    assert_eq!(parts[0].text.as_str(), "a");
    assert_eq!(parts[1].text.as_str(), "b");
    assert_eq!(parts[2].take_image().unwrap(), "u");
    assert_eq!(parts[3].take_image().unwrap(), "v");
}

#[test]
fn thinking_is_read_from_each_of_its_fields_once() {
    for (json, expected) in [
        (r#"{"reasoning_content":"a","reasoning":"a","reasoning_details":[{"text":"a"}]}"#, "a"),
        (r#"{"reasoning_content":"","reasoning":"b"}"#, "b"),
        (r#"{"reasoning_details":[{"type":"reasoning.text","text":"c"},{"summary":"d"}]}"#, "cd"),
        (r#"{"reasoning":{"effort":"low"}}"#, ""),
    ] {
        let mut delta: Delta<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(delta.take_reasoning(), expected, "{json}");
    }
}

#[test]
fn what_may_be_an_error_is_looked_at_again() {
    for json in [
        r#"{"error":{"message":"too long"}}"#,
        r#"{"error":"no"}"#,
        r#"{"choices":[{"delta":{"content":"x"}}],"error":{"message":"late"}}"#,
        r#"{"code":"Throttling","message":"slow down","request_id":"r"}"#,
        r#"{"object":"error","message":"bad","code":400}"#,
        r#"{"choices":[],"id":"c"}"#,
    ] {
        assert!(decode(json).is_suspicious(), "{json}");
    }
    for json in [
        r#"{"choices":[{"delta":{}}],"error":null,"code":"x"}"#,
        r#"{"choices":[{"delta":{}}],"error":{}}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
    ] {
        assert!(!decode(json).is_suspicious(), "{json}");
    }
}

#[test]
fn arguments_may_be_the_object_itself() {
    let delta: FunctionDelta<'_> = serde_json::from_str(r#"{"name":"f","arguments":{"a": 1}}"#).unwrap();
    assert_eq!(delta.arguments.0, r#"{"a": 1}"#);
}

#[test]
fn usage_is_read_in_either_spelling() {
    let usage: Usage = serde_json::from_str(r#"{"input_tokens":3,"output_tokens":"4","total_tokens":7.0}"#).unwrap();
    assert_eq!((usage.prompt(), usage.completion(), usage.total()), (Some(3), Some(4), Some(7)));
    let partial: Usage = serde_json::from_str(r#"{"prompt_tokens":-1,"completion_tokens":null}"#).unwrap();
    assert_eq!((partial.prompt(), partial.completion()), (None, None));
}

#[test]
fn a_guards_bare_words_are_known() {
    assert!(decode(r#"{"code":200,"denyMessage":"no","blockedDetails":[]}"#).is_denial());
    assert!(!decode(r#"{"choices":[{"delta":{}}],"denyMessage":"no"}"#).is_denial());
}
