//! Rules for a model provider file.

use serde_norway::Value;

use super::super::archive::Entry;
use super::super::glob::Glob;
use super::fields::{Fields, LOCALES, lookup};
use super::{Judge, Refusal, manifest};

const MODEL_TYPES: [&str; 9] = [
    "llm",
    "text-embedding",
    "rerank",
    "speech2text",
    "moderation",
    "tts",
    "text2img",
    "multimodal-embedding",
    "multimodal-rerank",
];
const METHODS: [&str; 2] = ["predefined-model", "customizable-model"];
const FORM_TYPES: [&str; 5] = ["text-input", "secret-input", "select", "radio", "switch"];
/// Keys of `models` that the daemon reads; it passes over any other in silence.
const MODEL_GROUPS: [&str; 6] = ["llm", "text_embedding", "tts", "speech2text", "moderation", "rerank"];
/// Named rules whose text and bounds Dify fills in.
const TEMPLATES: [&str; 8] = [
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "max_tokens",
    "response_format",
    "json_schema",
];

/// The longest name, default or option value, in characters.
const MAX_CHARS: usize = 255;

/// Checks the provider file at `path`.
pub(super) fn check(entries: &[Entry], path: &str) -> Vec<Refusal> {
    let mut fields = Fields::new(path, Judge::RemoteDebugging);
    let Some(file) = entries.iter().find(|entry| entry.path == path) else {
        fields.refuse_as(Judge::Daemon, "", "the manifest names it, but it is not in the package");
        return fields.into_refusals();
    };
    let Some(provider) = fields.parse(&file.data) else { return fields.into_refusals() };

    fields.required_text(&provider, "provider", MAX_CHARS);
    fields.required_translated(&provider, "label");
    fields.translated(&provider, "description");
    fields.text(&provider, "background", usize::MAX);
    fields.filled_in(&provider, &["position", "model_declarations"]);
    for icon in ["icon_small", "icon_large", "icon_small_dark", "icon_large_dark"] {
        fields.translated(&provider, icon);
        for locale in LOCALES {
            let at = format!("{icon}.{locale}");
            let path = lookup(&provider, &at).and_then(Value::as_str);
            manifest::asset(&mut fields, entries, &at, path.filter(|path| !path.is_empty()));
        }
    }
    if lookup(&provider, "help").is_some() {
        fields.required_translated(&provider, "help.title");
        fields.required_translated(&provider, "help.url");
    }
    for (at, kind) in fields.texts(&provider, "supported_model_types", true, 16) {
        fields.one_of(&at, &kind, &MODEL_TYPES);
    }
    for (at, method) in fields.texts(&provider, "configurate_methods", true, 16) {
        fields.one_of(&at, &method, &METHODS);
    }
    form(&mut fields, &provider, "provider_credential_schema.credential_form_schemas");
    if lookup(&provider, "model_credential_schema").is_some() {
        fields.required_translated(&provider, "model_credential_schema.model.label");
        fields.translated(&provider, "model_credential_schema.model.placeholder");
    }
    form(&mut fields, &provider, "model_credential_schema.credential_form_schemas");
    models(&mut fields, entries, &provider);
    fields.into_refusals()
}

/// One form: its variables, their options, and when they show.
fn form(fields: &mut Fields, provider: &Value, at: &str) {
    for (at, variable) in fields.list(provider, at, 32) {
        fields.within(&at, |fields| {
            fields.required_text(variable, "variable", MAX_CHARS);
            fields.required_translated(variable, "label");
            if let Some(kind) = fields.required_text(variable, "type", usize::MAX) {
                fields.one_of("type", &kind, &FORM_TYPES);
            }
            fields.flag(variable, "required");
            fields.text(variable, "default", MAX_CHARS);
            fields.translated(variable, "help");
            fields.translated(variable, "placeholder");
            fields.text(variable, "url", usize::MAX);
            fields.whole(variable, "max_length");
            show_on(fields, variable);
            for (at, option) in fields.list(variable, "options", 128) {
                fields.within(&at, |fields| {
                    fields.required_translated(option, "label");
                    fields.required_text(option, "value", MAX_CHARS);
                    show_on(fields, option);
                });
            }
        });
    }
}

fn show_on(fields: &mut Fields, node: &Value) {
    for (at, condition) in fields.list(node, "show_on", 16) {
        fields.within(&at, |fields| {
            fields.required_text(condition, "variable", MAX_CHARS);
            fields.required_text(condition, "value", MAX_CHARS);
        });
    }
}

/// Predefined models and their order: the files are read when the package is, so one that cannot be breaks it.
fn models(fields: &mut Fields, entries: &[Entry], provider: &Value) {
    let Some(Value::Mapping(groups)) = lookup(provider, "models") else { return };
    for (key, group) in groups {
        let key = key.as_str().unwrap_or_default();
        let at = format!("models.{key}");
        if !MODEL_GROUPS.contains(&key) {
            fields.refuse_as(Judge::Project, &at, format!("is passed over; known are {}", MODEL_GROUPS.join(", ")));
        }
        if let Some(path) = group.get("position").and_then(Value::as_str) {
            let file = entries.iter().find(|entry| entry.path == path);
            if file.is_none_or(|file| serde_norway::from_slice::<Vec<String>>(&file.data).is_err()) {
                fields.refuse_as(Judge::Daemon, &format!("{at}.position"), format!("{path} must list model names"));
            }
        }
        for (at, pattern) in fields.texts(provider, &format!("{at}.predefined"), false, usize::MAX) {
            match matching(entries, &pattern) {
                Some(models) => models.into_iter().for_each(|entry| fields.refusals_of(model(entry))),
                None => fields.refuse_as(Judge::Daemon, &at, format!("{pattern:?} is no pattern")),
            }
        }
    }
}

/// The model files a `predefined` pattern names; `None` where it is none.
fn matching<'a>(entries: &'a [Entry], pattern: &str) -> Option<Vec<&'a Entry>> {
    let glob = Glob::parse(pattern)?;
    let is_model = |entry: &&Entry| !entry.path.ends_with("_position.yaml");
    Some(entries.iter().filter(is_model).filter(|entry| glob.matches(&entry.path)).collect())
}

/// One predefined model.
fn model(entry: &Entry) -> Vec<Refusal> {
    let mut fields = Fields::new(&entry.path, Judge::Daemon);
    let Some(model) = fields.parse(&entry.data) else { return fields.into_refusals() };
    fields.required_text(&model, "model", MAX_CHARS);
    fields.required_translated(&model, "label");
    if let Some(kind) = fields.required_text(&model, "model_type", usize::MAX) {
        fields.one_of("model_type", &kind, &MODEL_TYPES);
    }
    for (at, rule) in fields.list(&model, "parameter_rules", 128) {
        fields.within(&at, |fields| {
            fields.required_text(rule, "name", MAX_CHARS);
            match fields.text(rule, "use_template", MAX_CHARS) {
                Some(template) => fields.one_of("use_template", &template, &TEMPLATES),
                None => {
                    fields.required_text(rule, "type", MAX_CHARS);
                }
            }
        });
    }
    fields.into_refusals()
}
