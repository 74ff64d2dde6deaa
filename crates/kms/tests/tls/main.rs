//! KMS over HTTPS: which servers a ring is loaded from, and which are never asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod authority;
mod server;

use std::{env, process::Command, sync::Arc, time::Duration};

use ::kms::{Cause, telemetry::Chain};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA384,
    PKCS_RSA_SHA512, date_time_ymd,
};
use rustls::{
    HandshakeKind::{Full, Resumed},
    ServerConfig,
    SignatureScheme::{
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512,
    },
    SupportedCipherSuite,
    crypto::{
        CryptoProvider, SupportedKxGroup,
        aws_lc_rs::{
            ALL_CIPHER_SUITES as ALL,
            cipher_suite::{
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as ECDSA_AES_128,
                TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 as ECDSA_AES_256,
                TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 as RSA_AES_128,
                TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 as RSA_AES_256,
                TLS13_AES_128_GCM_SHA256 as AES_128, TLS13_AES_256_GCM_SHA384 as AES_256,
                TLS13_CHACHA20_POLY1305_SHA256 as CHACHA20,
            },
            default_provider,
            kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768},
        },
    },
    sign::CertifiedKey,
};
use tokio::time::sleep;

use authority::{Authority, Change, Only, key, signing, unchanged};
use server::{End, Server, config, config_of};

#[tokio::test]
async fn every_usual_certificate_is_taken_from_every_usual_server() {
    let kinds = [
        ("RSA with SHA-256", &PKCS_RSA_SHA256),
        ("RSA with SHA-384", &PKCS_RSA_SHA384),
        ("RSA with SHA-512", &PKCS_RSA_SHA512),
        ("P-256", &PKCS_ECDSA_P256_SHA256),
        ("P-384", &PKCS_ECDSA_P384_SHA384),
        ("P-521", &PKCS_ECDSA_P521_SHA512),
        ("Ed25519", &PKCS_ED25519),
    ];
    // What is spoken is by the kind of key in TLS 1.2 alone.
    let servers = [
        ("TLS 1.3 with AES-128", vec![AES_128], false, [AES_128; 2]),
        ("all", ALL.to_vec(), false, [AES_128; 2]),
        ("all, AES-256 first", ALL.to_vec(), true, [AES_128; 2]),
        (
            "TLS 1.2 with AES-128",
            vec![RSA_AES_128, ECDSA_AES_128],
            false,
            [RSA_AES_128, ECDSA_AES_128],
        ),
        (
            "TLS 1.2 with AES-256",
            vec![RSA_AES_256, ECDSA_AES_256],
            false,
            [RSA_AES_256, ECDSA_AES_256],
        ),
    ];
    for (kind, algorithm) in kinds {
        let authority = Authority::new(kind, algorithm, unchanged);
        let identity = authority.leaf(unchanged);
        for (name, suites, own_order, [rsa, other]) in &servers {
            let mut config = config(identity.clone(), suites);
            config.ignore_client_order = *own_order;
            let mut server = Server::new(config).await;
            let calls = server.calls(&[("AWS_CA_BUNDLE", &authority.bundle)]);
            let loaded = server.load(&calls).await;
            assert!(loaded.is_ok(), "{kind}, {name}: {}", Chain(&loaded.unwrap_err()));
            let suite = if kind.starts_with("RSA") { rsa } else { other };
            let spoken: Vec<_> = server.spoken.iter().map(|(suite, ..)| suite).collect();
            assert_eq!(spoken, [suite], "{kind}, {name}");
        }
    }
}

