use super::*;

/// The calls that these `tool_calls` lists, one per event, make up: name, arguments, and the id unless it is ours.
fn merged(events: &[&str]) -> Vec<(String, String, Option<String>)> {
    let mut calls = ToolCalls::default();
    for event in events {
        calls.merge(serde_json::from_str(event).unwrap()).unwrap();
    }
    let calls = calls.finish(false).unwrap();
    let ids: HashSet<_> = calls.iter().map(|call| call.id.clone()).collect();
    assert_eq!(ids.len(), calls.len(), "ids are unique");
    let own = |id: String| (!(id.starts_with("call_") && id.len() == 37)).then_some(id);
    calls.into_iter().map(|call| (call.name, call.arguments, own(call.id))).collect()
}

fn call(name: &str, arguments: &str, id: &str) -> (String, String, Option<String>) {
    (name.to_owned(), arguments.to_owned(), (!id.is_empty()).then(|| id.to_owned()))
}

#[test]
fn interleaved_pieces_are_put_together_by_index() {
    let calls = merged(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#,
        r#"[{"index":1,"id":"b","function":{"name":"g","arguments":"{\"x\""}}]"#,
        r#"[{"index":0,"function":{"arguments":"{\"y\":1}"}}]"#,
        r#"[{"index":1,"id":"","function":{"name":null,"arguments":":2}"}}]"#,
    ]);
    assert_eq!(calls, [call("f", r#"{"y":1}"#, "a"), call("g", r#"{"x":2}"#, "b")]);
}

#[test]
fn a_new_id_in_every_piece_of_one_index_is_one_call() {
    let calls = merged(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]"#,
        r#"[{"index":0,"id":"b","function":{"name":"f","arguments":":1}"}}]"#,
    ]);
    assert_eq!(calls, [call("f", r#"{"x":1}"#, "a")]);
}

#[test]
fn whole_calls_that_share_the_index_0_stay_apart() {
    let calls = merged(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]"#,
        r#"[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}}]"#,
    ]);
    assert_eq!(calls, [call("f", r#"{"x":1}"#, "a"), call("f", r#"{"x":2}"#, "b")]);
}

#[test]
fn pieces_without_index_are_put_together_by_id() {
    let calls = merged(&[
        r#"[{"id":"a","function":{"name":"f","arguments":"{\"x\""}}]"#,
        r#"[{"id":"b","function":{"name":"g","arguments":"{}"}}]"#,
        r#"[{"id":"a","function":{"arguments":":1}"}}]"#,
    ]);
    assert_eq!(calls, [call("f", r#"{"x":1}"#, "a"), call("g", "{}", "b")]);
}

#[test]
fn pieces_without_index_and_id_are_put_together_by_position() {
    let calls = merged(&[
        r#"[{"function":{"name":"f","arguments":"{\"x\""}},{"function":{"name":"g"}}]"#,
        r#"[{"function":{"arguments":":1}"}},{"function":{"arguments":"{\"y\":2}"}}]"#,
    ]);
    assert_eq!(calls, [call("f", r#"{"x":1}"#, ""), call("g", r#"{"y":2}"#, "")]);
}

#[test]
fn a_name_repeated_in_every_piece_is_one_call() {
    let calls = merged(&[
        r#"[{"function":{"name":"f","arguments":"{\"x\""}}]"#,
        r#"[{"function":{"name":"f","arguments":":1}"}}]"#,
    ]);
    assert_eq!(calls, [call("f", r#"{"x":1}"#, "")]);
}

#[test]
fn whole_calls_one_after_the_other_need_neither_index_nor_id() {
    let calls = merged(&[
        r#"[{"function":{"name":"f","arguments":"{\"x\":1}"}}]"#,
        r#"[{"function":{"name":"f","arguments":"{\"x\":2}"}}]"#,
        r#"[{"function":{"name":"g","arguments":"{}"}}]"#,
    ]);
    assert_eq!(calls, [call("f", r#"{"x":1}"#, ""), call("f", r#"{"x":2}"#, ""), call("g", "{}", "")]);
}

#[test]
fn a_first_piece_may_have_neither_name_nor_id() {
    let calls = merged(&[r#"[{"index":0,"function":null}]"#, r#"[{"index":0,"id":"a","function":{"name":"f"}}]"#]);
    assert_eq!(calls, [call("f", "{}", "a")]);
}

#[test]
fn empty_and_null_arguments_become_an_empty_object() {
    let calls = merged(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#,
        r#"[{"index":1,"id":"b","function":{"name":"g","arguments":"null"}}]"#,
        r#"[{"index":2,"id":"c","function":{"name":"h","arguments":" "}}]"#,
    ]);
    assert_eq!(calls, [call("f", "{}", "a"), call("g", "{}", "b"), call("h", "{}", "c")]);
}

#[test]
fn an_object_begun_anew_or_repeated_is_taken_once() {
    let anew = merged(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"index":0,"function":{"arguments":"{\"x\""}}]"#,
        r#"[{"index":0,"function":{"arguments":":1}"}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]"#,
    ]);
    assert_eq!(anew, [call("f", r#"{"x":1}"#, "a")]);
}

#[test]
fn a_name_in_pieces_is_put_together() {
    let grows =
        merged(&[r#"[{"index":0,"function":{"name":"get_"}}]"#, r#"[{"index":0,"function":{"name":"get_x"}}]"#]);
    assert_eq!(grows, [call("get_x", "{}", "")]);
    let pieces = merged(&[r#"[{"index":0,"function":{"name":"get_"}}]"#, r#"[{"index":0,"function":{"name":"x"}}]"#]);
    assert_eq!(pieces, [call("get_x", "{}", "")]);
}

#[test]
fn repeated_ids_of_two_calls_are_made_unique() {
    let calls = merged(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"index":1,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
    ]);
    assert_eq!(calls, [call("f", "{}", "a"), call("f", "{}", "")]);
}

#[test]
fn calls_keep_the_order_of_their_indices() {
    let calls = merged(&[
        r#"[{"index":2,"id":"b","function":{"name":"g"}}]"#,
        r#"[{"index":1,"id":"a","function":{"name":"f"}}]"#,
    ]);
    assert_eq!(calls, [call("f", "{}", "a"), call("g", "{}", "b")]);
}

#[test]
fn arguments_that_are_no_json_are_an_error_that_says_why() {
    let broken = || {
        let mut calls = ToolCalls::default();
        let event = r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]"#;
        calls.merge(serde_json::from_str(event).unwrap()).unwrap();
        calls
    };
    let error = broken().finish(false).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Decode);
    assert!(error.message.contains("tool f") && error.message.contains(r#"{"x":"#), "{error:?}");
    let error = broken().finish(true).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert!(error.message.contains("token limit"), "{error:?}");
}

#[test]
fn a_call_that_names_no_tool_is_an_error() {
    let mut calls = ToolCalls::default();
    let events =
        [r#"[{"index":0,"id":"a","function":{"name":"f"}}]"#, r#"[{"index":1,"function":{"arguments":"{}"}}]"#];
    for event in events {
        calls.merge(serde_json::from_str(event).unwrap()).unwrap();
    }
    let error = calls.finish(false).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Decode, "the model called a tool and did not say which")
    );
}

#[test]
fn endless_calls_are_refused() {
    let mut calls = ToolCalls::default();
    let piece = format!(r#"[{{"index":0,"function":{{"name":"f","arguments":"{}"}}}}]"#, "x".repeat(1 << 20));
    let mut merge = || calls.merge(serde_json::from_str(&piece).unwrap());
    assert!((0..9).any(|_| merge().is_err_and(|error| error.kind == ErrorKind::TooLarge)));
}
