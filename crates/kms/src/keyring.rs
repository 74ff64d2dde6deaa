use std::{sync::Arc, time::Duration};

use aws_sdk_kms::Client;
use jwt::Algorithm;
use tokio::{sync::RwLock, time::Instant};

use crate::{Fault, Key, KeyName, Ring, telemetry::Chain};

/// The ring as KMS has it, loaded again when it is due.
#[derive(Debug)]
pub struct Keyring {
    client: Client,
    name: KeyName,
    algorithm: Option<Algorithm>,
    refresh: Duration,
    held: RwLock<Option<Held>>,
}

#[derive(Debug, Clone)]
struct Held {
    ring: Result<Arc<Ring>, Fault>,
    /// Why KMS did not answer when it was last asked, though the ring serves on.
    failed: Option<Fault>,
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
    /// When there never was a ring, and when KMS says that there is none any more.
    pub async fn ring(&self) -> Result<Arc<Ring>, Fault> {
        if let Some(held) = &*self.held.read().await
            && Instant::now() < held.due
        {
            return held.ring.clone();
        }
        self.reload(|held| held.due).await.ring
    }

    /// The key of this id. An unknown one may be newer than the ring that is held, so KMS is asked
    /// again, though not more often than every 10 s: anybody can make up ids.
    ///
    /// # Errors
    /// As for [`Self::ring`], and when KMS could not be asked for an unknown key: nobody knows then
    /// that there is none.
    pub async fn find(&self, key_id: Option<&str>) -> Result<Option<Key>, Fault> {
        if let Some(key) = self.ring().await?.find(key_id) {
            return Ok(Some(key.clone()));
        }
        let held = self.reload(|held| held.asked + UNKNOWN_KEY_INTERVAL).await;
        match (held.ring?.find(key_id), held.failed) {
            (Some(key), _) => Ok(Some(key.clone())),
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(None),
        }
    }

    /// Asks KMS if the time that `next` names has come. Of several callers one asks, and the
    /// others take what it got.
    async fn reload(&self, next: impl Fn(&Held) -> Instant) -> Held {
        let mut held = self.held.write().await;
        if let Some(held) = &*held
            && Instant::now() < next(held)
        {
            return held.clone();
        }
        let loaded = self.load().await;
        let asked = Instant::now();
        let fresh = match loaded {
            Ok(ring) => {
                let due = asked + self.refresh;
                Held { ring: Ok(Arc::new(ring)), failed: None, asked, due }
            }
            Err(fault) => {
                tracing::warn!(error = %Chain(&fault), "the key ring could not be loaded");
                // Out of reach, the last good ring serves on. What KMS says counts at once.
                let last = held.as_ref().and_then(|held| held.ring.as_ref().ok());
                let last = last.filter(|_| fault.cause.is_transient()).cloned();
                let retry = if last.is_some() { RETRY_INTERVAL } else { FIRST_RETRY_INTERVAL };
                let due = asked + retry.min(self.refresh);
                Held { ring: last.ok_or_else(|| fault.clone()), failed: Some(fault), asked, due }
            }
        };
        held.insert(fresh).clone()
    }

    async fn load(&self) -> Result<Ring, Fault> {
        let answer = self.client.get_public_key().key_id(self.name.as_str()).send().await;
        let answer = answer.map_err(|error| Fault::of(LOAD, error))?;
        let current = Key::read(answer, self.algorithm)?;
        Ok(Ring { current, others: Vec::new() })
    }
}

const LOAD: &str = "GetPublicKey";
/// How often made-up key ids can make KMS be asked.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(10);
/// How soon a refresh that failed is tried again while the last ring serves.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// The same while there is no ring: until then requests fail at once and do not wait for KMS.
const FIRST_RETRY_INTERVAL: Duration = Duration::from_secs(1);
