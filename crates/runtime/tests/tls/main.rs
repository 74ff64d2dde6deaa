//! KMS over HTTPS: which servers a ring is loaded from, and which are never asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod authority;
mod server;

use std::{env, process::Command, sync::Arc, time::Duration};

use kms::{Cause, ErrorChain};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PKCS_RSA_SHA384, date_time_ymd,
};
use rustls::{
    HandshakeKind::{Full, Resumed},
    ServerConfig,
    crypto::aws_lc_rs::{
        ALL_CIPHER_SUITES as ALL,
        cipher_suite::{
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as ECDSA_AES_128,
            TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 as ECDSA_AES_256,
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 as RSA_AES_128,
            TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 as RSA_AES_256,
            TLS13_AES_128_GCM_SHA256 as AES_128, TLS13_AES_256_GCM_SHA384 as AES_256,
        },
    },
    sign::CertifiedKey,
};
use tokio::time::sleep;

use authority::{Authority, Change, key, signing, unchanged};
use server::{End, Server, config};

#[tokio::test]
async fn certificates_of_every_usual_kind_are_accepted() {
    let kinds = [
        ("RSA with SHA-256", &PKCS_RSA_SHA256),
        ("RSA with SHA-384", &PKCS_RSA_SHA384),
        ("P-256", &PKCS_ECDSA_P256_SHA256),
        ("P-384", &PKCS_ECDSA_P384_SHA384),
    ];
    let versions = [
        ("TLS 1.3", vec![AES_128, AES_256]),
        ("TLS 1.2", vec![RSA_AES_128, RSA_AES_256, ECDSA_AES_128, ECDSA_AES_256]),
    ];
    for (kind, algorithm) in kinds {
        let authority = Authority::new(kind, algorithm, unchanged);
        let identity = authority.leaf(unchanged);
        for (version, suites) in &versions {
            let mut server = Server::new(config(identity.clone(), suites)).await;
            let client = server.client(&[("AWS_CA_BUNDLE", &authority.bundle)]);
            let loaded = server.load(&client).await;
            assert!(loaded.is_ok(), "{kind}, {version}: {}", ErrorChain(&loaded.unwrap_err()));
        }
    }
}

/// Why nothing was asked.
async fn refusal(config: ServerConfig, trust: &[(&str, &str)]) -> String {
    let mut server = Server::new(config).await;
    let client = server.client(trust);
    let fault = server.load(&client).await.unwrap_err();
    let facts = (fault.cause, server.kms.calls(), server.handshakes.len());
    assert_eq!(facts, (Cause::Unreachable, 0, 0), "{}", ErrorChain(&fault));
    ErrorChain(&fault).to_string()
}

/// Servers that are not KMS, whoever has signed for them.
fn impostors(authority: &Authority) -> Vec<(&'static str, ServerConfig, &'static str)> {
    let leaves: [(_, Change, _); 4] = [
        (
            "another host's",
            |leaf| *leaf = CertificateParams::new(["kms.example".to_owned()]).unwrap(),
            "not valid for name",
        ),
        ("expired", |leaf| leaf.not_after = date_time_ymd(2020, 1, 1), "expired"),
        ("not valid yet", |leaf| leaf.not_before = date_time_ymd(4000, 1, 1), "not valid yet"),
        (
            "a client's",
            |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            "extended key usage",
        ),
    ];
    let mut rows = Vec::new();
    for (name, change, reason) in leaves {
        rows.push((name, config(authority.leaf(change), ALL), reason));
    }
    for (name, suite) in [("without its key", AES_128), ("without its key, TLS 1.2", ECDSA_AES_128)]
    {
        let stolen =
            CertifiedKey { key: signing(&key(authority.kind)), ..authority.leaf(unchanged) };
        rows.push((name, config(stolen, &[suite]), "BadSignature"));
    }
    rows
}

