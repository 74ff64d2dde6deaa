//! Arguments that several commands have.

use clap::Args;
use jwt::Algorithm;
use kms::KeySpec;
use rotation::{RingName, RotationConfig, RotationOptions};
use runtime::{Setting, Settings, table};

use crate::{aws::Aws, exit::UsageError};

/// The ring that a command is about.
#[derive(Args)]
pub(crate) struct RingArgs {
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
    #[arg(long, value_name = "SECONDS", help_heading = HEADING, help = help("Time from the publication of a key to its first signature", &table::PUBLICATION_WAIT_SECONDS))]
    publication_wait: Option<String>,
    #[arg(long, value_name = "SECONDS", help_heading = HEADING, help = help("Maximum lifetime of a token", &table::TOKEN_LIFETIME_MAX_SECONDS))]
    token_lifetime_max: Option<String>,
    #[arg(long, value_name = "SECONDS", help_heading = HEADING, help = help("Clock leeway of the authorizer", &table::CLOCK_LEEWAY_SECONDS))]
    clock_leeway: Option<String>,
    #[arg(long, value_name = "SECONDS", help_heading = HEADING, help = help("Interval at which the functions refresh the ring", &table::KEY_REFRESH_SECONDS))]
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
    /// The configuration of a rotation without a schedule, with `spec` for the next key, and how the deployment
    /// changes its steps.
    pub(super) fn read(
        &self,
        spec: Option<KeySpec>,
    ) -> Result<(RotationConfig, RotationOptions), UsageError> {
        let options = [
            (table::PUBLICATION_WAIT_SECONDS.name, &self.publication_wait),
            (table::TOKEN_LIFETIME_MAX_SECONDS.name, &self.token_lifetime_max),
            (table::CLOCK_LEEWAY_SECONDS.name, &self.clock_leeway),
            (table::KEY_REFRESH_SECONDS.name, &self.key_refresh),
            (table::SIGNING_ALGORITHM.name, &self.signing_algorithm),
            (table::RETAINED_KEY_ID.name, &self.retained_key),
        ];
        let options = options.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let mut settings = options.fold(Settings::from_environment(), |settings, (name, value)| {
            settings.with(name, value)
        });
        let algorithm: Option<Option<Algorithm>> = settings.optional(&table::SIGNING_ALGORITHM);
        let timing = rotator::read_timing(&mut settings).zip(algorithm);
        let parts = timing.zip(rotator::read_options(&mut settings));
        let ((timing, algorithm), options) =
            settings.finish(parts).map_err(|error| UsageError(error.to_string()))?;
        Ok((RotationConfig { algorithm, spec, ..RotationConfig::on_request(timing) }, options))
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

/// The help text of the option that sets a setting with a default.
fn help(text: &str, setting: &Setting) -> String {
    format!("{text} (`{}`, default {})", setting.name, setting.default.unwrap_or_default())
}
