//! The number of calls to KMS Sign.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use local::{
    Bytes, Request, Response,
    kms::{Interceptor, Kms},
};

/// Counts the calls of Sign that reach a local KMS.
#[derive(Default)]
pub(super) struct Signatures {
    for_clients: AtomicU64,
    for_others: AtomicU64,
}

impl Signatures {
    pub(super) fn count(kms: &Kms) -> Arc<Self> {
        let signatures = Arc::<Self>::default();
        kms.set_interceptor(Some(Arc::clone(&signatures) as Arc<dyn Interceptor>));
        signatures
    }

    /// Those of the function of the token endpoint.
    pub(super) fn for_clients(&self) -> u64 {
        self.for_clients.load(Ordering::SeqCst)
    }

    /// Those of the function of `/token`.
    pub(super) fn for_others(&self) -> u64 {
        self.for_others.load(Ordering::SeqCst)
    }
}

impl Interceptor for Signatures {
    fn intercept<'a>(
        &'a self,
        request: &'a Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Option<Response<Bytes>>> + Send + 'a>> {
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        if header("x-amz-target") == "TrentService.Sign" {
            // The access key of a local function is its name.
            let is_for_client = header("authorization").contains("Credential=OAuthIssuer/");
            let count = if is_for_client { &self.for_clients } else { &self.for_others };
            count.fetch_add(1, Ordering::SeqCst);
        }
        Box::pin(async { None })
    }
}
