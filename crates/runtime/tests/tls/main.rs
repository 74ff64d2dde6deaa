//! KMS over HTTPS: which servers the client trusts.

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
async fn certificates_of_common_algorithms_are_accepted() {
    let algorithms = [
        ("RSA with SHA-256", &PKCS_RSA_SHA256),
        ("RSA with SHA-384", &PKCS_RSA_SHA384),
        ("P-256", &PKCS_ECDSA_P256_SHA256),
        ("P-384", &PKCS_ECDSA_P384_SHA384),
    ];
    let versions = [
        ("TLS 1.3", vec![AES_128, AES_256]),
        ("TLS 1.2", vec![RSA_AES_128, RSA_AES_256, ECDSA_AES_128, ECDSA_AES_256]),
    ];
    for (name, algorithm) in algorithms {
        let authority = Authority::new(name, algorithm, unchanged);
        let identity = authority.leaf(unchanged);
        for (version, suites) in &versions {
            let mut server = Server::new(config(identity.clone(), suites)).await;
            let client = server.client(&[("AWS_CA_BUNDLE", &authority.bundle)]);
            let loaded = server.load(&client).await;
            assert!(loaded.is_ok(), "{name}, {version}: {}", ErrorChain(&loaded.unwrap_err()));
        }
    }
}

/// Asserts that the client sends no request to the server. Returns the error.
async fn expect_no_request(config: ServerConfig, trust: &[(&str, &str)]) -> String {
    let mut server = Server::new(config).await;
    let client = server.client(trust);
    let fault = server.load(&client).await.unwrap_err();
    let facts = (fault.cause, server.kms.calls(), server.handshakes.len());
    assert_eq!(facts, (Cause::Unreachable, 0, 0), "{}", ErrorChain(&fault));
    ErrorChain(&fault).to_string()
}

/// Servers with an invalid certificate of a trusted authority, each with a part of the expected error.
fn impostors(authority: &Authority) -> Vec<(&'static str, ServerConfig, &'static str)> {
    let leaves: [(_, Change, _); 4] = [
        (
            "certificate of another host",
            |leaf| *leaf = CertificateParams::new(["kms.example".to_owned()]).unwrap(),
            "not valid for name",
        ),
        ("expired certificate", |leaf| leaf.not_after = date_time_ymd(2020, 1, 1), "expired"),
        (
            "certificate that is not valid yet",
            |leaf| leaf.not_before = date_time_ymd(4000, 1, 1),
            "not valid yet",
        ),
        (
            "client certificate",
            |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            "extended key usage",
        ),
    ];
    let mut rows = Vec::new();
    for (name, change, reason) in leaves {
        rows.push((name, config(authority.leaf(change), ALL), reason));
    }
    for (name, suite) in
        [("wrong private key", AES_128), ("wrong private key, TLS 1.2", ECDSA_AES_128)]
    {
        let identity =
            CertifiedKey { key: signing(&key(authority.algorithm)), ..authority.leaf(unchanged) };
        rows.push((name, config(identity, &[suite]), "BadSignature"));
    }
    rows
}

#[tokio::test]
async fn server_with_an_untrusted_certificate_gets_no_request() {
    let new = |file, change| Authority::new(file, &PKCS_ECDSA_P256_SHA256, change);
    let authority = new("authority", unchanged);
    let other = new("other", unchanged);
    let no_authority = new("leaf", |intermediate| intermediate.is_ca = IsCa::ExplicitNoCa);
    let trust = [("AWS_CA_BUNDLE", authority.bundle.as_str())];
    let valid = || config(authority.leaf(unchanged), ALL);
    let rows = [
        (
            "untrusted root with the same name",
            valid(),
            vec![("AWS_CA_BUNDLE", other.bundle.as_str())],
            "BadSignature",
        ),
        ("root that the system does not trust", valid(), vec![], "UnknownIssuer"),
        (
            "issuer that is not a certificate authority",
            config(no_authority.leaf(unchanged), ALL),
            vec![("AWS_CA_BUNDLE", no_authority.bundle.as_str())],
            "EndEntityUsedAsCa",
        ),
    ];
    let impostors = impostors(&authority).into_iter();
    let impostors = impostors.map(|(name, config, reason)| (name, config, trust.to_vec(), reason));
    for (name, config, trust, reason) in impostors.chain(rows) {
        let error = expect_no_request(config, &trust).await;
        assert!(error.contains(reason), "{name}: {error}");
    }
}

/// The system's roots come from the environment, which a process cannot change safely. So this test runs itself in
/// another process.
#[tokio::test]
async fn system_roots_are_trusted_without_a_bundle() {
    let bundle = concat!(env!("CARGO_TARGET_TMPDIR"), "/system.pem");
    if env::var("SSL_CERT_FILE").as_deref() != Ok(bundle) {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "system_roots_are_trusted_without_a_bundle"])
            .env_remove("SSL_CERT_DIR")
            .env("SSL_CERT_FILE", bundle)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && error.contains("1 passed"), "{error}");
        return;
    }
    let authority = Authority::new("system", &PKCS_ECDSA_P256_SHA256, unchanged);
    let other = Authority::new("other-system", &PKCS_ECDSA_P256_SHA256, unchanged);
    let rows =
        [("SSL_CERT_FILE", vec![("SSL_CERT_FILE", bundle)]), ("endpoint other than AWS", vec![])];
    for (name, trust) in rows {
        for suite in [AES_128, ECDSA_AES_128] {
            let mut server = Server::new(config(authority.leaf(unchanged), &[suite])).await;
            let client = server.client(&trust);
            let loaded = server.load(&client).await;
            assert!(loaded.is_ok(), "{name}: {}", ErrorChain(&loaded.unwrap_err()));
        }
        for (impostor, config, reason) in impostors(&authority) {
            let error = expect_no_request(config, &trust).await;
            assert!(error.contains(reason), "{name}, {impostor}: {error}");
        }
    }
    let bundle = [("AWS_CA_BUNDLE", other.bundle.as_str())];
    expect_no_request(config(authority.leaf(unchanged), ALL), &bundle).await;
}

#[tokio::test]
async fn connection_is_reused_and_replaced_after_its_end() {
    let authority = Authority::new("connection", &PKCS_ECDSA_P256_SHA256, unchanged);
    let identity = authority.leaf(unchanged);
    let rows = [
        ("stays open", End::None, false, vec![Full]),
        ("ends with close_notify and FIN", End::TlsAndTcp, false, vec![Full, Resumed]),
        ("ends with close_notify", End::TlsOnly, false, vec![Full, Resumed]),
        ("ends with FIN", End::TcpOnly, false, vec![Full, Resumed]),
        ("ends with RST", End::Reset, false, vec![Full, Resumed]),
        ("ends, and the server forgets the session", End::TlsAndTcp, true, vec![Full, Full]),
    ];
    for suite in [AES_128, ECDSA_AES_128] {
        for (name, end, forgets_session, expected) in &rows {
            let mut server = Server::new(config(identity.clone(), &[suite])).await;
            let client = server.client(&[("AWS_CA_BUNDLE", &authority.bundle)]);
            server.load(&client).await.unwrap();
            server.end(*end).await;
            if *forgets_session {
                server.config = Arc::new(config(identity.clone(), &[suite]));
            }
            // Lets the client notice the end of the connection.
            sleep(Duration::from_millis(10)).await;
            server.load(&client).await.unwrap();
            let facts = (server.handshakes.clone(), server.kms.calls(), server.kms.retries());
            assert_eq!(facts, (expected.clone(), 2, 0), "{name}, {suite:?}");
        }
    }
}
