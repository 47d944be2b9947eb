use super::*;
use serde_json::json;

fn rules(yaml: &str) -> Vec<ParameterRule> {
    parse_rules(yaml).unwrap()
}

fn text_rules() -> Vec<ParameterRule> {
    rules(
        "
parameter_rules:
  - {name: temperature, use_template: temperature, default: 0.7, min: 0, max: 2, precision: 2}
  - {name: top_k, use_template: top_k, max: 99}
  - {name: presence_penalty, type: float, default: 0, min: -2, max: 2}
  - {name: seed, type: int, default: 1234}
  - {name: limit, use_template: max_tokens}
  - {name: enable_thinking, type: boolean}
  - {name: effort, type: string, options: [low, high]}
  - {name: extra_headers, type: text}
",
    )
}

fn check_one(name: &str, value: Value) -> Result<Value, String> {
    let filtered = validate(&text_rules(), &Map::from_iter([(name.to_owned(), value)])).map_err(|e| e.message)?;
    Ok(Value::Object(filtered.values))
}

fn refused(name: &str, value: Value) -> String {
    check_one(name, value).unwrap_err()
}

#[test]
fn unknown_parameters_are_dropped_and_defaults_are_not_sent() {
    assert_eq!(check_one("frobnicate", json!(1)), Ok(json!({})));
    assert_eq!(check_one("temperature", json!(null)), Ok(json!({})));
}

#[test]
fn one_and_one_point_zero_are_the_same_number() {
    assert_eq!(check_one("temperature", json!(1)), Ok(json!({"temperature": 1})));
    assert_eq!(check_one("temperature", json!(1.0)), Ok(json!({"temperature": 1.0})));
    assert_eq!(check_one("seed", json!(7)), Ok(json!({"seed": 7})));
    assert_eq!(check_one("seed", json!(7.0)), Ok(json!({"seed": 7})));
    assert_eq!(check_one("seed", json!(u64::MAX)), Ok(json!({"seed": u64::MAX})));
}

#[test]
fn a_value_may_come_under_its_templates_name() {
    assert_eq!(check_one("max_tokens", json!(5)), Ok(json!({"limit": 5})));
    let both = json!({"limit": null, "max_tokens": 5, "temperature": null}).as_object().unwrap().clone();
    assert_eq!(Value::Object(validate(&text_rules(), &both).unwrap().values), json!({"limit": 5}));
}

#[test]
fn a_fraction_is_rounded_to_its_precision_and_reported() {
    let given = json!({"temperature": 0.126, "presence_penalty": 0.126}).as_object().unwrap().clone();
    let filtered = validate(&text_rules(), &given).unwrap();
    assert_eq!(Value::Object(filtered.values), json!({"temperature": 0.13, "presence_penalty": 0.126}));
    assert_eq!(filtered.rounded, [Rounded { name: "temperature".to_owned(), from: 0.126, to: 0.13 }]);
    assert_eq!(check_one("temperature", json!(0.125)), Ok(json!({"temperature": 0.12})));
    assert_eq!(check_one("temperature", json!(2.004)), Ok(json!({"temperature": 2.0})));
    assert_eq!(
        serde_json::to_string(&check_one("temperature", json!(-0.001)).unwrap()).unwrap(),
        "{\"temperature\":0.0}"
    );
}

#[test]
fn refusals_have_the_sdks_text() {
    assert_eq!(refused("temperature", json!(2.1)), "Model Parameter temperature should be less than or equal to 2.0.");
    assert_eq!(refused("top_k", json!(0)), "Model Parameter top_k should be greater than or equal to 1.0.");
    assert_eq!(refused("temperature", json!("hot")), "Model Parameter temperature should be float.");
    assert_eq!(refused("seed", json!(1.5)), "Model Parameter seed should be int.");
    assert_eq!(refused("seed", json!("7")), "Model Parameter seed should be int.");
    assert_eq!(refused("seed", json!(true)), "Model Parameter seed should be int.");
    assert_eq!(refused("enable_thinking", json!("true")), "Model Parameter enable_thinking should be bool.");
    assert_eq!(refused("effort", json!("mid")), "Model Parameter effort should be one of ['low', 'high'].");
    assert_eq!(refused("extra_headers", json!({})), "Model Parameter extra_headers should be string.");
}