#[tokio::test]
async fn every_way_to_agree_on_keys_and_every_scheme_of_rsa_is_spoken() {
    let authority = Authority::new("schemes", &PKCS_RSA_SHA256, unchanged);
    let identity = authority.leaf(unchanged);
    let groups = [
        (AES_128, X25519),
        (AES_128, SECP256R1),
        (AES_128, SECP384R1),
        (AES_128, X25519MLKEM768),
        // TLS 1.2 has no room for the last one.
        (RSA_AES_128, X25519),
        (RSA_AES_128, SECP256R1),
        (RSA_AES_128, SECP384R1),
    ];
    let schemes = [
        (AES_128, RSA_PSS_SHA256),
        (AES_128, RSA_PSS_SHA384),
        (AES_128, RSA_PSS_SHA512),
        // TLS 1.3 has the others for certificates alone (RFC 8446, section 4.2.3).
        (RSA_AES_128, RSA_PSS_SHA256),
        (RSA_AES_128, RSA_PSS_SHA384),
        (RSA_AES_128, RSA_PSS_SHA512),
        (RSA_AES_128, RSA_PKCS1_SHA256),
        (RSA_AES_128, RSA_PKCS1_SHA384),
        (RSA_AES_128, RSA_PKCS1_SHA512),
    ];
    let of_group = |(suite, group): (SupportedCipherSuite, &'static dyn SupportedKxGroup)| {
        let (cipher_suites, kx_groups) = (vec![suite], vec![group]);
        let provider = CryptoProvider { cipher_suites, kx_groups, ..default_provider() };
        (format!("{suite:?}, {:?}", group.name()), config_of(identity.clone(), provider))
    };
    let of_scheme = |(suite, scheme)| {
        let key = Arc::new(Only(scheme, Arc::clone(&identity.key)));
        let identity = CertifiedKey { key, ..identity.clone() };
        (format!("{suite:?}, {scheme:?}"), config(identity, &[suite]))
    };
    for (name, config) in groups.map(of_group).into_iter().chain(schemes.map(of_scheme)) {
        let mut server = Server::new(config).await;
        let calls = server.calls(&[("AWS_CA_BUNDLE", &authority.bundle)]);
        let loaded = server.load(&calls).await;
        assert!(loaded.is_ok(), "{name}: {}", Chain(&loaded.unwrap_err()));
    }
}

/// Why nothing was asked.
async fn refusal(config: ServerConfig, trust: &[(&str, &str)]) -> String {
    let mut server = Server::new(config).await;
    let calls = server.calls(trust);
    let fault = server.load(&calls).await.unwrap_err();
    let facts = (fault.cause, server.kms.calls(), server.spoken.len());
    assert_eq!(facts, (Cause::Unreachable, 0, 0), "{}", Chain(&fault));
    Chain(&fault).to_string()
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
    let only = |suite| config(authority.leaf(unchanged), &[suite]);
    let rows = [
        ("another root", good(), vec![("AWS_CA_BUNDLE", other.bundle.as_str())], "BadSignature"),
        ("a root that neither Amazon nor the system has", good(), vec![], "UnknownIssuer"),
        (
            "signed by a leaf",
            config(no_authority.leaf(unchanged), ALL),
            vec![("AWS_CA_BUNDLE", no_authority.bundle.as_str())],
            "EndEntityUsedAsCa",
        ),
        // RFC 8446, section 9.1, wants AES-128 of every server, so nothing else is loaded.
        ("TLS 1.3 with AES-256 alone", only(AES_256), trust.to_vec(), "HandshakeFailure"),
        ("TLS 1.3 with ChaCha20 alone", only(CHACHA20), trust.to_vec(), "HandshakeFailure"),
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
async fn the_system_s_roots_are_asked_where_no_bundle_is_named() {
    let bundle = concat!(env!("CARGO_TARGET_TMPDIR"), "/system.pem");
    if env::var("SSL_CERT_FILE").as_deref() != Ok(bundle) {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_system_s_roots_are_asked_where_no_bundle_is_named"])
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
        [("in place of Amazon's", vec![("SSL_CERT_FILE", bundle)]), ("after Amazon's", vec![])];
    for (name, trust) in rows {
        for suite in [AES_128, ECDSA_AES_128] {
            let mut server = Server::new(config(authority.leaf(unchanged), &[suite])).await;
            let calls = server.calls(&trust);
            let loaded = server.load(&calls).await;
            assert!(loaded.is_ok(), "{name}: {}", Chain(&loaded.unwrap_err()));
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
            let calls = server.calls(&[("AWS_CA_BUNDLE", &authority.bundle)]);
            server.load(&calls).await.unwrap();
            server.end(*end).await;
            if *forgets {
                server.config = Arc::new(config(identity.clone(), &[suite]));
            }
            // What comes is noticed while there is nothing to do.
            sleep(Duration::from_millis(10)).await;
            server.load(&calls).await.unwrap();
            let kinds: Vec<_> = server.spoken.iter().map(|(.., kind)| *kind).collect();
            let facts = (kinds, server.kms.calls(), server.kms.retries());
            assert_eq!(facts, (expected.clone(), 2, 0), "{name}, {suite:?}");
        }
    }
}
