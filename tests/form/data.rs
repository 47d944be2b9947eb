//! `manifest.yaml`, `provider/higress.yaml` and `_assets`.

use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

/// The fields of the Python plugin: variable, type, required, default, options, conditions beside the model's type.
/// Saved models hold these names and values.
const SAVED_FIELDS: &str = r#"[
  ["llm_usage_scenario", "select", true, "text_generation", ["text_generation", "image_generation"], {"__model_type": "llm"}],
  ["text_model_protocol", "select", true, "openai_compatible", ["openai_compatible"],
   {"__model_type": "llm", "llm_usage_scenario": "text_generation"}],
  ["function_calling_type", "select", false, "no_call", ["no_call", "function_call", "tool_call"],
   {"__model_type": "llm", "llm_usage_scenario": "text_generation"}],
  ["agent_thought_support", "select", false, "not_supported", ["only_thinking_supported", "not_supported", "supported"],
   {"__model_type": "llm", "llm_usage_scenario": "text_generation"}],
  ["multimodal_support", "select", false, "not_support", ["support", "not_support"],
   {"__model_type": "llm", "llm_usage_scenario": "text_generation", "text_model_protocol": "openai_compatible"}],
  ["image_model_protocol", "select", true, "dashscope_image_generation", ["dashscope_image_generation"],
   {"__model_type": "llm", "llm_usage_scenario": "image_generation"}],
  ["embedding_usage_scenario", "select", true, "embedding", ["embedding"], {"__model_type": "text-embedding"}],
  ["embedding_model_protocol", "select", true, "openai_compatible", ["openai_compatible"],
   {"__model_type": "text-embedding", "embedding_usage_scenario": "embedding"}],
  ["rerank_usage_scenario", "select", true, "rerank", ["rerank"], {"__model_type": "rerank"}],
  ["rerank_model_protocol", "select", true, "dashscope_rerank", ["dashscope_rerank"],
   {"__model_type": "rerank", "rerank_usage_scenario": "rerank"}],
  ["endpoint_url", "text-input", true, null, null, {}],
  ["consumer_auth_mode", "select", false, "disabled", ["disabled", "api_key", "hmac"], {}],
  ["api_key", "secret-input", true, null, null, {"consumer_auth_mode": "api_key"}],
  ["hmac_key", "secret-input", true, null, null, {"consumer_auth_mode": "hmac"}],
  ["hmac_secret", "secret-input", true, null, null, {"consumer_auth_mode": "hmac"}],
  ["gateway_model_name", "text-input", false, null, null, {}]
]"#;

pub(crate) fn provider() -> Value {
    serde_norway::from_str(include_str!("../../provider/higress.yaml")).expect("YAML")
}

fn manifest() -> Value {
    serde_norway::from_str(include_str!("../../manifest.yaml")).expect("YAML")
}

pub(crate) fn fields() -> Vec<Value> {
    let fields = provider()["model_credential_schema"]["credential_form_schemas"].take();
    fields.as_array().expect("a list").clone()
}

pub(crate) fn variable(field: &Value) -> &str {
    field["variable"].as_str().expect("a name")
}

