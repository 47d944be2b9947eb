use super::*;
use crate::provider::credentials::LlmCredentials;
use crate::runtime::Context;
use crate::runtime::entities::Credentials;

/// Whether thinking is shown, and the fields that are sent.
fn thinking(style: Option<&str>, mode: &str, model: &str, parameters: Value) -> (bool, Value) {
    let mut form = Map::from_iter([
        ("endpoint_url".to_owned(), json!("http://gateway.example")),
        ("agent_thought_support".to_owned(), json!(mode)),
    ]);
    if let Some(style) = style {
        form.insert("thinking_param_style".to_owned(), json!(style));
    }
    let cx = Context::new("S1", "invoke_llm");
    let Ok(LlmCredentials::Text(credentials)) = LlmCredentials::read(&cx, model, &Credentials(form)) else {
        panic!("a text model")
    };
    let Value::Object(parameters) = parameters else { panic!("an object") };
    let thinking = Thinking::new(&credentials, &Parameters::new(parameters).unwrap());
    (thinking.shown, Value::Object(thinking.fields))
}

#[test]
fn a_model_without_a_style_sends_what_the_python_plugin_sent() {
    let both =
        |on: bool| json!({"chat_template_kwargs": {"enable_thinking": on, "thinking": on}, "enable_thinking": on});
    let legacy = |mode, parameters| thinking(None, mode, "qwen3", parameters);
    assert_eq!(legacy("only_thinking_supported", json!({})), (true, both(true)));
    assert_eq!(legacy("supported", json!({"enable_thinking": true})), (true, both(true)));
    assert_eq!(legacy("supported", json!({"enable_thinking": false})), (false, both(false)));
    assert_eq!(legacy("supported", json!({})), (true, json!({})));
    assert_eq!(legacy("not_supported", json!({})), (false, json!({})));
    let (_, fields) = legacy("supported", json!({"enable_thinking": false, "reasoning_effort": "low"}));
    assert_eq!(fields["reasoning_effort"], "low");
}

#[test]
fn each_style_has_its_own_switch() {
    for (style, on, off) in [
        ("enable_thinking", json!({"enable_thinking": true}), json!({"enable_thinking": false})),
        (
            "chat_template_kwargs",
            json!({"chat_template_kwargs": {"enable_thinking": true, "thinking": true}}),
            json!({"chat_template_kwargs": {"enable_thinking": false, "thinking": false}}),
        ),
        ("thinking_type", json!({"thinking": {"type": "enabled"}}), json!({"thinking": {"type": "disabled"}})),
        ("reasoning_effort", json!({}), json!({"reasoning_effort": "none"})),
        ("none", json!({}), json!({})),
    ] {
        assert_eq!(thinking(Some(style), "only_thinking_supported", "m", json!({})), (true, on.clone()), "{style}");
        assert_eq!(thinking(Some(style), "supported", "m", json!({"enable_thinking": true})), (true, on), "{style}");
        assert_eq!(thinking(Some(style), "supported", "m", json!({})), (true, json!({})), "{style}");
        let switched_off = thinking(Some(style), "supported", "m", json!({"enable_thinking": false}));
        assert_eq!(switched_off, (false, off.clone()), "{style}");
        assert_eq!(thinking(Some(style), "not_supported", "m", json!({})), (false, off), "{style}");
    }
}

#[test]
fn auto_is_the_style_of_the_models_family() {
    for (model, fields) in [
        ("qwen3-max", json!({"enable_thinking": false})),
        ("deepseek-v3.2", json!({"thinking": {"type": "disabled"}})),
        ("gpt-5-mini", json!({"reasoning_effort": "minimal"})),
        ("gpt-5.1", json!({"reasoning_effort": "none"})),
        ("o3", json!({})),
        ("gpt-5-chat-latest", json!({})),
        ("llama-4", json!({})),
    ] {
        assert_eq!(thinking(Some("auto"), "not_supported", model, json!({})), (false, fields), "{model}");
    }
}

#[test]
fn budget_and_effort_go_with_the_style_and_not_without_thinking() {
    let set = json!({"thinking_budget": 100, "reasoning_effort": "high"});
    for (style, fields) in [
        ("enable_thinking", json!({"thinking_budget": 100, "reasoning_effort": "high"})),
        ("thinking_type", json!({"thinking": {"type": "enabled", "budget_tokens": 100}, "reasoning_effort": "high"})),
        ("chat_template_kwargs", json!({"chat_template_kwargs": {"thinking_budget": 100}, "reasoning_effort": "high"})),
        ("reasoning_effort", json!({"reasoning_effort": "high"})),
    ] {
        assert_eq!(thinking(Some(style), "supported", "m", set.clone()), (true, fields), "{style}");
    }
    let off = json!({"enable_thinking": false, "thinking_budget": 100, "reasoning_effort": "high"});
    assert_eq!(thinking(Some("enable_thinking"), "supported", "m", off), (false, json!({"enable_thinking": false})));
}
