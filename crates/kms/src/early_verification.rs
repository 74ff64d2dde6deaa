//! A verification with the key under the ring's alias, while the ring is loaded for the first time.

use std::time::{Duration, Instant};

use aws_sdk_kms::Client;
use jwt::SignedParts;
use tokio::task::JoinSet;

use crate::{
    KeyName, SuspendAwareInstant,
    message::{Message, to_kms_without_key},
    verify_request::{VerifyResult, verify_request},
};

/// A call to KMS Verify that starts before the key of the token is known.
///
/// KMS verifies with the key under the alias. Whether that is the key of the token is not known before the ring has
/// been loaded. So the response counts only if it names the key and the algorithm that the ring has for the
/// token, and only if the signature is valid. Otherwise the signature is verified with the key of the ring.
pub(crate) struct EarlyVerification {
    pub(crate) started_at: SuspendAwareInstant,
    /// The call, which is cancelled when the set is dropped.
    call: JoinSet<(VerifyResult, Duration)>,
}

impl EarlyVerification {
    /// Starts the call. `None` if it could not confirm the token: the token names no key, or KMS uses the name of
    /// the token's algorithm for another algorithm too, or the message depends on the key.
    pub(crate) fn start(client: &Client, name: &KeyName, parts: &SignedParts<'_>) -> Option<Self> {
        parts.key_id.as_ref()?;
        let signature = to_kms_without_key(parts.algorithm, &parts.signature)?;
        let message = Message::new(parts.signing_input.as_bytes(), parts.algorithm, None)?;
        let request = verify_request(client, name.as_str(), parts.algorithm, message, signature);
        let mut call = JoinSet::new();
        call.spawn(async move {
            let start = Instant::now();
            let result = Box::pin(request.send()).await;
            (result, start.elapsed())
        });
        Some(Self { started_at: SuspendAwareInstant::now(), call })
    }

    /// The response, and the duration of the call. `None`: the call did not finish.
    pub(crate) async fn finish(mut self) -> Option<(VerifyResult, Duration)> {
        self.call.join_next().await?.ok()
    }
}
