use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const MANIFEST: &str = "
version: 0.1.2
type: plugin
author: acme
name: probe
label: {en_US: Probe}
description: {en_US: Probe plugin}
icon: icon.svg
created_at: 2024-07-12T08:03:44.658609Z
resource:
  memory: 1048576
  permission:
    model: {enabled: true, llm: true}
    storage: {enabled: true, size: 1048576}
plugins: {models: [provider/probe.yaml]}
meta:
  version: 0.0.2
  arch: [amd64, arm64]
  runner: {language: python, version: '3.12', entrypoint: main}
  minimum_dify_version: 1.9.0
tags: [utilities]
privacy: PRIVACY.md
";

const PROVIDER: &str = "
provider: probe
label: {en_US: Probe}
icon_small: {en_US: icon.svg}
background: '#FFF'
help:
  title: {en_US: Get key}
  url: {en_US: 'https://example.invalid'}
supported_model_types: [llm, text-embedding, rerank]
configurate_methods: [predefined-model, customizable-model]
models:
  llm: {predefined: ['models/llm/*.yaml'], position: models/llm/_position.yaml}
provider_credential_schema:
  credential_form_schemas:
    - variable: api_key
      label: {en_US: API Key}
      type: secret-input
      placeholder: {en_US: key}
      help: {en_US: Ask your administrator}
      url: {en_US: 'https://example.invalid/key'}
model_credential_schema:
  model: {label: {en_US: Model Name}}
  credential_form_schemas:
    - variable: mode
      label: {en_US: Mode, zh_Hans: 模式}
      type: select
      required: false
      default: chat
      options: [{label: {en_US: Chat}, value: chat}]
      show_on: [{variable: __model_type, value: llm}]
extra: {python: {provider_source: provider/probe.py, model_sources: [models/llm/llm.py]}}
";

const MODEL_B: &str = "
model: b-model
model_type: llm
model_properties: {mode: chat, context_size: 4096}
parameter_rules:
  - {name: temperature, use_template: temperature, max: 2}
pricing: {input: '0.001', output: '0.002', unit: '0.001', currency: USD}
";

const FILES: &[(&str, &str)] = &[
    ("models/llm/b.yaml", MODEL_B),
    (
        "models/llm/a.yaml",
        "{model: a-model, label: {en_US: A}, model_type: llm, features: [vision], model_properties: {}}",
    ),
    ("models/llm/_position.yaml", "[b-model, a-model]"),
    ("models/llm/deeper/c.yaml", "not a model"),
    ("models/rerank/r.yaml", "not a model"),
];

const ASSETS: &[(&str, &[u8])] = &[("icon.svg", b"<svg/>")];

fn sources() -> Sources<'static> {
    Sources { manifest: MANIFEST, provider: PROVIDER, models: FILES, assets: ASSETS }
}

fn lines(declaration: &Declaration) -> Vec<String> {
    declaration.registration("0b1c0a5e").map(Result::unwrap).collect()
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn messages_leave_in_the_hosts_order() {
    let messages = parsed(&lines(&Declaration::new(sources()).unwrap()));
    let kinds: Vec<_> = messages.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["handshake", "manifest_declaration", "model_declaration", "asset_chunk", "end"]);
    assert_eq!(messages[0]["data"], json!({"key": "0b1c0a5e"}));
    assert_eq!(messages[4]["data"], json!({}));
}

#[test]
fn the_manifest_is_written_as_the_sdk_writes_it() {
    assert_eq!(
        lines(&Declaration::new(sources()).unwrap())[1],
        r#"{"type":"manifest_declaration","data":{"version":"0.1.2","type":"plugin","author":"acme","name":"probe","repo":null,"description":{"zh_Hans":"Probe plugin","pt_BR":"Probe plugin","ja_JP":"Probe plugin","en_US":"Probe plugin"},"icon":"icon.svg","icon_dark":null,"label":{"zh_Hans":"Probe","pt_BR":"Probe","ja_JP":"Probe","en_US":"Probe"},"created_at":"2024-07-12T08:03:44.658609Z","resource":{"memory":1048576,"permission":{"tool":null,"model":{"enabled":true,"llm":true,"text_embedding":false,"rerank":false,"tts":false,"speech2text":false,"moderation":false},"node":null,"endpoint":null,"app":null,"storage":{"enabled":true,"size":1048576}}},"plugins":{"tools":[],"models":["provider/probe.yaml"],"endpoints":[],"agent_strategies":[],"datasources":[],"triggers":[]},"meta":{"version":"0.0.2","arch":["amd64","arm64"],"runner":{"language":"python","version":"3.12","entrypoint":"main"},"minimum_dify_version":"1.9.0"}}}"#
    );
}

