//! Rules for `manifest.yaml`.

use chrono::{DateTime, Datelike as _};
use serde_norway::Value;
use url::Url;
use uuid::Uuid;

use crate::runtime::declaration::{TAGS, is_version};

use super::super::archive::Entry;
use super::super::identity::MANIFEST;
use super::fields::{Fields, lookup};
use super::{Judge, Refusal, provider};

/// Kinds of plugin other than models; a package that holds models may hold none of them.
const OTHER_KINDS: [&str; 5] = ["tools", "endpoints", "agent_strategies", "datasources", "triggers"];

/// What a plugin may ask to call, and the kinds of model among it.
const PERMISSIONS: [&str; 6] = ["tool", "model", "node", "endpoint", "app", "storage"];
const PERMITTED_MODELS: [&str; 6] = ["llm", "text_embedding", "rerank", "tts", "speech2text", "moderation"];

/// Bytes that a plugin may ask to store.
const STORAGE_BYTES: std::ops::RangeInclusive<i64> = 1024..=1_073_741_824;

/// Folder of the files that Dify shows.
const ASSETS: &str = "_assets/";

/// Checks the manifest and the provider files it names.
pub(super) fn check(entries: &[Entry]) -> Vec<Refusal> {
    let Some(file) = entries.iter().find(|entry| entry.path == MANIFEST) else {
        return Vec::new(); // noted among the files
    };
    let mut fields = Fields::new(MANIFEST, Judge::CommandLine);
    let Some(manifest) = fields.parse(&file.data) else { return fields.into_refusals() };

    identity(&mut fields, &manifest);
    fields.required_translated(&manifest, "label");
    fields.required_translated(&manifest, "description");
    for icon in ["icon", "icon_dark"] {
        let path =
            if icon == "icon" { fields.required_text(&manifest, icon, 128) } else { fields.text(&manifest, icon, 128) };
        asset(&mut fields, entries, icon, path.as_deref());
    }
    if let Some(time) = fields.required_text(&manifest, "created_at", usize::MAX)
        && !is_time(&time)
    {
        fields.refuse("created_at", "must be a time like 2026-01-31T00:00:00Z (RFC 3339)");
    }
    resource(&mut fields, &manifest);
    meta(&mut fields, entries, &manifest);
    for (at, tag) in fields.texts(&manifest, "tags", false, usize::MAX) {
        fields.one_of(&at, &tag, &TAGS);
    }
    fields.text(&manifest, "privacy", usize::MAX);
    // Go looks at an empty one too.
    fields.text(&manifest, "repo", usize::MAX);
    if lookup(&manifest, "repo").and_then(Value::as_str).is_some_and(|repo| Url::parse(repo).is_err()) {
        fields.refuse("repo", "must be a URL");
    }
    fields.flag(&manifest, "verified");
    fields.filled_in(&manifest, &["model", "tool", "endpoint", "agent_strategy", "datasource", "trigger"]);
    let providers = plugins(&mut fields, &manifest);

    let mut refusals = fields.into_refusals();
    for path in providers {
        refusals.extend(provider::check(entries, &path));
    }
    refusals
}

fn identity(fields: &mut Fields, manifest: &Value) {
    if let Some(version) = fields.required_text(manifest, "version", usize::MAX) {
        if !is_version(&version) {
            fields.refuse("version", "must be like 1.2.3, each number of at most four digits");
        } else if !is_pep440(&version) {
            fields.refuse_as(Judge::Api, "version", "what follows the dash must be like rc1 (PEP 440)");
        }
    }
    if let Some(kind) = fields.required_text(manifest, "type", usize::MAX) {
        fields.one_of("type", &kind, &["plugin"]);
    }
    for (field, max) in [("author", 64), ("name", 128)] {
        let value = fields.text(manifest, field, max).unwrap_or_default();
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if value.is_empty() || !value.chars().all(known) {
            fields.refuse_as(Judge::Daemon, field, format!("must match ^[a-z0-9_-]{{1,{max}}}$"));
        }
        if field == "author" && Uuid::try_parse(&value).is_ok() {
            fields.refuse_as(Judge::Daemon, field, "must not be a UUID: those are plugins under remote debugging");
        }
    }
}