fn show_on(field: &Value) -> Vec<(&str, &str)> {
    let conditions = field["show_on"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions
        .iter()
        .map(|condition| {
            (condition["variable"].as_str().expect("a name"), condition["value"].as_str().expect("a value"))
        })
        .collect()
}

fn options(field: &Value) -> Vec<&str> {
    let options = field["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().map(|option| option["value"].as_str().expect("a text")).collect()
}

#[test]
fn identity_is_the_one_saved_models_and_apps_refer_to() {
    let (manifest, provider) = (manifest(), provider());
    assert_eq!(manifest["author"], "higress");
    assert_eq!(manifest["name"], "higress");
    assert_eq!(provider["provider"], "higress");
    assert_eq!(provider["supported_model_types"], json!(["llm", "text-embedding", "rerank"]));
    assert_eq!(provider["configurate_methods"], json!(["predefined-model", "customizable-model"]));
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn permissions_are_none_for_the_plugin_asks_dify_for_nothing() {
    assert_eq!(manifest()["resource"]["permission"], json!({}));
    assert_eq!(manifest()["meta"].get("minimum_dify_version"), None, "servers of today must be able to upgrade");
}

#[test]
fn installing_the_plugin_installs_nothing_else() {
    let requirements = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements.txt")).unwrap();
    assert!(requirements.lines().all(|line| line.is_empty() || line.starts_with('#')), "{requirements}");
}

#[test]
fn every_file_that_the_data_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (manifest, provider) = (manifest(), provider());
    let mut named = vec![format!("{}", manifest["privacy"].as_str().unwrap())];
    named.extend(["icon", "icon_dark"].map(|icon| format!("_assets/{}", manifest[icon].as_str().unwrap())));
    for icon in ["icon_small", "icon_small_dark"] {
        named.extend(
            provider[icon].as_object().unwrap().values().map(|name| format!("_assets/{}", name.as_str().unwrap())),
        );
    }
    named
        .extend(manifest["plugins"]["models"].as_array().unwrap().iter().map(|file| file.as_str().unwrap().to_owned()));
    for file in named {
        assert!(root.join(&file).is_file(), "{file} is missing");
    }
}

#[test]
fn rule_files_are_not_predefined_models() {
    assert_eq!(provider().get("models"), None);
}

#[test]
fn the_form_fits_the_host() {
    let fields = fields();
    assert!(fields.len() <= 32, "{} fields", fields.len());
    for field in &fields {
        let options = options(field);
        assert!(options.len() <= 128 && options.iter().all(|option| option.len() < 256));
        assert!(field["default"].as_str().unwrap_or_default().len() < 256);
        assert!(show_on(field).len() <= 16);
        assert!(field["required"].is_boolean(), "{}: missing means required", variable(field));
    }
}

#[test]
fn a_field_is_there_once() {
    let fields = fields();
    let names: HashSet<_> = fields.iter().map(variable).collect();
    assert_eq!(names.len(), fields.len());
}

#[test]
fn a_condition_names_a_field_above_and_one_of_its_options() {
    let fields = fields();
    for (position, field) in fields.iter().enumerate() {
        for (name, value) in show_on(field) {
            if name == "__model_type" {
                assert!(["llm", "text-embedding", "rerank"].contains(&value));
                continue;
            }
            let above = fields[..position].iter().find(|above| variable(above) == name);
            let above = above.unwrap_or_else(|| panic!("{} depends on {name}, which is not above it", variable(field)));
            assert!(options(above).contains(&value), "{}: {name} has no option {value}", variable(field));
            for inherited in show_on(above) {
                assert!(show_on(field).contains(&inherited), "{} shows where {name} does not", variable(field));
            }
        }
    }
}

#[test]
fn a_default_is_one_of_the_options() {
    for field in fields() {
        if let Some(default) = field["default"].as_str() {
            assert!(options(&field).contains(&default), "{}", variable(&field));
        }
    }
}

#[test]
fn every_text_is_in_english_and_chinese() {
    let both = |text: &Value, what: &str| {
        for language in ["en_US", "zh_Hans"] {
            let text = text[language].as_str().unwrap_or_default();
            assert!(!text.trim().is_empty() && text.len() < 1024, "{what} has no {language}");
        }
    };
    let (provider, manifest) = (provider(), manifest());
    both(&manifest["label"], "the manifest");
    both(&manifest["description"], "the manifest");
    both(&provider["label"], "the provider");
    both(&provider["model_credential_schema"]["model"]["label"], "the model's name");
    both(&provider["model_credential_schema"]["model"]["placeholder"], "the model's name");
    for field in fields() {
        for part in ["label", "help", "placeholder"] {
            both(&field[part], &format!("{part} of {}", variable(&field)));
        }
        for option in field["options"].as_array().into_iter().flatten() {
            both(&option["label"], &format!("an option of {}", variable(&field)));
        }
    }
}

#[test]
fn the_fields_that_saved_models_hold_are_as_they_were() {
    let fields = fields();
    let saved: Vec<Value> = serde_json::from_str(SAVED_FIELDS).unwrap();
    assert_eq!(saved.len(), 16);
    for old in saved {
        let name = old[0].as_str().unwrap();
        let field = fields.iter().find(|field| variable(field) == name).unwrap_or_else(|| panic!("{name} is gone"));
        assert_eq!(field["type"], old[1], "{name}");
        assert_eq!(field["required"], old[2], "{name}");
        assert_eq!(field.get("default").cloned().unwrap_or_default(), old[3], "{name}");
        for option in old[4].as_array().into_iter().flatten() {
            assert!(options(field).contains(&option.as_str().unwrap()), "{name} lost {option}");
        }
        let conditions: serde_json::Map<_, _> =
            show_on(field).into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        assert_eq!(Value::Object(conditions), old[5], "{name}");
    }
}

#[test]
fn fields_come_in_the_order_a_person_fills_them_in() {
    let fields = fields();
    let place = |name: &str| fields.iter().position(|field| variable(field) == name).unwrap();
    let order = [
        "llm_usage_scenario",
        "text_model_protocol",
        "endpoint_url",
        "consumer_auth_mode",
        "api_key",
        "gateway_model_name",
        "function_calling_type",
        "context_size",
        "advanced_options",
    ];
    assert!(order.is_sorted_by_key(|name| place(name)));
    assert_eq!(place("advanced_options"), fields.len() - 1);
}

#[test]
fn a_form_that_is_just_opened_shows_few_fields() {
    let fields = fields();
    let visible = |model_type: &str| {
        let mut values: Vec<(&str, &str)> = vec![("__model_type", model_type)];
        let mut count = 0;
        for field in &fields {
            if show_on(field).iter().all(|condition| values.contains(condition)) {
                count += 1;
                values.extend(field["default"].as_str().map(|default| (variable(field), default)));
            }
        }
        count
    };
    assert!(visible("llm") <= 18 && visible("text-embedding") <= 14 && visible("rerank") <= 10);
}
