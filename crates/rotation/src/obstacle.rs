//! States of a ring in which no step is possible.

use jwt::Algorithm;

use crate::KeyState;

/// Why no step is possible until an operator corrects the state of the ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// A key of the ring does not sign tokens.
    #[error(
        "{alias} points at {id}, a key of KeySpec {spec}, which does not sign tokens: point the alias at a \
         signing key"
    )]
    UnsupportedKey {
        /// The alias that points at the key.
        alias: &'static str,
        /// The key id.
        id: String,
        /// The `KeySpec`.
        spec: String,
    },
    /// A key of the ring is not enabled.
    #[error(
        "{alias} points at {id}, which is {state}: enable it, or point the alias at another key of the ring"
    )]
    NotEnabled {
        /// The alias that points at the key.
        alias: &'static str,
        /// The key id.
        id: String,
        /// The state of the key.
        state: KeyState,
    },
    /// The configured algorithm is not one of the key's, so the functions would not start with the key.
    #[error(
        "a key of KeySpec {spec} does not sign with {algorithm}: change SIGNING_ALGORITHM or the KeySpec"
    )]
    UnsupportedAlgorithm {
        /// The `KeySpec` of the key.
        spec: String,
        /// The configured algorithm.
        algorithm: Algorithm,
    },
    /// Keys of the `KeySpec` for the next key do not sign tokens.
    #[error(
        "a key of KeySpec {spec} does not sign tokens: choose another KeySpec for the next key"
    )]
    UnsupportedSpec {
        /// The `KeySpec`.
        spec: String,
    },
    /// `-next` and `-previous` point at one key, and `alias/NAME` at another. No step leads to this state.
    #[error(
        "the ring's alias points at {current}, but -next and -previous both point at {other}: if an operator \
         moved the ring's alias on purpose, move -previous to {current}, otherwise move the ring's alias back to \
         {other} and find out who moved it"
    )]
    NextIsPrevious {
        /// The current key.
        current: String,
        /// The key under the other two aliases.
        other: String,
    },
    /// `CreateKey` alone cannot create a key like the current one.
    #[error(
        "{id} is a multi-Region key, or KMS did not generate its key material: create the next key \
         yourself and point -next at it"
    )]
    NotReproducible {
        /// The id of the current key.
        id: String,
    },
}