fn resource(fields: &mut Fields, manifest: &Value) {
    match fields.whole(manifest, "resource.memory") {
        Some(0) => fields.refuse("resource.memory", "must not be 0 (bytes)"),
        None if lookup(manifest, "resource.memory").is_none() => fields.refuse("resource.memory", "is required"),
        _ => {}
    }
    fields.flags(manifest, "resource.permission", &[]);
    for permission in PERMISSIONS {
        fields.flags(manifest, &format!("resource.permission.{permission}"), &["enabled"]);
    }
    fields.flags(manifest, "resource.permission.model", &PERMITTED_MODELS);
    if lookup(manifest, "resource.permission.storage").is_some_and(Value::is_mapping) {
        let size = fields.whole(manifest, "resource.permission.storage.size").unwrap_or(0);
        if !STORAGE_BYTES.contains(&size) {
            fields.refuse("resource.permission.storage.size", "must be from 1024 to 1073741824 bytes");
        }
    }
}

fn meta(fields: &mut Fields, entries: &[Entry], manifest: &Value) {
    if let Some(version) = fields.required_text(manifest, "meta.version", usize::MAX)
        && !is_version(&version)
    {
        fields.refuse("meta.version", "must be like 0.0.1");
    }
    for (at, arch) in fields.texts(manifest, "meta.arch", true, usize::MAX) {
        fields.one_of(&at, &arch, &["amd64", "arm64"]);
    }
    if let Some(language) = fields.required_text(manifest, "meta.runner.language", usize::MAX) {
        fields.one_of("meta.runner.language", &language, &["python"]);
    }
    fields.required_text(manifest, "meta.runner.version", 128);
    if let Some(entrypoint) = fields.required_text(manifest, "meta.runner.entrypoint", 256) {
        let module = format!("{}.py", entrypoint.replace('.', "/"));
        if !entries.iter().any(|entry| entry.path == module) {
            fields.refuse_as(Judge::Daemon, "meta.runner.entrypoint", format!("the package holds no {module}"));
        }
    }
    if let Some(minimum) = fields.text(manifest, "meta.minimum_dify_version", usize::MAX)
        && !is_pep440(&minimum)
    {
        fields.refuse_as(Judge::Api, "meta.minimum_dify_version", "must be a version (PEP 440)");
    }
}

/// The provider files the manifest names.
fn plugins(fields: &mut Fields, manifest: &Value) -> Vec<String> {
    let models = fields.texts(manifest, "plugins.models", false, usize::MAX);
    if models.is_empty() {
        fields.refuse_as(Judge::Daemon, "plugins.models", "must name a provider file: this is a model plugin");
    }
    for kind in OTHER_KINDS {
        let at = format!("plugins.{kind}");
        if !fields.list(manifest, &at, usize::MAX).is_empty() {
            fields.refuse_as(Judge::Daemon, &at, "cannot stand beside plugins.models");
        }
    }
    for (at, path) in &models {
        if path.chars().count() > 128 {
            fields.refuse(at, "at most 128 characters");
        }
    }
    models.into_iter().map(|(_, path)| path).collect()
}

/// Notes an image that is named but not among the assets, or not among those that remote debugging sends.
pub(super) fn asset(fields: &mut Fields, entries: &[Entry], at: &str, path: Option<&str>) {
    let Some(path) = path else { return };
    if path.contains('/') {
        fields.refuse_as(Judge::RemoteDebugging, at, "must lie in _assets/ itself: remote debugging sends no folders");
    }
    let file = format!("{ASSETS}{path}");
    match entries.iter().find(|entry| entry.path == file) {
        None => fields.refuse_as(Judge::CommandLine, at, format!("the package holds no {file}")),
        Some(entry) if entry.data.is_empty() => {
            fields.refuse_as(Judge::RemoteDebugging, at, format!("{file} is empty"));
        }
        Some(_) => {}
    }
}

/// RFC 3339 as Go reads it: capital letters, no leap second, and not the first second of the year 1, which stands for
/// none.
fn is_time(text: &str) -> bool {
    const WHOLE_SECOND: u32 = 1_000_000_000;
    text.as_bytes().get(10) == Some(&b'T')
        && !text.ends_with('z')
        && DateTime::parse_from_rfc3339(text)
            .is_ok_and(|time| time.timestamp_subsec_nanos() < WHOLE_SECOND && time.year() > 1)
}

/// A public version by PEP 440, in the spellings that can occur here: numbers, then at most one of a, b, rc, post, dev
/// and their long forms with a number.
fn is_pep440(text: &str) -> bool {
    const SUFFIXES: [&str; 12] = ["", "a", "alpha", "b", "beta", "c", "rc", "pre", "preview", "post", "rev", "dev"];
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let release = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (numbers, suffix) = text.split_at(release);
    let word = suffix.trim_start_matches(['-', '_']).trim_end_matches(|c: char| c.is_ascii_digit());
    numbers.trim_end_matches('.').split('.').all(is_number)
        && SUFFIXES.contains(&word.trim_end_matches(['-', '_']).to_ascii_lowercase().as_str())
}
