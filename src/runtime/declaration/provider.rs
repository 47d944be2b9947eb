//! The provider's YAML: what Dify shows of it and which form it fills in.

use super::super::entities::{FormOption, I18n, ModelType, ShowOn};
use super::models::ModelFiles;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The provider as its YAML has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderForm {
    /// Its id within the plugin.
    pub provider: String,
    /// What it is called.
    pub label: I18n,
    /// What it offers.
    #[serde(default)]
    pub description: Option<I18n>,
    /// Names of assets.
    #[serde(default)]
    pub icon_small: Option<I18n>,
    /// Names of assets.
    #[serde(default)]
    pub icon_large: Option<I18n>,
    /// Names of assets.
    #[serde(default)]
    pub icon_small_dark: Option<I18n>,
    /// Names of assets.
    #[serde(default)]
    pub icon_large_dark: Option<I18n>,
    /// A CSS colour.
    #[serde(default)]
    pub background: Option<String>,
    /// Where to read more.
    #[serde(default)]
    pub help: Option<ProviderHelp>,
    /// What it serves.
    pub supported_model_types: Vec<ModelType>,
    /// How its models come to be.
    pub configurate_methods: Vec<ConfigurateMethod>,
    /// Files of predefined models.
    #[serde(default)]
    pub models: BTreeMap<String, ModelFiles>,
    /// The form of the provider as a whole.
    #[serde(default)]
    pub provider_credential_schema: Option<CredentialSchema>,
    /// The form of one model.
    #[serde(default)]
    pub model_credential_schema: Option<ModelCredentialSchema>,
    /// What only the Python SDK reads.
    #[serde(default)]
    pub extra: Option<serde_json::Value>,
}

/// Where to read more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderHelp {
    /// The link's text.
    pub title: I18n,
    /// The link.
    pub url: I18n,
}

/// How models come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigurateMethod {
    /// The plugin lists them.
    PredefinedModel,
    /// People add them.
    CustomizableModel,
}

/// A form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialSchema {
    /// Its fields, in the order they are shown.
    pub credential_form_schemas: Vec<CredentialField>,
}

/// The form of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCredentialSchema {
    /// The field of the model's name.
    pub model: ModelNameField,
    /// The other fields, in the order they are shown.
    pub credential_form_schemas: Vec<CredentialField>,
}

/// The field of the model's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelNameField {
    /// What it is called.
    pub label: I18n,
    /// Shown while it is empty.
    #[serde(default)]
    pub placeholder: Option<I18n>,
}

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialField {
    /// The credential it fills.
    pub variable: String,
    /// What it is called.
    pub label: I18n,
    /// How it is filled in.
    pub r#type: FieldType,
    /// Whether it must be filled in; it must, unless the YAML says no.
    #[serde(default = "yes")]
    pub required: bool,
    /// What it holds until a person changes it.
    #[serde(default)]
    pub default: Option<String>,
    /// What a select offers.
    #[serde(default)]
    pub options: Option<Vec<FormOption>>,
    /// Shown while it is empty.
    #[serde(default)]
    pub placeholder: Option<I18n>,
    /// 0 is no limit.
    #[serde(default)]
    pub max_length: u32,
    /// All must hold for it to be shown and kept.
    #[serde(default)]
    pub show_on: Vec<ShowOn>,
    /// What a person should know. The SDK drops it; hosts take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<I18n>,
    /// Where to read more. The SDK drops it; hosts take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<I18n>,
}

const fn yes() -> bool {
    true
}

/// How a field is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldType {
    /// A text.
    TextInput,
    /// A text that is stored encrypted and shown masked.
    SecretInput,
    /// One of some options, as a list.
    Select,
    /// One of some options, as buttons.
    Radio,
    /// On or off.
    Switch,
}

impl ProviderForm {
    /// The fields of both forms.
    pub fn fields(&self) -> impl Iterator<Item = &CredentialField> {
        let provider = self.provider_credential_schema.iter().flat_map(|schema| &schema.credential_form_schemas);
        provider.chain(self.model_credential_schema.iter().flat_map(|schema| &schema.credential_form_schemas))
    }

    /// Names of the assets it shows, in every language.
    pub fn icons(&self) -> impl Iterator<Item = &str> {
        let icons = [&self.icon_small, &self.icon_large, &self.icon_small_dark, &self.icon_large_dark];
        icons.into_iter().flatten().flat_map(|icon| icon.languages().map(|(_, name)| name))
    }
}
