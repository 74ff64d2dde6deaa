//! What the demo tells, and that no log of it holds a token or a signature.

use std::{env, fs, process};

use local::recording;
use testing::log_audit::{self, AuditError};

use crate::{command, said};

#[test]
fn the_demo_does_what_it_says_and_logs_no_secret() {
    let folder = env::temp_dir().join(format!("countersign-demo-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let output = command(&["demo"], &[]).env(recording::VARIABLE, &folder).output().unwrap();
    let (story, errors) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{story}{errors}");
    for step in ["log: Allowed", "log: InvalidSignature", "log: Expired", "log: KeyState"] {
        assert!(story.contains(step), "{step}: {story}");
    }

    let own = folder.join("demo.log");
    fs::write(&own, format!("{story}{errors}")).unwrap();
    let kept = || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for function in ["Issuer.log", "Authorizer.log"] {
        let told = kept().any(|file| file.to_string_lossy().ends_with(function));
        assert!(told, "{function}: {:?}", kept().collect::<Vec<_>>());
    }
    let cleared = log_audit::audit(&folder).unwrap();
    assert!(cleared.lines > 30, "{cleared:?}");
    let secrets = kept().find(|file| file.extension().is_some_and(|found| found == "secrets"));
    let secrets = fs::read_to_string(secrets.unwrap()).unwrap();
    let (tokens, signatures): (Vec<_>, Vec<_>) =
        secrets.lines().partition(|secret| secret.contains('.'));
    assert!(signatures.len() > 4, "{signatures:?}");
    assert_eq!(tokens.len(), signatures.len() + 1, "each of them in a token, and one bit changed");

    // And each of these would have been found.
    for secret in secrets.lines() {
        fs::write(&own, format!("{story}{secret}")).unwrap();
        let found = log_audit::audit(&folder);
        assert!(matches!(found, Err(AuditError::Leaks(leaks)) if leaks.len() == 1));
    }
    fs::remove_dir_all(folder).unwrap();
}
