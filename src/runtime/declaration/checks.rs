//! What a host would refuse.

use super::{CredentialField, Declaration, FieldType, Manifest};
use std::collections::BTreeSet;
use std::fmt;

/// Bytes of all assets together, counted as the daemon counts them: a bit above the raw size.
const MAX_ASSETS: usize = 50 * 1024 * 1024;
const MAX_FIELDS: usize = 32;
const MAX_OPTIONS: usize = 128;
const MAX_CONDITIONS: usize = 16;
/// "Shorter than 256" in the daemon.
const MAX_TEXT: usize = 255;
/// What a plugin may be about: the daemon's closed list.
pub const TAGS: [&str; 19] = [
    "search",
    "image",
    "videos",
    "weather",
    "finance",
    "design",
    "travel",
    "social",
    "news",
    "medical",
    "productivity",
    "education",
    "business",
    "entertainment",
    "utilities",
    "agent",
    "rag",
    "trigger",
    "other",
];

/// The reasons for which a host would refuse `declaration`; empty when it would not.
pub(super) fn problems(declaration: &Declaration) -> Vec<String> {
    let mut list = Problems(Vec::new());
    check_manifest(&declaration.manifest, &mut list);
    check_provider(declaration, &mut list);
    check_assets(declaration, &mut list);
    list.0
}

struct Problems(Vec<String>);

impl Problems {
    fn unless(&mut self, holds: bool, problem: impl fmt::Display) {
        if !holds {
            self.0.push(problem.to_string());
        }
    }
}