#[test]
fn the_provider_is_written_with_its_models_resolved_and_sorted() {
    let line = lines(&Declaration::new(sources()).unwrap()).remove(2);
    let mut message: Value = serde_json::from_str(&line).unwrap();
    let provider = message["data"][0].take();
    let i18n = |text: &str| json!({"zh_Hans": text, "pt_BR": text, "ja_JP": text, "en_US": text});
    assert_eq!(provider["icon_small"], i18n("icon.svg"));
    assert_eq!(provider["description"], json!(null));
    assert_eq!(provider["supported_model_types"], json!(["llm", "text-embedding", "rerank"]));
    assert_eq!(provider["configurate_methods"], json!(["predefined-model", "customizable-model"]));
    let names: Vec<_> = provider["models"].as_array().unwrap().iter().map(|model| &model["model"]).collect();
    assert_eq!(names, ["a-model", "b-model"]);
    let model = &provider["models"][1];
    assert_eq!(model["label"], i18n("b-model"));
    assert_eq!(model["features"], json!(null));
    assert_eq!(model["fetch_from"], "predefined-model");
    assert_eq!(model["pricing"], json!({"input": "0.001", "output": "0.002", "unit": "0.001", "currency": "USD"}));
    assert_eq!(model["parameter_rules"][0]["use_template"], "temperature");
    assert_eq!(model["parameter_rules"][0]["max"], json!(2.0));
    assert_eq!(model["parameter_rules"][0]["min"], json!(0.0));
    assert_eq!(
        provider["position"],
        json!({"llm": ["b-model", "a-model"], "text_embedding": [], "rerank": [], "tts": [], "speech2text": [], "moderation": []})
    );
    assert_eq!(
        provider["provider_credential_schema"],
        json!({"credential_form_schemas": [{
            "variable": "api_key", "label": i18n("API Key"), "type": "secret-input", "required": true, "default": null,
            "options": null, "placeholder": i18n("key"), "max_length": 0, "show_on": [],
            "help": i18n("Ask your administrator"), "url": i18n("https://example.invalid/key"),
        }]})
    );
    let mut mode = i18n("Mode");
    mode["zh_Hans"] = json!("模式");
    assert_eq!(
        provider["model_credential_schema"],
        json!({"model": {"label": i18n("Model Name"), "placeholder": null}, "credential_form_schemas": [{
            "variable": "mode", "label": mode, "type": "select", "required": false, "default": "chat",
            "options": [{"label": i18n("Chat"), "value": "chat", "show_on": []}], "placeholder": null, "max_length": 0,
            "show_on": [{"variable": "__model_type", "value": "llm"}],
        }]})
    );
    assert!(provider.get("extra").is_none());
}

#[test]
fn without_model_files_models_are_empty_and_position_is_null() {
    let message = parsed(&lines(&Declaration::new(Sources { models: &[], ..sources() }).unwrap())).remove(2);
    assert_eq!(message["data"][0]["models"], json!([]));
    assert_eq!(message["data"][0]["position"], json!(null));
}

