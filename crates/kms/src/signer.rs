use std::sync::Arc;

use aws_sdk_kms::operation::RequestId;
use jwt::{Signed, Signer, UnsignedToken};

use crate::{
    Cause, Fault, Keyring, Stopwatch,
    message::{Message, spec, to_jose},
    response::InvalidResponse,
};

/// Signs with KMS Sign and the ring's current key.
#[derive(Debug, Clone, Copy)]
pub struct KmsSigner<'a> {
    /// The ring that has the key.
    pub keyring: &'a Arc<Keyring>,
    /// Who is told how long KMS takes.
    pub stopwatch: &'a Stopwatch,
    /// A longer token is refused before KMS is asked, and so is one that is longer than
    /// [`Algorithm::max_token_bytes`](jwt::Algorithm::max_token_bytes). `None`: tokens of any length.
    pub max_token_bytes: Option<usize>,
}

impl Signer for KmsSigner<'_> {
    type Error = Fault;

    /// The key's ARN is sent, never the alias: should the alias move in this moment, `kid` and
    /// signature would be of two keys.
    async fn sign(&self, draft: &UnsignedToken) -> Result<Signed, Fault> {
        let ring = self.keyring.signing_ring().await?;
        let key = &ring.current;
        let input = draft.signing_input(key.algorithm, &key.id);
        if let Some(max) = self.max_token_bytes {
            let max = max.min(key.algorithm.max_token_bytes());
            let bytes = input.token_bytes(key.public.signature_bytes());
            if bytes > max {
                return Err(Fault::new("Sign", Cause::TokenTooLong { bytes, max }));
            }
        }
        let message = Message::new(input.as_bytes(), key.algorithm, &key.public)
            .ok_or_else(|| Fault::new("Sign", Cause::TooLong))?;
        let client = self.keyring.client();
        let request = client
            .sign()
            .key_id(&key.arn)
            .message(message.bytes)
            .message_type(message.kind)
            .signing_algorithm(spec(key.algorithm));
        let running = self.stopwatch.start();
        let answer = Box::pin(request.send()).await;
        drop(running);
        let answer = answer.map_err(|error| Fault::of("Sign", error))?;
        let receipt = answer.request_id().map(str::to_owned);
        let invalid = |problem| Fault::invalid("Sign", problem);
        key.expect_response(answer.key_id(), answer.signing_algorithm()).map_err(invalid)?;
        let signature =
            answer.signature.and_then(|signature| to_jose(&key.public, signature.as_ref()));
        let signature = signature.ok_or_else(|| invalid(InvalidResponse::Signature))?;
        Ok(Signed { token: input.into_token(&signature), key_id: key.id.clone(), receipt })
    }
}
