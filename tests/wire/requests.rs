//! Requests as the Dify plugin daemon and one-shot hosts write them.

use higress_dify_plugin::runtime::entities::{
    Content, ContentPart, ImageDetail, InputType, LlmRequest, MediaKind, ModelType, MultimodalContent, Role, ToolCall,
    ToolChoice,
};
use higress_dify_plugin::runtime::protocol::request::{Request, decode};
use higress_dify_plugin::runtime::{ErrorKind, InvokeError};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn read_text(action: &str, data: &str) -> Result<Request, InvokeError> {
    decode(action, &RawValue::from_string(data.to_owned()).unwrap())
}

fn read(action: &str, data: &Value) -> Result<Request, InvokeError> {
    read_text(action, &data.to_string())
}

/// The text of the refusal, which is always "bad request".
fn refusal(action: &str, data: &Value) -> String {
    let error = read(action, data).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    error.message
}

fn llm_text(data: &str) -> LlmRequest {
    match read_text("invoke_llm", data).unwrap() {
        Request::InvokeLlm(request) => *request,
        other => panic!("{other:?}"),
    }
}

fn llm(data: &Value) -> LlmRequest {
    llm_text(&data.to_string())
}

/// A text request with `changes` put over it.
fn llm_data(changes: &Value) -> Value {
    let mut data = json!({"model": "m", "credentials": {}, "prompt_messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in changes.as_object().unwrap() {
        data[key] = value.clone();
    }
    data
}

fn message_refusal(message: &Value) -> String {
    refusal("invoke_llm", &llm_data(&json!({"prompt_messages": [{"role": "user", "content": "hi"}, message]})))
}

#[test]
fn the_daemons_conversation_with_all_its_keys_is_read() {
    let request = llm_text(
        r#"{"action":"invoke_llm","credentials":{"api_key":"k","base_url":null},"json_schema":null,"model":"m",
        "model_parameters":{"temperature":1,"max_tokens":512},"model_type":"llm","prompt_messages":[
        {"role":"system","content":"You are terse","name":"","tool_calls":null,"tool_call_id":""},
        {"role":"user","content":[
          {"type":"text","base64_data":"","url":"","data":"look","encode_format":"","format":"","mime_type":"","detail":"","filename":""},
          {"type":"image","base64_data":"QUJD","url":"","data":"","encode_format":"","format":"png","mime_type":"image/png","detail":"high","filename":"a.png"},
          {"type":"document","base64_data":"","url":"http://x/f.pdf","data":"","encode_format":"","format":"pdf","mime_type":"application/pdf","detail":"","filename":"f.pdf"},
          {"type":"audio","base64_data":"QUJD","url":"","data":"","encode_format":"","format":"mp3","mime_type":"audio/mpeg","detail":"","filename":"s.mp3"},
          {"type":"video","base64_data":"","url":"http://x/v.mp4","data":"","encode_format":"","format":"mp4","mime_type":"video/mp4","detail":"","filename":"v.mp4"}],
         "name":"ann","tool_calls":[],"tool_call_id":""},
        {"role":"assistant","content":"","name":"","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}],"tool_call_id":"","opaque_body":{"k":1}},
        {"role":"tool","content":"42","name":"f","tool_calls":null,"tool_call_id":"call_1"}],
        "provider":"probe","stop":null,"stream":true,"tools":[{"name":"f","description":"d","parameters":{"type":"object"}}],"type":"model","user_id":"u"}"#,
    );
    assert_eq!(request.model, "m");
    assert_eq!(request.credentials.text("api_key").as_deref(), Some("k"));
    assert_eq!(Value::Object(request.model_parameters), json!({"temperature": 1, "max_tokens": 512}));
    assert_eq!((request.stream, request.stop.len(), request.json_schema, request.tool_choice), (true, 0, None, None));
    assert_eq!(request.tools[0].parameters, json!({"type": "object"}));
    let [system, user, assistant, tool] = request.prompt_messages.as_slice() else { panic!() };
    assert_eq!((system.role, &system.content), (Role::System, &Content::Text("You are terse".to_owned())));
    assert_eq!((&system.name, &system.tool_call_id), (&None, &None));
    assert_eq!(user.name.as_deref(), Some("ann"));
    let Content::Parts(parts) = &user.content else { panic!() };
    assert_eq!(parts[0], ContentPart::Text("look".to_owned()));
    let media: Vec<_> = parts[1..]
        .iter()
        .map(|part| match part {
            ContentPart::Media(media) => (media.kind, media.format.as_str(), media.detail),
            ContentPart::Text(_) => panic!(),
        })
        .collect();
    assert_eq!(
        media,
        [
            (MediaKind::Image, "png", ImageDetail::High),
            (MediaKind::Document, "pdf", ImageDetail::Low),
            (MediaKind::Audio, "mp3", ImageDetail::Low),
            (MediaKind::Video, "mp4", ImageDetail::Low),
        ]
    );
    assert_eq!(
        assistant.tool_calls,
        [ToolCall { id: "call_1".to_owned(), name: "f".to_owned(), arguments: "{\"a\":1}".to_owned() }]
    );
    assert_eq!(assistant.opaque_body, Some(json!({"k": 1})));
    assert_eq!((tool.role, tool.tool_call_id.as_deref()), (Role::Tool, Some("call_1")));
}

#[test]
fn optional_fields_may_be_missing_or_null() {
    for data in [
        llm_data(&json!({})),
        llm_data(&json!({"credentials": null, "model_parameters": null, "tools": null, "stop": null, "stream": null,
            "json_schema": null, "tool_choice": null, "frobnicate": 1})),
    ] {
        let request = llm(&data);
        assert!(request.model_parameters.is_empty() && request.tools.is_empty() && request.stop.is_empty());
        assert!(request.stream && request.json_schema.is_none() && request.tool_choice.is_none());
    }
}

#[test]
fn the_stop_list_loses_empty_texts_only() {
    assert_eq!(llm(&llm_data(&json!({"stop": ["a", "", "\n", null]}))).stop, ["a", "\n"]);
}

#[test]
fn null_content_and_null_tool_calls_are_empty() {
    let request = llm(&llm_data(&json!({"prompt_messages": [
        {"role": "assistant", "content": null, "tool_calls": [{"id": 7, "function": {"name": null, "arguments": null}}]},
        {"role": "assistant"},
        {"role": "tool", "content": "x"},
        {"role": "developer", "content": "x"},
    ]})));
    assert_eq!(request.prompt_messages[0].content, Content::Text(String::new()));
    let call = ToolCall { id: "7".to_owned(), name: String::new(), arguments: String::new() };
    assert_eq!(request.prompt_messages[0].tool_calls, [call]);
    assert_eq!(request.prompt_messages[1].content, Content::Text(String::new()));
    assert_eq!(request.prompt_messages[3].role, Role::Developer);
}

#[test]
fn a_picture_with_an_empty_or_missing_detail_is_low() {
    let parts = json!([{"type": "image", "url": "u", "detail": ""}, {"type": "image", "url": "u"}]);
    let request = llm(&llm_data(&json!({"prompt_messages": [{"role": "user", "content": parts}]})));
    let Content::Parts(parts) = &request.prompt_messages[0].content else { panic!() };
    for part in parts {
        assert!(matches!(part, ContentPart::Media(media) if media.detail == ImageDetail::Low && media.url == "u"));
    }
}

#[test]
fn a_tool_without_parameters_has_an_empty_schema() {
    let request = llm(&llm_data(&json!({"tools": [{"name": "f", "description": null, "parameters": null}]})));
    assert_eq!(request.tools[0].parameters, json!({}));
    assert_eq!(request.tools[0].description, "");
}

#[test]
fn tool_choice_of_the_newest_host_is_read() {
    let choice = |value: Value| llm(&llm_data(&json!({"tool_choice": value}))).tool_choice;
    assert_eq!(choice(json!({"mode": "auto"})), Some(ToolChoice::Auto));
    assert_eq!(choice(json!({"mode": "none", "name": null})), Some(ToolChoice::None));
    assert_eq!(choice(json!({"mode": "required"})), Some(ToolChoice::Required));
    assert_eq!(choice(json!({"mode": "tool", "name": "f"})), Some(ToolChoice::Tool("f".to_owned())));
    let unnamed = refusal("invoke_llm", &llm_data(&json!({"tool_choice": {"mode": "tool"}})));
    assert!(unnamed.contains("`tool_choice.name`"), "{unnamed}");
}

#[test]
fn a_conversation_that_the_host_cut_short_is_refused_with_the_reason() {
    let cut = json!({"role": "", "content": null, "name": "", "tool_calls": null, "tool_call_id": ""});
    let text = message_refusal(&cut);
    assert!(text.contains("message 2") && text.contains("content is null"), "{text}");
    for data in [json!({"model": "m"}), json!({"model": "m", "prompt_messages": null})] {
        let text = refusal("invoke_llm", &data);
        assert!(text.contains("`prompt_messages`"), "{text}");
    }
}

#[test]
fn refusals_name_the_field_and_never_its_value() {
    for (message, expected) in [
        (json!({"role": "bot", "content": "x"}), "`prompt_messages[1].role` must be"),
        (
            json!({"role": "user", "content": 5}),
            "`prompt_messages[1].content` must be a text or a list of parts, not a number",
        ),
        (json!({"role": "user", "content": [{"type": "hologram"}]}), "`prompt_messages[1].content[0].type` must be"),
        (json!({"role": "user", "content": ["x"]}), "`prompt_messages[1].content[0]` must be an object, not a text"),
        (json!({"role": "user", "name": {}}), "`prompt_messages[1].name` must be a text, not an object"),
        (
            json!({"role": "assistant", "tool_calls": [{"function": 1}]}),
            "`prompt_messages[1].tool_calls[0].function` must be an object",
        ),
        (
            json!({"role": "assistant", "tool_calls": [{"function": {"arguments": 1}}]}),
            "`prompt_messages[1].tool_calls[0].function.arguments` must be a text",
        ),
        (json!("x"), "`prompt_messages[1]` must be an object, not a text"),
    ] {
        let text = message_refusal(&message);
        assert!(text.contains(expected), "{text}");
    }
    let text = refusal("invoke_llm", &json!({"model": "m", "credentials": "s3cret", "prompt_messages": []}));
    assert_eq!(text, "the request's field `credentials` must be an object, not a text");
    let text = refusal("invoke_llm", &json!({"credentials": {}, "prompt_messages": []}));
    assert!(text.contains("`model`"), "{text}");
    let long = refusal("invoke_llm", &llm_data(&json!({"prompt_messages": [{"role": "x".repeat(1000)}]})));
    assert!(long.len() < 250, "{long}");
}

#[test]
fn halves_of_surrogate_pairs_become_replacement_characters() {
    let text = |content: &str| {
        let data = format!(r#"{{"model":"m","prompt_messages":[{{"role":"user","content":"{content}"}}]}}"#);
        match &llm_text(&data).prompt_messages[0].content {
            Content::Text(text) => text.clone(),
            Content::Parts(_) => panic!(),
        }
    };
    assert_eq!(text(r"a\ud83dz"), "a\u{fffd}z");
    assert_eq!(text(r"\ude00"), "\u{fffd}");
    assert_eq!(text(r"\ud83d\ud83d\ude00"), "\u{fffd}😀");
    assert_eq!(text(r"\uD83D\n"), "\u{fffd}\n");
    assert_eq!(text(r"\\ud83d \ud83d"), "\\ud83d \u{fffd}");
    assert_eq!(text("\\u0000\\u2028 é \u{2029}"), "\0\u{2028} é \u{2029}");
}

proptest! {
    #[test]
    fn every_sequence_of_utf_16_units_is_read_as_python_would_show_it(units in prop::collection::vec(any::<u16>(), 0..20)) {
        let escaped = units.iter().fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"));
        let data = format!(r#"{{"model":"m","prompt_messages":[{{"role":"user","content":"{escaped}"}}]}}"#);
        let expected = String::from_utf16_lossy(&units);
        prop_assert_eq!(&llm_text(&data).prompt_messages[0].content, &Content::Text(expected));
    }
}

#[test]
fn unset_limits_of_rerank_are_none() {
    let limits = |score_threshold: Value, top_n: Value| {
        let data =
            json!({"model": "m", "query": "q", "docs": ["a"], "score_threshold": score_threshold, "top_n": top_n});
        match read("invoke_rerank", &data).unwrap() {
            Request::InvokeRerank(request) => (request.score_threshold, request.top_n),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(limits(json!(0), json!(0)), (None, None));
    assert_eq!(limits(json!(0.0), json!(-1)), (None, None));
    assert_eq!(limits(json!(null), json!(null)), (None, None));
    assert_eq!(limits(json!(0.3), json!(2.0)), (Some(0.3), Some(2)));
    assert_eq!(limits(json!(1), json!(2)), (Some(1.0), Some(2)));
    let data = json!({"model": "m", "query": "q", "docs": [], "top_n": 1.5});
    assert!(refusal("invoke_rerank", &data).contains("`top_n` must be a whole number"));
}

#[test]
fn texts_keep_their_number_and_order() {
    let data = json!({"model": "m", "texts": ["b", null, "a"], "input_type": "query"});
    let Request::InvokeTextEmbedding(request) = read("invoke_text_embedding", &data).unwrap() else { panic!() };
    assert_eq!(request.texts, ["b", "", "a"]);
    assert_eq!(request.input_type, InputType::Query);
    let data = json!({"model": "m", "texts": null});
    let Request::InvokeTextEmbedding(request) = read("invoke_text_embedding", &data).unwrap() else { panic!() };
    assert!(request.texts.is_empty());
    assert_eq!(request.input_type, InputType::Document);
    let text = refusal("get_text_embedding_num_tokens", &json!({"model": "m", "texts": ["a", 1]}));
    assert_eq!(text, "the request's field `texts[1]` must be a text, not a number");
}

#[test]
fn multimodal_documents_are_texts_or_pictures() {
    let data = json!({"model": "m", "documents": [
        {"content": "a cat", "content_type": "text"}, {"content": "iVBORw0", "content_type": "image"}]});
    let Request::InvokeMultimodalEmbedding(request) = read("invoke_multimodal_embedding", &data).unwrap() else {
        panic!()
    };
    let [text, image] = request.documents.as_slice() else { panic!() };
    assert_eq!(text, &MultimodalContent::Text("a cat".to_owned()));
    assert_eq!(image, &MultimodalContent::Image("iVBORw0".to_owned()));
    let data = json!({"model": "m", "query": {"content": "q", "content_type": "text"}, "docs": [{"content": "x", "content_type": "smell"}]});
    assert!(refusal("invoke_multimodal_rerank", &data).contains("`docs[0].content_type` must be"));
}

#[test]
fn every_action_is_read_and_any_other_is_refused() {
    let data = json!({"model": "m", "model_type": "rerank", "credentials": {"a": "b"}, "prompt_messages": [], "texts": [],
        "docs": [], "documents": [], "query": "q", "plugin_state": {"id": "j1"}});
    for action in [
        "validate_provider_credentials",
        "validate_model_credentials",
        "get_ai_model_schemas",
        "invoke_llm",
        "get_llm_num_tokens",
        "start_polling",
        "check_polling",
        "invoke_text_embedding",
        "get_text_embedding_num_tokens",
        "invoke_multimodal_embedding",
        "invoke_rerank",
    ] {
        read(action, &data).unwrap_or_else(|error| panic!("{action}: {error}"));
    }
    let Request::GetAiModelSchemas(model) = read("get_ai_model_schemas", &data).unwrap() else { panic!() };
    assert_eq!(model.model_type, ModelType::Rerank);
    let Request::CheckPolling(check) = read("check_polling", &data).unwrap() else { panic!() };
    assert_eq!(Value::Object(check.plugin_state), json!({"id": "j1"}));
    assert_eq!(refusal("invoke_tts", &data), "this plugin does not support the action \"invoke_tts\"");
    let text = refusal("get_ai_model_schemas", &json!({"model": "m", "model_type": "tts"}));
    assert!(text.contains("no models of the type \"tts\""), "{text}");
}

#[test]
fn data_that_is_no_object_is_refused() {
    assert_eq!(refusal("invoke_llm", &json!([])), "the request must be an object, not a list");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(300), "]".repeat(300));
    assert!(read_text("invoke_llm", &deep).unwrap_err().message.contains("recursion"));
}
