//! Rotation of the keys of a ring without losing a token.
//!
//! A ring has three aliases: `alias/NAME` is the current key, which signs, `alias/NAME-next` the key that is
//! published and will sign, `alias/NAME-previous` the key that has signed and whose tokens may not have expired.
//! Between rotations, all three point at one key. [`plan`] derives the next step and its time from nothing but the
//! state of the aliases. Each step can be repeated, and interrupted between any two calls:
//!
//! | step | effect | when |
//! |---|---|---|
//! | complete | creates a missing `-next` or `-previous` at the current key | at once |
//! | prepare | creates a key and points `-next` at it | the current key is old enough, or an operator starts it |
//! | promote | points `alias/NAME` at the next key | the next key was published for long enough |
//! | retire | disables the previous key, schedules its deletion, and points `-previous` at the current key | the previous key's last token has expired |
//!
//! A run points `-next` only at a key that it created itself. Each run audits the keys: whether they were created
//! for the ring, and whether grants let others sign with them.
//!
//! | item | purpose |
//! |---|---|
//! | [`run_once`] | reads, audits, plans and performs one step; start here |
//! | [`Rotation`] | a ring in KMS: [`read_state`](Rotation::read_state), [`audit`](Rotation::audit), [`execute`](Rotation::execute), [`roll_back`](Rotation::roll_back), [`create`](Rotation::create) |
//! | [`plan`], [`Plan`], [`Step`], [`Obstacle`] | the next step, or why none is possible |
//! | [`RotationConfig`], [`RotationTiming`] | when a rotation begins, and the waits between its steps |
//! | [`RotationOptions`] | how a deployment changes what the steps do with the keys |
//! | [`Finding`], [`Leftover`] | what the audit found, and keys that interrupted runs may have created |
//! | [`list`] | the keys of all rings of an account and Region |
//!
//! # Example
//!
//! This program creates a ring in a KMS on the same machine and starts a rotation. With AWS, the client is
//! `aws_sdk_kms::Client::new(&aws_config::load_from_env().await)`.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign_rotation::{Rotation, RotationConfig, RotationTiming, run_once};
//! use jwt::UnixTime;
//!
//! # async fn start() -> Result<(local::kms::Kms, kms::Client), Box<dyn std::error::Error>> {
//! #     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! #     let kms = local::kms::Kms::start(listener, "us-east-1", None)?;
//! #     let mut settings: runtime::Settings = [
//! #         ("AWS_REGION", "us-east-1".to_owned()),
//! #         ("AWS_ACCESS_KEY_ID", "local".to_owned()),
//! #         ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
//! #         ("AWS_ENDPOINT_URL_KMS", format!("http://{}", kms.address())),
//! #     ]
//! #     .map(|(name, value)| (name.to_owned(), value))
//! #     .into_iter()
//! #     .collect();
//! #     let client = runtime::connect(&mut settings).ok_or("invalid settings")?;
//! #     Ok((kms, client))
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (_kms, client) = start().await?;
//! let rotation = Rotation::new(client, "alias/countersign".parse()?);
//! rotation.create(&"ECC_NIST_P256".into(), None).await?;
//!
//! let (publication, lifetime_max) = (Duration::from_mins(150), Duration::from_hours(1));
//! let timing =
//!     RotationTiming::new(publication, lifetime_max, Duration::ZERO, Duration::from_mins(5))?;
//! let config = RotationConfig::on_request(timing);
//! let now = UnixTime::from_seconds(1_800_000_000);
//! let result = run_once(&rotation, &config, now).await?;
//! assert_eq!(result.done.map(|(step, _)| step.name()), Some("prepare"));
//! let next = result.next?;
//! assert_eq!((next.step.name(), next.due), ("promote", now.after(publication)));
//! # Ok(())
//! # }
//! ```

mod account;
mod audit;
mod creation;
mod error;
mod execute;
mod inventory;
mod key_metadata;
mod key_policy;
mod leftover;
mod obstacle;
mod options;
mod plan;
mod ring_name;
mod rollback;
mod rotation;
mod run;
mod single_attempt;
mod snapshot;
mod state;
mod tags;
mod timing;

pub use audit::Finding;
pub use error::RotationError;
pub use inventory::{KeyRole, RingKey, list};
pub use key_metadata::{KeyMetadata, KeyState};
pub use leftover::Leftover;
pub use obstacle::Obstacle;
pub use options::RotationOptions;
pub use plan::{Plan, RotationConfig, Step, plan};
pub use ring_name::{RingName, RingNameError};
pub use rotation::Rotation;
pub use run::{RotationRun, run_once};
pub use snapshot::Snapshot;
pub use state::{AliasTarget, RingState};
pub use timing::{RotationTiming, TimingError};