fn check_manifest(manifest: &Manifest, list: &mut Problems) {
    list.unless(is_version(&manifest.version), "manifest: version must be like 1.2.3");
    list.unless(manifest.r#type == "plugin", "manifest: type must be plugin");
    let author = is_id(&manifest.author, 64);
    list.unless(author, "manifest: author must be 1 to 64 lower-case letters, digits, _ and -");
    list.unless(is_id(&manifest.name, 128), "manifest: name must be 1 to 128 lower-case letters, digits, _ and -");
    list.unless((1..=128).contains(&manifest.icon.len()), "manifest: icon must be 1 to 128 bytes");
    list.unless(
        manifest.icon_dark.as_ref().is_none_or(|icon| icon.len() <= 128),
        "manifest: icon_dark must be at most 128 bytes",
    );
    list.unless(
        chrono::DateTime::parse_from_rfc3339(&manifest.created_at).is_ok(),
        "manifest: created_at must be an RFC 3339 time with a zone",
    );
    let repo = manifest.repo.as_deref().is_none_or(|repo| url::Url::parse(repo).is_ok());
    list.unless(repo, "manifest: repo must be a URL");
    list.unless(manifest.resource.memory > 0, "manifest: resource.memory must not be 0");
    let storage = manifest.resource.permission.as_ref().and_then(|permission| permission.storage);
    list.unless(
        storage.is_none_or(|storage| (1024..=1024 * 1024 * 1024).contains(&storage.size)),
        "manifest: storage.size must be 1 KiB to 1 GiB",
    );
    let plugins = &manifest.plugins;
    list.unless(
        plugins.models.len() == 1,
        "manifest: plugins.models must name exactly one file; hosts keep one provider",
    );
    let others =
        [&plugins.tools, &plugins.endpoints, &plugins.agent_strategies, &plugins.datasources, &plugins.triggers];
    list.unless(others.iter().all(|files| files.is_empty()), "manifest: a model plugin may hold nothing else");
    let meta = &manifest.meta;
    list.unless(is_version(&meta.version), "manifest: meta.version must be like 0.0.1");
    let arch = !meta.arch.is_empty() && meta.arch.iter().all(|arch| arch == "amd64" || arch == "arm64");
    list.unless(arch, "manifest: meta.arch must list amd64, arm64 or both");
    list.unless(
        meta.runner.language == "python",
        "manifest: meta.runner.language must be python, the only one hosts start",
    );
    list.unless((1..=128).contains(&meta.runner.version.len()), "manifest: meta.runner.version must be 1 to 128 bytes");
    list.unless(
        (1..=256).contains(&meta.runner.entrypoint.len()),
        "manifest: meta.runner.entrypoint must be 1 to 256 bytes",
    );
    for tag in &manifest.tags {
        list.unless(TAGS.contains(&tag.as_str()), format_args!("manifest: hosts know no tag {tag:?}"));
    }
}

fn check_provider(declaration: &Declaration, list: &mut Problems) {
    let form = &declaration.provider;
    list.unless((1..=MAX_TEXT).contains(&form.provider.len()), "provider: provider must be 1 to 255 bytes");
    list.unless(!form.supported_model_types.is_empty(), "provider: supported_model_types must not be empty");
    list.unless(!form.configurate_methods.is_empty(), "provider: configurate_methods must not be empty");
    for kind in form.models.keys() {
        let known = ["llm", "text_embedding", "rerank"].contains(&kind.as_str());
        list.unless(known, format_args!("provider: models.{kind} is read by nobody here"));
    }
    for model in &declaration.models {
        let name = &model.model;
        list.unless(
            (1..=MAX_TEXT).contains(&name.len()),
            format_args!("model {name:?}: the name must be 1 to 255 bytes"),
        );
        let supported = form.supported_model_types.contains(&model.model_type);
        list.unless(supported, format_args!("model {name:?}: the provider does not support its type"));
    }
    let provider_fields = form.provider_credential_schema.as_ref().map(|schema| &schema.credential_form_schemas);
    let model_fields = form.model_credential_schema.as_ref().map(|schema| &schema.credential_form_schemas);
    for fields in [provider_fields, model_fields].into_iter().flatten() {
        check_form(fields, list);
    }
}

fn check_form(fields: &[CredentialField], list: &mut Problems) {
    let count = fields.len();
    list.unless(count <= MAX_FIELDS, format_args!("provider: a form has {count} fields, hosts take {MAX_FIELDS}"));
    let mut variables = BTreeSet::new();
    for field in fields {
        list.unless(variables.insert(&field.variable), format_args!("field {}: it is there twice", field.variable));
    }
    for field in fields {
        check_field(field, list);
        for condition in &field.show_on {
            let variable = condition.variable.as_str();
            let target = fields.iter().find(|field| field.variable == variable);
            // A condition on a value that cannot be chosen hides the field for ever.
            let offered = target.and_then(|target| target.options.as_ref());
            let possible = offered.is_none_or(|options| options.iter().any(|option| option.value == condition.value));
            list.unless(
                possible && (target.is_some() || variable == "__model_type"),
                format_args!("field {}: show_on {variable} = {} can never hold", field.variable, condition.value),
            );
        }
    }
}

fn check_field(field: &CredentialField, list: &mut Problems) {
    let name = &field.variable;
    list.unless((1..=MAX_TEXT).contains(&name.len()), format_args!("field {name:?}: variable must be 1 to 255 bytes"));
    let default = field.default.as_deref();
    let short = default.is_none_or(|default| default.len() <= MAX_TEXT);
    list.unless(short, format_args!("field {name}: default must be at most 255 bytes"));
    list.unless(
        field.show_on.len() <= MAX_CONDITIONS,
        format_args!("field {name}: show_on has over {MAX_CONDITIONS} conditions"),
    );
    let options = field.options.as_deref().unwrap_or_default();
    list.unless(options.len() <= MAX_OPTIONS, format_args!("field {name}: there are over {MAX_OPTIONS} options"));
    for option in options {
        let value = &option.value;
        let fits = (1..=MAX_TEXT).contains(&value.len());
        list.unless(fits, format_args!("field {name}: option {value:?} must be 1 to 255 bytes"));
    }
    if matches!(field.r#type, FieldType::Select | FieldType::Radio) {
        list.unless(!options.is_empty(), format_args!("field {name}: there is nothing to choose"));
        let offered = default.is_none_or(|default| options.iter().any(|option| option.value == default));
        list.unless(offered, format_args!("field {name}: its default is not among the options"));
    }
}

fn check_assets(declaration: &Declaration, list: &mut Problems) {
    let assets: BTreeSet<&str> = declaration.assets().map(|(name, _)| name).collect();
    let manifest = &declaration.manifest;
    let icons = std::iter::once(manifest.icon.as_str()).chain(manifest.icon_dark.as_deref());
    let icons: BTreeSet<&str> = icons.chain(declaration.provider.icons()).collect();
    for icon in icons {
        list.unless(assets.contains(icon), format_args!("icon {icon:?} is not in _assets"));
    }
    let mut total = 0_usize;
    for (name, bytes) in declaration.assets() {
        list.unless(!name.is_empty(), "an asset has no name");
        list.unless(!bytes.is_empty(), format_args!("asset {name:?} is empty and would never arrive"));
        total += bytes.len();
    }
    list.unless(total.saturating_add(total / 3) <= MAX_ASSETS, "the assets are over 50 MiB together");
}

/// Lower-case letters, digits, `_` and `-`.
fn is_id(text: &str, longest: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    (1..=longest).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether `text` is a version to the daemon: `\d{1,4}(\.\d{1,4}){2}(-\w{1,16})?`
pub fn is_version(text: &str) -> bool {
    let (numbers, suffix) = text.split_once('-').map_or((text, None), |(numbers, suffix)| (numbers, Some(suffix)));
    let number = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let word = |part: &str| {
        (1..=16).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    numbers.split('.').count() == 3 && numbers.split('.').all(number) && suffix.is_none_or(word)
}
