//! Arguments that several commands have.

use clap::Args;
use jwt::Algorithm;
use kms::KeySpec;
use rotation::{RingName, RotationConfig};
use runtime::{Settings, table};

use crate::{aws::Aws, exit::UsageError};

/// The ring that a command is about.
#[derive(Args)]
pub(crate) struct Ring {
    /// Alias of the ring: alias/NAME. The ring also has alias/NAME-next and alias/NAME-previous
    pub(super) alias: RingName,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) aws: Aws,
}

/// The settings that decide when a step is safe. They must be those of the deployed functions.
#[derive(Args)]
pub(crate) struct TimingArgs {
    /// Time from the publication of a key to its first signature (`PUBLICATION_WAIT_SECONDS`, default 9000)
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    publication_wait: Option<String>,
    /// Maximum lifetime of a token (`TOKEN_LIFETIME_MAX_SECONDS`, default 3600)
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    token_lifetime_max: Option<String>,
    /// Clock leeway of the authorizer (`CLOCK_LEEWAY_SECONDS`, default 0)
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    clock_leeway: Option<String>,
    /// Interval at which the functions refresh the ring (`KEY_REFRESH_SECONDS`, default 300)
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    key_refresh: Option<String>,
    /// Signature algorithm of the functions, if it is set (`SIGNING_ALGORITHM`)
    #[arg(long, value_name = "ALG", help_heading = HEADING)]
    signing_algorithm: Option<String>,
    /// Key of the stack, which is disabled but not deleted when it is retired (`RETAINED_KEY_ID`)
    #[arg(long, value_name = "KEY_ID", env = "RETAINED_KEY_ID", help_heading = HEADING)]
    retained_key: Option<String>,
}

const HEADING: &str = "Settings of the functions (without an option, from the environment)";

impl TimingArgs {
    pub(super) fn retained_key(&self) -> Option<String> {
        self.retained_key.clone().filter(|key| !key.is_empty())
    }

    /// The configuration of a rotation without a schedule, with `spec` for the next key.
    pub(super) fn rotation_config(
        &self,
        spec: Option<KeySpec>,
    ) -> Result<RotationConfig, UsageError> {
        let options = [
            ("PUBLICATION_WAIT_SECONDS", &self.publication_wait),
            ("TOKEN_LIFETIME_MAX_SECONDS", &self.token_lifetime_max),
            ("CLOCK_LEEWAY_SECONDS", &self.clock_leeway),
            ("KEY_REFRESH_SECONDS", &self.key_refresh),
            ("SIGNING_ALGORITHM", &self.signing_algorithm),
        ];
        let options = options.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let mut settings = options.fold(Settings::from_environment(), |settings, (name, value)| {
            settings.with(name, value)
        });
        let algorithm: Option<Option<Algorithm>> = settings.optional(&table::SIGNING_ALGORITHM);
        let parts = rotator::read_timing(&mut settings).zip(algorithm);
        let (timing, algorithm) =
            settings.finish(parts).map_err(|error| UsageError(error.to_string()))?;
        Ok(RotationConfig { every: None, timing, algorithm, spec })
    }
}

/// Parses the `KeySpec` of a key that can sign tokens.
pub(super) fn signing_key_spec(name: &str) -> Result<KeySpec, String> {
    let spec = KeySpec::from(name);
    if kms::algorithms(&spec).is_empty() {
        return Err("must be a KeySpec that signs tokens, such as RSA_2048 or ECC_NIST_P256".into());
    }
    Ok(spec)
}
