//! Keys: Ed25519 key pairs for signing, and secrets derived from the fleet secret (RFC 5869).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use fault::Fault;
use hkdf::Hkdf;
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// 32 bytes for one `purpose`, derived from the fleet secret: the same everywhere in the fleet,
/// unrelated for different purposes.
///
/// # Errors
/// Never in practice: 32 bytes are within what HKDF can give.
pub fn derive_secret(secret: &SecretString, purpose: &str) -> fault::Result<[u8; 32]> {
    let mut derived = [0; 32];
    Hkdf::<Sha256>::new(None, secret.expose_secret().as_bytes())
        .expand(purpose.as_bytes(), &mut derived)
        .map_err(|_| Fault::internal("hkdf: output too long"))?;
    Ok(derived)
}

pub(crate) fn encoding_key(seed: &[u8; 32]) -> fault::Result<EncodingKey> {
    let document =
        SigningKey::from_bytes(seed).to_pkcs8_der().map_err(|_| Fault::internal("pkcs8 encoding"))?;
    Ok(EncodingKey::from_ed_der(document.as_bytes()))
}

/// The public key, base64url, as a JWK's `x`.
pub(crate) fn public_component(seed: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(seed).verifying_key().as_bytes())
}

pub(crate) fn decoding_key(public_component: &str) -> fault::Result<DecodingKey> {
    DecodingKey::from_ed_components(public_component).map_err(Fault::internal)
}
