use std::{sync::Arc, time::Duration};

use aws_sdk_kms::Client;
use jwt::Algorithm;
use tokio::{sync::RwLock, time::Instant};

use crate::{Fault, Key, KeyName, Ring};

/// The ring as KMS has it, loaded again when it is due.
#[derive(Debug)]
pub struct Keyring {
    client: Client,
    name: KeyName,
    algorithm: Option<Algorithm>,
    refresh: Duration,
    held: RwLock<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    ring: Arc<Ring>,
    /// When KMS was last asked, whatever it answered.
    asked: Instant,
    due: Instant,
}

impl Keyring {
    /// A ring that is loaded when it is first asked for. The algorithm is the signing key's; none
    /// is the usual one of its kind.
    #[must_use]
    pub fn new(
        client: Client,
        name: KeyName,
        algorithm: Option<Algorithm>,
        refresh: Duration,
    ) -> Self {
        Self { client, name, algorithm, refresh, held: RwLock::new(None) }
    }

    /// The ring, not older than the refresh interval, or as old as KMS is out of reach.
    ///
    /// # Errors
    /// When there never was a ring.
    pub async fn ring(&self) -> Result<Arc<Ring>, Fault> {
        if let Some(held) = &*self.held.read().await
            && Instant::now() < held.due
        {
            return Ok(Arc::clone(&held.ring));
        }
        self.reload(|held| held.due).await
    }

    /// The key of this id. An unknown one may be newer than the ring that is held, so KMS is asked
    /// again, though not more often than every 10 s: anybody can make up ids.
    ///
    /// # Errors
    /// When there never was a ring.
    pub async fn find(&self, key_id: Option<&str>) -> Result<Option<Key>, Fault> {
        if let Some(key) = self.ring().await?.find(key_id) {
            return Ok(Some(key.clone()));
        }
        let ring = self.reload(|held| held.asked + UNKNOWN_KEY_INTERVAL).await?;
        Ok(ring.find(key_id).cloned())
    }

    /// Asks KMS if the time that `next` names has come. Of several callers one asks, and the
    /// others take what it got.
    async fn reload(&self, next: impl Fn(&Held) -> Instant) -> Result<Arc<Ring>, Fault> {
        let mut held = self.held.write().await;
        if let Some(held) = &*held
            && Instant::now() < next(held)
        {
            return Ok(Arc::clone(&held.ring));
        }
        let loaded = self.load().await;
        let asked = Instant::now();
        match (loaded, &mut *held) {
            (Ok(ring), held) => {
                let ring = Arc::new(ring);
                *held = Some(Held { ring: Arc::clone(&ring), asked, due: asked + self.refresh });
                Ok(ring)
            }
            (Err(fault), Some(held)) => {
                tracing::warn!(cause = fault.cause.code(), "the key ring could not be refreshed");
                held.asked = asked;
                held.due = asked + RETRY_INTERVAL.min(self.refresh);
                Ok(Arc::clone(&held.ring))
            }
            (Err(fault), None) => Err(fault),
        }
    }

    async fn load(&self) -> Result<Ring, Fault> {
        let answer = self.client.get_public_key().key_id(self.name.as_str()).send().await;
        let answer = answer.map_err(|error| Fault::of("GetPublicKey", error))?;
        let current = Key::read(answer, self.algorithm)?;
        Ok(Ring { current, others: Vec::new() })
    }
}

/// How often made-up key ids can make KMS be asked.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(10);
/// How soon a refresh that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
