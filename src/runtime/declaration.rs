//! What the plugin declares of itself, and how it registers with a remote-debugging host.
//!
//! Installed packages are read by the host itself; over remote debugging the plugin sends the same data as lines.
//! The checks here are those of the Dify plugin daemon on that road, its strictest, so that a mistake is found when
//! the program starts (or in a test) and not in somebody's Dify.

mod checks;
mod manifest;
mod models;
mod provider;
mod registration;

pub use checks::{TAGS, is_version};
pub use manifest::{
    Enabled, Manifest, Meta, ModelPermission, Permission, Plugins, Resource, Runner, StoragePermission,
};
pub use models::{ModelFiles, Position, PredefinedModel};
pub use provider::{
    ConfigurateMethod, CredentialField, CredentialSchema, FieldType, ModelCredentialSchema, ModelNameField,
    ProviderForm, ProviderHelp,
};

use std::fmt;

/// The files a declaration is made of, as the program embeds them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// `manifest.yaml`.
    pub manifest: &'a str,
    /// The provider's YAML.
    pub provider: &'a str,
    /// Files of predefined models and their order: path in the package, content.
    pub models: &'a [(&'a str, &'a str)],
    /// Files of `_assets`: name without folder, content.
    pub assets: &'a [(&'a str, &'a [u8])],
}

/// A declaration that a host accepts.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// What the plugin is.
    pub manifest: Manifest,
    /// What its provider shows and asks for.
    pub provider: ProviderForm,
    /// The models it lists itself.
    pub models: Vec<PredefinedModel>,
    /// The order of those models.
    pub position: Option<Position>,
    assets: Vec<(String, Vec<u8>)>,
}

/// Why a declaration would be refused: one line per reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclarationError {
    /// Each names the file or field and the rule it breaks.
    pub problems: Vec<String>,
}

impl DeclarationError {
    fn unreadable(file: &str, error: &dyn fmt::Display) -> Self {
        Self { problems: vec![format!("{file} cannot be read: {error}")] }
    }
}

impl fmt::Display for DeclarationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for DeclarationError {}

impl Declaration {
    /// Reads and checks `sources`.
    ///
    /// # Errors
    ///
    /// When the manifest, the provider's YAML or a model file that the provider names cannot be read: the first of
    /// them, which for a model may be a parameter rule that cannot be used. Otherwise when a host would refuse the
    /// declaration: every reason.
    pub fn new(sources: Sources<'_>) -> Result<Self, DeclarationError> {
        let manifest: Manifest = serde_norway::from_str(sources.manifest)
            .map_err(|error| DeclarationError::unreadable("manifest.yaml", &error))?;
        let provider: ProviderForm = serde_norway::from_str(sources.provider)
            .map_err(|error| DeclarationError::unreadable("the provider's YAML", &error))?;
        let models::Merged { models, position } = models::merge(&provider, sources.models)?;
        let assets = sources.assets.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        let declaration = Self { manifest, provider, models, position, assets };
        let problems = checks::problems(&declaration);
        if problems.is_empty() { Ok(declaration) } else { Err(DeclarationError { problems }) }
    }

    /// The files of `_assets`, by name.
    pub fn assets(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.assets.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}

#[cfg(test)]
mod tests;