#[test]
fn assets_travel_in_pieces_of_8_kib_and_only_the_last_says_end() {
    let large: Vec<u8> = (0..20_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let exact = vec![7; 16_384];
    let assets: &[(&str, &[u8])] = &[("icon.svg", b"<svg/>"), ("large.png", &large), ("exact.png", &exact)];
    let declaration = Declaration::new(Sources { assets, ..sources() }).unwrap();
    let messages = parsed(&lines(&declaration));
    for (name, bytes) in assets {
        let pieces: Vec<_> = messages.iter().filter(|message| message["data"]["filename"] == *name).collect();
        let decoded: Vec<Vec<u8>> =
            pieces.iter().map(|piece| STANDARD.decode(piece["data"]["data"].as_str().unwrap()).unwrap()).collect();
        assert_eq!(decoded.concat(), *bytes);
        assert!(decoded.iter().all(|piece| (1..=8192).contains(&piece.len())));
        let ends: Vec<_> = pieces.iter().map(|piece| piece["data"]["end"] == true).collect();
        assert!(ends.last().unwrap() & !ends[..ends.len() - 1].contains(&true), "{name}: {ends:?}");
    }
}

fn problems_with(file: &str, from: &str, to: &str) -> String {
    let change = |text: &str, name: &str| if name == file { text.replacen(from, to, 1) } else { text.to_owned() };
    let manifest = change(MANIFEST, "manifest");
    let provider = change(PROVIDER, "provider");
    assert!(manifest != MANIFEST || provider != PROVIDER, "{from} is not there");
    Declaration::new(Sources { manifest: &manifest, provider: &provider, ..sources() }).unwrap_err().to_string()
}

#[test]
fn what_a_host_would_refuse_is_an_error_that_names_it() {
    for (file, from, to, complaint) in [
        ("manifest", "0.1.2", "1.2", "version must be like 1.2.3"),
        ("manifest", "author: acme", "author: Acme", "author must be"),
        ("manifest", "name: probe", "name: a.b", "name must be"),
        ("manifest", "icon: icon.svg", "icon: other.svg", "icon \"other.svg\" is not in _assets"),
        ("manifest", "44.658609Z", "44", "created_at must be"),
        ("manifest", "memory: 1048576", "memory: 0", "resource.memory must not be 0"),
        ("manifest", "size: 1048576", "size: 12", "storage.size must be"),
        ("manifest", "amd64", "x86_64", "meta.arch must list"),
        ("manifest", "language: python", "language: rust", "meta.runner.language must be python"),
        ("manifest", "models: [provider/probe.yaml]", "models: [a, b]", "exactly one file"),
        ("manifest", "models: [provider/probe.yaml]", "{models: [a], tools: [b]}", "cannot be read"),
        ("manifest", "tags: [utilities]", "tags: [llm]", "hosts know no tag \"llm\""),
        ("manifest", "type: plugin", "type: plugin\nrepo: example", "repo must be a URL"),
        ("provider", "{en_US: icon.svg}", "{en_US: icon.svg, ja_JP: jp.svg}", "icon \"jp.svg\" is not in _assets"),
        ("provider", "default: chat", "default: talk", "its default is not among the options"),
        ("provider", "value: llm", "value: llm}, {variable: nobody, value: x", "can never hold"),
        ("provider", "variable: mode", "variable: mode\n      typo: 1", "unknown field `typo`"),
        ("provider", "secret-input", "password", "unknown variant `password`"),
        ("provider", "[llm, text-embedding, rerank]", "[rerank]", "does not support its type"),
        ("provider", "llm: {predefined", "tts: {predefined", "models.tts is read by nobody"),
        ("provider", "label: {en_US: Mode, zh_Hans: 模式}", "label: {zh_Hans: 模式}", "missing field `en_US`"),
    ] {
        let problems = problems_with(file, from, to);
        assert!(problems.contains(complaint), "{to}: {problems}");
    }
}

#[test]
fn a_form_of_more_than_32_fields_is_refused() {
    let field = |number: usize| format!("    - {{variable: v{number}, label: {{en_US: V}}, type: text-input}}\n");
    let with = |extra: usize| {
        let fields: String = (0..extra).map(field).collect();
        let provider = PROVIDER.replacen("    - variable: mode", &format!("{fields}    - variable: mode"), 1);
        Declaration::new(Sources { provider: &provider, ..sources() }).map(drop)
    };
    assert_eq!(with(31), Ok(()));
    assert_eq!(with(32).unwrap_err().problems, ["provider: a form has 33 fields, hosts take 32"]);
}

#[test]
fn patterns_match_within_a_folder_only() {
    for (pattern, path, expected) in [
        ("models/llm/*.yaml", "models/llm/a.yaml", true),
        ("models/llm/*.yaml", "models/llm/deep/a.yaml", false),
        ("models/*/?.yaml", "models/llm/a.yaml", true),
        ("models/*/?.yaml", "models/llm/ab.yaml", false),
        ("*", "a", true),
        ("a", "ab", false),
    ] {
        assert_eq!(models::matches(pattern, path), expected, "{pattern} {path}");
    }
}
