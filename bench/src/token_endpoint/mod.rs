//! Grants of the token endpoint: jobs of a CI system exchange their identity tokens for tokens.

mod providers;

use std::{error::Error, fs, path::Path};

use self::providers::Providers;
use crate::{
    comparison::{self, Measurement, Repetitions},
    functions,
    programs::{MeasuredProgram, ProgramKind, ProgramRow, SIGN, measured_programs},
    testbed::Testbed,
};

/// Measures the token endpoint with one trusted issuer and with many, and, in the same run, the call of KMS Sign that
/// each grant makes, and a direct invocation of the issuer. KMS and the providers take 4 ms.
pub async fn run(
    testbed: &Testbed,
    repetitions: &Repetitions,
    before: Option<&Path>,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let endpoint = &testbed.delayed.https;
    let floors: [ProgramRow; 2] =
        [("echo", "echo", "echo", endpoint, &[]), ("tls", EXCHANGE, EXCHANGE, endpoint, &[SIGN])];
    let mut all = measured_programs(testbed, ProgramKind::Floor, &floors, |program| {
        vec![format!("target/release/{program}")]
    });
    let providers = Providers::start(testbed, endpoint.url()).await?;
    all.extend(rows(testbed, repetitions, &providers, None)?);
    if before.is_some() {
        all.extend(rows(testbed, repetitions, &providers, before)?);
    }
    comparison::measure(all, &testbed.events(1)?, repetitions).await
}

/// The rows of one build. `before` is the directory of another build.
fn rows(
    testbed: &Testbed,
    repetitions: &Repetitions,
    providers: &Providers,
    before: Option<&Path>,
) -> Result<Vec<MeasuredProgram>, Box<dyn Error>> {
    let kind = if before.is_some() { ProgramKind::Before } else { ProgramKind::Ours };
    let issuer =
        functions::find(&before.map_or_else(functions::directory, Path::to_owned), "issuer")?;
    let endpoint = &testbed.delayed.https;
    let rows: [ProgramRow; 1] = [("issuer", "issuer, invoked directly", EXCHANGE, endpoint, &[])];
    let path = issuer.to_string_lossy().into_owned();
    let mut all = measured_programs(testbed, kind, &rows, |_| vec![path.clone()]);
    for (name, issuers) in [(ONE, 1), (MANY, MANY_ISSUERS)] {
        let folder = fs::canonicalize(testbed.authority.with_file_name(""))?;
        let file = |name: &str| folder.join(format!("{name}-{issuers}.json"));
        let [trusted, policy] = ["trusted-issuers", "issuance-policy"].map(file);
        fs::write(&trusted, providers.trusted_issuers(issuers).to_string())?;
        fs::write(&policy, providers.issuance_policy(issuers).to_string())?;
        let setting = |path: &Path| format!("file:{}", path.display());
        let settings = [
            ("ISSUER_ROUTES", "oauth2"),
            ("TOKEN_ISSUER", "https://issuer.example"),
            ("TRUSTED_ISSUERS", &*setting(&trusted)),
            ("ISSUANCE_POLICY", &*setting(&policy)),
            ("LAMBDA_TASK_ROOT", &*folder.to_string_lossy()),
        ];
        let rows: [ProgramRow; 1] = [("token endpoint", name, EXCHANGE, endpoint, &settings)];
        let events = providers.events(issuers, repetitions.events())?;
        for mut measured in measured_programs(testbed, kind, &rows, |_| vec![path.clone()]) {
            // The roots of the system are read for the first request to a provider, as in Lambda.
            measured.program.environment.retain(|(name, _)| name != "SSL_CERT_FILE");
            // The keys of all issuers are fetched before.
            let warm_up = measured.warm_up.max(issuers);
            all.push(measured.with_events(events.clone(), warm_up));
        }
    }
    Ok(all)
}

const EXCHANGE: &str = "KMS Sign";
const ONE: &str = "token endpoint, jwt-bearer";
const MANY: &str = "token endpoint, jwt-bearer, 50 trusted issuers";
const MANY_ISSUERS: usize = 50;
