//! What Dify is told of the plugin when it registers over a socket. From a package Dify reads the same files itself.

use crate::runtime::declaration::{Declaration, DeclarationError, Sources};

/// The manifest, the provider's form and the icons, as they were when the program was built.
///
/// # Errors
///
/// When they would be refused by a host; a test keeps that from happening.
pub fn declaration() -> Result<Declaration, DeclarationError> {
    Declaration::new(Sources {
        manifest: include_str!("../../manifest.yaml"),
        provider: include_str!("../../provider/higress.yaml"),
        models: &[],
        assets: &[
            ("icon.svg", include_bytes!("../../_assets/icon.svg")),
            ("icon-dark.svg", include_bytes!("../../_assets/icon-dark.svg")),
        ],
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_host_accepts_the_declaration() {
        let declaration = super::declaration().expect("no host would refuse it");
        assert!((16..=32).contains(&declaration.provider.fields().count()));
    }
}
