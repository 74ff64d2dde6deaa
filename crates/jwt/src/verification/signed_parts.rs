use std::fmt;

use crate::Algorithm;

/// The parts of a token that a [`Verifier`](crate::Verifier) needs: a signature, the signed text,
/// and the key and algorithm that the token names.
pub struct SignedParts<'a> {
    /// `alg` of the header. The verifier must compare it with the algorithm of the key.
    pub algorithm: Algorithm,
    /// `kid` of the header. It is not verified: use it only to find one of the known keys.
    pub key_id: Option<String>,
    /// The encoded header and payload with the dot between them (RFC 7515 section 5.2, step 8).
    pub signing_input: &'a str,
    /// The decoded signature. For ECDSA, that is `r` and `s` at full width.
    pub signature: Vec<u8>,
}

/// Shows no part of the token except its algorithm.
impl fmt::Debug for SignedParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedParts").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