#[tokio::test]
async fn an_impostor_is_never_asked() {
    let new = |file, change| Authority::new(file, &PKCS_ECDSA_P256_SHA256, change);
    let authority = new("authority", unchanged);
    let other = new("other", unchanged);
    let no_authority = new("leaf", |middle| middle.is_ca = IsCa::ExplicitNoCa);
    let trust = [("AWS_CA_BUNDLE", authority.bundle.as_str())];
    let good = || config(authority.leaf(unchanged), ALL);
    let rows = [
        ("another root", good(), vec![("AWS_CA_BUNDLE", other.bundle.as_str())], "BadSignature"),
        ("a root that the system does not have", good(), vec![], "UnknownIssuer"),
        (
            "signed by a leaf",
            config(no_authority.leaf(unchanged), ALL),
            vec![("AWS_CA_BUNDLE", no_authority.bundle.as_str())],
            "EndEntityUsedAsCa",
        ),
    ];
    let impostors = impostors(&authority).into_iter();
    let impostors = impostors.map(|(name, config, why)| (name, config, trust.to_vec(), why));
    for (name, config, trust, reason) in impostors.chain(rows) {
        let told = refusal(config, &trust).await;
        assert!(told.contains(reason), "{name}: {told}");
    }
}

/// What the system trusts is in the environment, which a process cannot change safely: this test
/// runs itself once more.
#[tokio::test]
async fn system_roots_are_trusted_where_no_bundle_is_named() {
    let bundle = concat!(env!("CARGO_TARGET_TMPDIR"), "/system.pem");
    if env::var("SSL_CERT_FILE").as_deref() != Ok(bundle) {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "system_roots_are_trusted_where_no_bundle_is_named"])
            .env_remove("SSL_CERT_DIR")
            .env("SSL_CERT_FILE", bundle)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let authority = Authority::new("system", &PKCS_ECDSA_P256_SHA256, unchanged);
    let other = Authority::new("other-system", &PKCS_ECDSA_P256_SHA256, unchanged);
    let rows =
        [("named", vec![("SSL_CERT_FILE", bundle)]), ("of an endpoint that is not AWS's", vec![])];
    for (name, trust) in rows {
        for suite in [AES_128, ECDSA_AES_128] {
            let mut server = Server::new(config(authority.leaf(unchanged), &[suite])).await;
            let client = server.client(&trust);
            let loaded = server.load(&client).await;
            assert!(loaded.is_ok(), "{name}: {}", ErrorChain(&loaded.unwrap_err()));
        }
        for (impostor, config, reason) in impostors(&authority) {
            let told = refusal(config, &trust).await;
            assert!(told.contains(reason), "{name}, {impostor}: {told}");
        }
    }
    let bundle = [("AWS_CA_BUNDLE", other.bundle.as_str())];
    refusal(config(authority.leaf(unchanged), ALL), &bundle).await;
}

#[tokio::test]
async fn a_connection_serves_on_and_its_end_costs_no_error() {
    let authority = Authority::new("connection", &PKCS_ECDSA_P256_SHA256, unchanged);
    let identity = authority.leaf(unchanged);
    let rows = [
        ("stays", End::Stays, false, vec![Full]),
        ("ends as TLS has it", End::Goodbye, false, vec![Full, Resumed]),
        ("ends for TLS alone", End::Alert, false, vec![Full, Resumed]),
        ("ends for TCP alone", End::Silent, false, vec![Full, Resumed]),
        ("is reset", End::Reset, false, vec![Full, Resumed]),
        ("ends, and the server forgets it", End::Goodbye, true, vec![Full, Full]),
    ];
    for suite in [AES_128, ECDSA_AES_128] {
        for (name, end, forgets, expected) in &rows {
            let mut server = Server::new(config(identity.clone(), &[suite])).await;
            let client = server.client(&[("AWS_CA_BUNDLE", &authority.bundle)]);
            server.load(&client).await.unwrap();
            server.end(*end).await;
            if *forgets {
                server.config = Arc::new(config(identity.clone(), &[suite]));
            }
            // What comes is noticed while there is nothing to do.
            sleep(Duration::from_millis(10)).await;
            server.load(&client).await.unwrap();
            let facts = (server.handshakes.clone(), server.kms.calls(), server.kms.retries());
            assert_eq!(facts, (expected.clone(), 2, 0), "{name}, {suite:?}");
        }
    }
}
