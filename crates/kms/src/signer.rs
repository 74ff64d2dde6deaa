//! Signing with KMS Sign.

use std::sync::Arc;

use aws_sdk_kms::operation::RequestId;
use jwt::{Signed, Signer, UnsignedToken};

use crate::{
    Cause, Fault, Keyring, RequestMetrics,
    message::{Message, signing_algorithm, to_jose},
    response::InvalidResponse,
};

/// A [`Signer`] that signs with KMS Sign and the ring's current key.
#[derive(Debug, Clone, Copy)]
pub struct KmsSigner<'a> {
    /// The ring.
    pub keyring: &'a Arc<Keyring>,
    /// Measures the call to Sign.
    pub metrics: &'a RequestMetrics,
    /// The longest token to sign, in bytes; [`Algorithm::max_token_bytes`](jwt::Algorithm::max_token_bytes) also
    /// applies. A longer token fails with [`Cause::TokenTooLong`] without a call to KMS. `None`: no limit.
    pub max_token_bytes: Option<usize>,
}

impl Signer for KmsSigner<'_> {
    type Error = Fault;

    /// Sends the key ARN and not the alias: if the alias moves at this moment, `kid` still names the key that
    /// signs.
    async fn sign(&self, unsigned: &UnsignedToken) -> Result<Signed, Fault> {
        let ring = self.keyring.signing_ring().await?;
        let key = &ring.current;
        let input = unsigned.signing_input(key.algorithm, &key.id);
        if let Some(max) = self.max_token_bytes {
            let max = max.min(key.algorithm.max_token_bytes());
            let bytes = input.token_bytes(key.public.signature_bytes());
            if bytes > max {
                return Err(Fault::new("Sign", Cause::TokenTooLong { bytes, max }));
            }
        }
        let message = Message::new(input.as_bytes(), key.algorithm, Some(&key.public))
            .ok_or_else(|| Fault::new("Sign", Cause::TooLong))?;
        let client = self.keyring.client();
        let request = client
            .sign()
            .key_id(&key.arn)
            .message(message.bytes)
            .message_type(message.kind)
            .signing_algorithm(signing_algorithm(key.algorithm));
        let timer = self.metrics.start_call();
        let output = Box::pin(request.send()).await;
        drop(timer);
        let output = output.map_err(|error| Fault::from_sdk_error("Sign", error))?;
        let receipt = output.request_id().map(str::to_owned);
        let invalid = |problem| Fault::invalid_response("Sign", problem);
        key.expect_response(output.key_id(), output.signing_algorithm()).map_err(invalid)?;
        let signature =
            output.signature.and_then(|signature| to_jose(&key.public, signature.as_ref()));
        let signature = signature.ok_or_else(|| invalid(InvalidResponse::Signature))?;
        Ok(Signed { token: input.into_token(&signature), key_id: key.id.clone(), receipt })
    }
}
