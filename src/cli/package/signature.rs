//! Signatures in the plugin daemon's third-party format.
//!
//! The archive comment is `{"signature":"<base64>","time":<Unix seconds>}`. Signed (RSA, PKCS#1 v1.5, SHA-256) are
//! the SHA-256 sums of all files in archive order, then the time as decimal text. The last file is the added
//! `.verification.dify.json`. Source: Dify plugin daemon, `SignPluginWithPrivateKey` and
//! `VerifyPluginWithPublicKeys`.

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::archive::Entry;

/// The file a signer adds to say in whose name a package speaks.
pub(crate) const VERIFICATION: &str = ".verification.dify.json";

/// What a third party may claim: not Dify's own, not a partner's.
const COMMUNITY: &str = r#"{"authorized_category":"community"}"#;

#[derive(Serialize, Deserialize)]
struct Comment {
    signature: String,
    time: i64,
}

/// Adds the verification file to `entries` and returns the archive comment that signs them all at `time`.
///
/// `private_key` is PEM, `RSA PRIVATE KEY` (PKCS#1), 2048 to 4096 bits, as `dify signature generate` writes it.
///
/// # Errors
/// A key that cannot be used; the message never holds any of it.
pub(crate) fn sign(entries: &mut Vec<Entry>, private_key: &str, time: i64) -> anyhow::Result<String> {
    let der = decode_pem(private_key, "RSA PRIVATE KEY")?;
    let key = RsaKeyPair::from_der(&der).map_err(|error| anyhow::anyhow!("the private key is refused: {error}"))?;
    entries.push(Entry::file(VERIFICATION, COMMUNITY));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &signed_bytes(entries, time), &mut signature)
        .map_err(|_| anyhow::anyhow!("signing failed"))?;
    Ok(serde_json::to_string(&Comment { signature: STANDARD.encode(signature), time })?)
}

/// Checks the archive comment against `entries` with a PEM `RSA PUBLIC KEY` (PKCS#1); the time of signing is returned.
///
/// # Errors
/// No signature, another key's, or contents changed since.
pub(crate) fn verify(entries: &[Entry], comment: &str, public_key: &str) -> anyhow::Result<i64> {
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, decode_pem(public_key, "RSA PUBLIC KEY")?);
    ensure!(!comment.is_empty(), "the package is not signed");
    let comment: Comment = serde_json::from_str(comment).context("the archive comment is no signature")?;
    let signature = STANDARD.decode(&comment.signature).context("the signature is not base64")?;
    key.verify(&signed_bytes(entries, comment.time), &signature)
        .map_err(|_| anyhow::anyhow!("bad signature: signed with another key, or changed since"))?;
    Ok(comment.time)
}

fn signed_bytes(entries: &[Entry], time: i64) -> Vec<u8> {
    let mut bytes: Vec<u8> = entries.iter().flat_map(|entry| Sha256::digest(&entry.data)).collect();
    bytes.extend_from_slice(time.to_string().as_bytes());
    bytes
}

/// The one PEM block of `text`, which must be of the kind `label`: the daemon takes no other and nothing around it.
fn decode_pem(text: &str, label: &str) -> anyhow::Result<Vec<u8>> {
    let body = text
        .trim()
        .strip_prefix(&format!("-----BEGIN {label}-----"))
        .and_then(|rest| rest.strip_suffix(&format!("-----END {label}-----")));
    let Some(body) = body else {
        bail!("the key is not one PEM block of kind {label} (PKCS#1, as `dify signature generate` writes it)");
    };
    let base64: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(base64).map_err(|_| anyhow::anyhow!("the key's PEM block is not base64"))
}
