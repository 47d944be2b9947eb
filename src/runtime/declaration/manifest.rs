//! `manifest.yaml`: what the plugin is.

use super::super::entities::I18n;
use serde::{Deserialize, Serialize};

/// The manifest. Serialised it is what the `dify_plugin` SDK sends; keys that only packages use are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `X.Y.Z`, perhaps with `-suffix`.
    pub version: String,
    /// Always `plugin`.
    pub r#type: String,
    /// Part of the plugin's identity.
    pub author: String,
    /// Part of the plugin's identity.
    pub name: String,
    /// Where its source is.
    #[serde(default)]
    pub repo: Option<String>,
    /// What it does.
    pub description: I18n,
    /// An asset.
    pub icon: String,
    /// An asset, for dark backgrounds.
    #[serde(default)]
    pub icon_dark: Option<String>,
    /// What it is called.
    pub label: I18n,
    /// RFC 3339, with a zone.
    pub created_at: String,
    /// What it needs.
    pub resource: Resource,
    /// What it is made of.
    pub plugins: Plugins,
    /// How it runs.
    pub meta: Meta,
    /// For Dify's marketplace.
    #[serde(default, skip_serializing)]
    pub tags: Vec<String>,
    /// The privacy text's file or address.
    #[serde(default, skip_serializing)]
    pub privacy: Option<String>,
    /// An e-mail address, for Dify's marketplace.
    #[serde(default, skip_serializing)]
    pub contact: Option<String>,
}

/// What a plugin needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// In bytes.
    pub memory: u64,
    /// What it may ask Dify for.
    #[serde(default)]
    pub permission: Option<Permission>,
}

/// What a plugin may ask Dify for. A model plugin is refused whatever it asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permission {
    /// Calling tools.
    pub tool: Option<Enabled>,
    /// Calling models.
    pub model: Option<ModelPermission>,
    /// Calling workflow nodes.
    pub node: Option<Enabled>,
    /// Registering endpoints.
    pub endpoint: Option<Enabled>,
    /// Calling apps.
    pub app: Option<Enabled>,
    /// Keeping data in Dify.
    pub storage: Option<StoragePermission>,
}

/// A permission that is given or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enabled {
    /// Whether it is given.
    pub enabled: bool,
}

/// Which models may be called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "the wire has one flag per kind of model")]
pub struct ModelPermission {
    /// Whether any.
    pub enabled: bool,
    /// Text models.
    pub llm: bool,
    /// Embedding models.
    pub text_embedding: bool,
    /// Rerank models.
    pub rerank: bool,
    /// Speech synthesis.
    pub tts: bool,
    /// Speech recognition.
    pub speech2text: bool,
    /// Moderation models.
    pub moderation: bool,
}

/// How much data may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoragePermission {
    /// Whether any.
    pub enabled: bool,
    /// In bytes, 1 KiB to 1 GiB.
    pub size: u64,
}

impl Default for StoragePermission {
    fn default() -> Self {
        Self { enabled: false, size: 1024 * 1024 }
    }
}

/// Files of the parts a plugin is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// Tool providers.
    pub tools: Vec<String>,
    /// Model providers.
    pub models: Vec<String>,
    /// Endpoint groups.
    pub endpoints: Vec<String>,
    /// Agent strategies.
    pub agent_strategies: Vec<String>,
    /// Data sources.
    pub datasources: Vec<String>,
    /// Triggers.
    pub triggers: Vec<String>,
}

/// How a plugin runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// Of the manifest's own format.
    pub version: String,
    /// `amd64`, `arm64`.
    pub arch: Vec<String>,
    /// What starts it.
    pub runner: Runner,
    /// The oldest Dify that can run it.
    #[serde(default)]
    pub minimum_dify_version: Option<String>,
}

/// What starts a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    /// The daemon knows `python` only.
    pub language: String,
    /// Of the language.
    pub version: String,
    /// The module that is run.
    pub entrypoint: String,
}