#[test]
fn a_required_parameter_takes_its_default_or_fails() {
    let given = Map::new();
    let with = rules("parameter_rules: [{name: a, type: int, required: true, default: 3}]");
    assert_eq!(Value::Object(validate(&with, &given).unwrap().values), json!({"a": 3}));
    let without = rules("parameter_rules: [{name: a, type: int, required: true}]");
    assert_eq!(validate(&without, &given).unwrap_err().message, "Model Parameter a is required.");
}

#[test]
fn templates_are_resolved_and_the_rules_own_keys_win() {
    let [rule]: [ParameterRule; 1] =
        rules("parameter_rules: [{name: top_k, use_template: top_k, min: 0, max: 99, default: 0}]").try_into().unwrap();
    assert_eq!((rule.min, rule.max, rule.precision), (Some(0.0), Some(99.0), Some(0)));
    assert_eq!(rule.default, Some(json!(0)));
    assert_eq!(rule.kind, ParameterType::Int);
    assert_eq!(rule.label.en_us, "Top K");
    assert!(rule.help.is_some());
}

#[test]
fn every_template_has_the_numbers_of_the_sdk() {
    let numbers = |name: &str| {
        let rule = template(name).unwrap();
        (rule.kind, rule.default, rule.min, rule.max, rule.precision)
    };
    let (int, float) = (ParameterType::Int, ParameterType::Float);
    assert_eq!(numbers("temperature"), (float, Some(json!(0.0)), Some(0.0), Some(1.0), Some(2)));
    assert_eq!(numbers("top_p"), (float, Some(json!(1.0)), Some(0.0), Some(1.0), Some(2)));
    assert_eq!(numbers("top_k"), (int, Some(json!(50)), Some(1.0), Some(100.0), Some(0)));
    assert_eq!(numbers("presence_penalty"), (float, Some(json!(0.0)), Some(0.0), Some(1.0), Some(2)));
    assert_eq!(numbers("frequency_penalty"), (float, Some(json!(0.0)), Some(0.0), Some(1.0), Some(2)));
    assert_eq!(numbers("max_tokens"), (int, Some(json!(64)), Some(1.0), Some(2048.0), Some(0)));
    assert_eq!(numbers("response_format"), (ParameterType::String, None, None, None, None));
    assert_eq!(template("response_format").unwrap().options, ["JSON", "XML"]);
    assert_eq!(numbers("json_schema"), (ParameterType::Text, None, None, None, None));
    assert!(template("heat").is_none());
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    for (yaml, complaint) in [
        ("[{name: a}]", "has neither a type nor a template"),
        ("[{name: a, use_template: heat}]", "uses no known template"),
        ("[{name: a, type: int, min: 2, max: 1}]", "has a min above its max"),
        ("[{name: a, type: int, default: x}]", "has a default that it refuses"),
        ("[{name: a, type: int, max: 1, default: 2}]", "has a default that it refuses"),
        ("[{name: a, type: float, precision: 1, default: 0.55}]", "more digits than its precision"),
        ("[{name: a, type: string, options: [x], default: y}]", "has a default that it refuses"),
        ("[{name: a, type: text, options: [x]}]", "has options but is no string"),
        ("[{name: a, type: boolean, min: 0}]", "is no number"),
        ("[{name: a, type: int}, {name: a, type: int}]", "is there twice"),
        ("[{name: a, type: int, deflaut: 1}]", "unknown field"),
        ("[{name: a, type: number}]", "unknown variant"),
    ] {
        let error = parse_rules(&format!("parameter_rules: {yaml}")).unwrap_err().to_string();
        assert!(error.contains(complaint), "{yaml}: {error}");
    }
}
