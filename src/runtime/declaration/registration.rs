//! The messages with which a plugin registers at a remote-debugging host.

use super::super::entities::{I18n, ModelType};
use super::{
    ConfigurateMethod, CredentialSchema, Declaration, ModelCredentialSchema, Position, PredefinedModel, ProviderHelp,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// The most raw bytes of a file in one message, as the SDK cuts them.
const CHUNK: usize = 8192;

#[derive(Serialize)]
struct Message<T> {
    r#type: &'static str,
    data: T,
}

fn message(r#type: &'static str, data: impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Message { r#type, data })
}

impl Declaration {
    /// Everything a remote-debugging host must read before the first heartbeat, one message per item, without
    /// newlines: handshake, manifest, model provider, assets, `end`. `key` is the debugging key.
    ///
    /// An item is an error only if its data cannot be written as JSON, which a checked declaration can.
    pub fn registration<'a>(
        &'a self,
        key: &'a str,
    ) -> impl Iterator<Item = Result<String, serde_json::Error>> + Send + use<'a> {
        #[derive(Serialize)]
        struct Handshake<'a> {
            key: &'a str,
        }
        #[derive(Serialize)]
        struct Empty {}
        std::iter::once_with(move || message("handshake", Handshake { key }))
            .chain(std::iter::once_with(|| message("manifest_declaration", &self.manifest)))
            .chain(std::iter::once_with(|| message("model_declaration", [ProviderData::new(self)])))
            .chain(self.assets().flat_map(|(name, bytes)| asset_chunks(name, bytes)))
            .chain(std::iter::once_with(|| message("end", Empty {})))
    }
}

/// A file in pieces; none for an empty one, whose piece the host would refuse.
fn asset_chunks<'a>(
    filename: &'a str,
    bytes: &'a [u8],
) -> impl Iterator<Item = Result<String, serde_json::Error>> + Send + use<'a> {
    #[derive(Serialize)]
    struct Chunk<'a> {
        filename: &'a str,
        data: String,
        end: bool,
    }
    let pieces = bytes.len().div_ceil(CHUNK);
    bytes.chunks(CHUNK).zip(1..).map(move |(piece, number)| {
        message("asset_chunk", Chunk { filename, data: STANDARD.encode(piece), end: number == pieces })
    })
}

/// The provider with its models put in, in the SDK's field order.
#[derive(Serialize)]
struct ProviderData<'a> {
    #[serde(rename = "provider")]
    id: &'a str,
    label: &'a I18n,
    description: Option<&'a I18n>,
    icon_small: Option<&'a I18n>,
    icon_large: Option<&'a I18n>,
    icon_small_dark: Option<&'a I18n>,
    icon_large_dark: Option<&'a I18n>,
    background: Option<&'a str>,
    help: Option<&'a ProviderHelp>,
    supported_model_types: &'a [ModelType],
    configurate_methods: &'a [ConfigurateMethod],
    models: &'a [PredefinedModel],
    provider_credential_schema: Option<&'a CredentialSchema>,
    model_credential_schema: Option<&'a ModelCredentialSchema>,
    position: Option<&'a Position>,
}

impl<'a> ProviderData<'a> {
    fn new(declaration: &'a Declaration) -> Self {
        let form = &declaration.provider;
        Self {
            id: &form.provider,
            label: &form.label,
            description: form.description.as_ref(),
            icon_small: form.icon_small.as_ref(),
            icon_large: form.icon_large.as_ref(),
            icon_small_dark: form.icon_small_dark.as_ref(),
            icon_large_dark: form.icon_large_dark.as_ref(),
            background: form.background.as_deref(),
            help: form.help.as_ref(),
            supported_model_types: &form.supported_model_types,
            configurate_methods: &form.configurate_methods,
            models: &declaration.models,
            provider_credential_schema: form.provider_credential_schema.as_ref(),
            model_credential_schema: form.model_credential_schema.as_ref(),
            position: declaration.position.as_ref(),
        }
    }
}
