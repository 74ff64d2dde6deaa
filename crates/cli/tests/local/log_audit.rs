//! The log audit of `countersign demo`: neither its output nor the logs contain a token or a signature.

use std::{env, fs, process};

use local::recording;
use testing::log_audit::{self, AuditError};

use crate::{command, to_text};

#[test]
fn demo_succeeds_and_logs_no_secret() {
    let folder = env::temp_dir().join(format!("countersign-demo-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let output = command(&["demo"], &[]).env(recording::FOLDER_VARIABLE, &folder).output().unwrap();
    let (out, errors) = (to_text(&output.stdout), to_text(&output.stderr));
    assert!(output.status.success(), "{out}{errors}");
    let reasons = [
        "log: Allowed",
        "log: InvalidSignature",
        "log: Expired",
        "log: KeyState",
        "400  unauthorized_client  log: the issuance policy does not grant",
    ];
    for reason in reasons {
        assert!(out.contains(reason), "{reason}: {out}");
    }

    let output_file = folder.join("demo.log");
    fs::write(&output_file, format!("{out}{errors}")).unwrap();
    let files = || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for function in ["-Issuer.log", "-OAuthIssuer.log", "-Authorizer.log"] {
        let has_log = files().any(|file| file.to_string_lossy().ends_with(function));
        assert!(has_log, "{function}: {:?}", files().collect::<Vec<_>>());
    }
    let report = log_audit::audit(&folder).unwrap();
    assert!(report.lines > 30, "{report:?}");
    let secrets = files().find(|file| file.extension().is_some_and(|found| found == "secrets"));
    let secrets = fs::read_to_string(secrets.unwrap()).unwrap();
    let (tokens, signatures): (Vec<_>, Vec<_>) =
        secrets.lines().partition(|secret| secret.contains('.'));
    assert!(signatures.len() > 4, "{signatures:?}");
    assert_eq!(
        tokens.len(),
        signatures.len() + 3,
        "each in a token, one token with a changed bit, and two of the CI system"
    );

    // The audit finds each of them in the output.
    for secret in secrets.lines() {
        fs::write(&output_file, format!("{out}{secret}")).unwrap();
        let found = log_audit::audit(&folder);
        assert!(matches!(found, Err(AuditError::Leaks(leaks)) if leaks.len() == 1));
    }
    fs::remove_dir_all(folder).unwrap();
}
