//! Public keys and certificates in PEM.

use base64::{Engine, engine::general_purpose::STANDARD};
use jwt::{Algorithm, Jwk, PublicKey, SignedParts};

use crate::exit::with_causes;

/// A PEM block that has no key that can verify tokens.
#[derive(Debug, Clone, thiserror::Error)]
#[error("PEM block {number} cannot be used: {reason}")]
pub(crate) struct UnusableBlock {
    /// The position in the file, from 1.
    number: usize,
    key_id: Option<String>,
    algorithm: Option<Algorithm>,
    reason: String,
}

impl UnusableBlock {
    /// Whether the key of the block may have made the signature of a token.
    pub(crate) fn may_be_key_of(&self, signed: &SignedParts<'_>) -> bool {
        let has_id = match (&self.key_id, &signed.key_id) {
            (Some(own), Some(id)) => own == id,
            _ => true,
        };
        has_id && self.algorithm.is_none_or(|own| own == signed.algorithm)
    }
}

/// The line before a key, which has its id and its algorithm.
pub(crate) fn title(key_id: &str, algorithm: Algorithm) -> String {
    format!("{key_id} {algorithm}")
}

fn read_title(line: &str) -> Option<(String, Algorithm)> {
    let (key_id, algorithm) = line.split_once(' ')?;
    Some((key_id.to_owned(), Algorithm::from_name(algorithm)?))
}

/// Reads each public key and certificate of a PEM file (RFC 7468). The line before a key may be its [`title`].
///
/// # Errors
/// If a key is private. Its publication is a mistake that must be noticed.
pub(crate) fn parse(text: &str) -> Result<(Vec<Jwk>, Vec<UnusableBlock>), String> {
    let (mut keys, mut unusable) = (Vec::new(), Vec::new());
    let mut lines = text.lines().map(str::trim).peekable();
    let (mut before, mut number) = ("", 0);
    while let Some(line) = lines.next() {
        let label = line.strip_prefix(BEGIN).and_then(|line| line.strip_suffix("-----"));
        let Some(label) = label else {
            before = line;
            continue;
        };
        number += 1;
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        while let Some(line) = lines.next_if(|line| *line != end && !line.starts_with(BEGIN)) {
            body.push_str(line);
        }
        let is_complete = lines.next_if(|line| *line == end).is_some();
        if label.ends_with("PRIVATE KEY") {
            let problem = "it is a private key, but only public keys are allowed";
            return Err(format!("PEM block {number}: {problem}"));
        }
        let (key_id, algorithm) = read_title(before).unzip();
        before = "";
        let key = if is_complete { read(label, &body) } else { Err(format!("{end} is missing")) };
        match key {
            Ok(key) => keys.push(Jwk { key_id, algorithm, ..Jwk::new(key) }),
            Err(reason) => unusable.push(UnusableBlock { number, key_id, algorithm, reason }),
        }
    }
    if number == 0 { Err("there is no PEM block".into()) } else { Ok((keys, unusable)) }
}

fn read(label: &str, body: &str) -> Result<PublicKey, String> {
    let der = STANDARD.decode(body).map_err(|_| "it is not base64")?;
    PublicKey::from_pem_block(label, &der)
        .ok_or_else(|| format!("{label:?} is not supported, only {}", PublicKey::PEM_LABELS))?
        .map_err(|error| with_causes(&error))
}

/// How a block begins.
pub(crate) const BEGIN: &str = "-----BEGIN ";
