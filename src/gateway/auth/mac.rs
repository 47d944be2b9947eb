//! HMAC over a string, in Base64.

use super::HmacAlgorithm;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};

/// The HMAC of `text` under `secret` (its UTF-8 bytes), in standard Base64 with padding.
pub fn hmac_base64(algorithm: HmacAlgorithm, secret: &SecretString, text: &[u8]) -> String {
    let key = secret.expose_secret().as_bytes();
    match algorithm {
        HmacAlgorithm::Sha256 => mac::<Hmac<sha2::Sha256>>(key, text),
        HmacAlgorithm::Sha1 => mac::<Hmac<sha1::Sha1>>(key, text),
        HmacAlgorithm::Sha512 => mac::<Hmac<sha2::Sha512>>(key, text),
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> String {
    // HMAC takes keys of every length: RFC 2104, section 2.
    <M as KeyInit>::new_from_slice(key)
        .map(|mac| STANDARD.encode(mac.chain_update(text).finalize().into_bytes()))
        .unwrap_or_default()
}
