//! Proxies, certificate authorities and redirects: the same for KMS and for key sets.

use crate::{
    aws_server::{AwsServer, respond},
    profiles::Home,
    run, run_with_input, to_text,
};

const SHOW: [&str; 3] = ["key", "show", "alias/a"];
const BASE: [(&str, &str); 4] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "ME"),
    ("AWS_SECRET_ACCESS_KEY", "s"),
    ("AWS_MAX_ATTEMPTS", "1"),
];
/// RFC 8037 appendix A.
const KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const JWS: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// Verifies a token with the key set at this URL.
fn verify(url: &str, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let arguments = ["verify", "--signature-only", "--jwks", url, "-"];
    let output = run_with_input(&arguments, settings, JWS.as_bytes());
    (output.status.code(), to_text(&output.stdout) + &to_text(&output.stderr))
}

#[test]
fn proxies_are_used_for_kms_and_for_key_sets() {
    let proxy = AwsServer::start();
    let url = proxy.url();
    let rows = [
        ("HTTP_PROXY", "http://kms.example", "POST http://kms.example/"),
        ("http_proxy", "http://kms.example", "POST http://kms.example/"),
        ("HTTPS_PROXY", "https://kms.example", "CONNECT kms.example:443"),
        ("https_proxy", "https://kms.example", "CONNECT kms.example:443"),
        ("ALL_PROXY", "https://kms.example", "CONNECT kms.example:443"),
    ];
    for (variable, endpoint, expected) in rows {
        let more = [(variable, &*url), ("AWS_ENDPOINT_URL_KMS", endpoint)];
        run(&SHOW, &[&BASE[..], &more].concat());
        let requests = proxy.take();
        assert_eq!(requests[0].line, expected, "{variable}: {requests:?}");

        verify(&endpoint.replace("kms", "keys"), &[(variable, &url)]);
        let requests = proxy.take();
        let expected = expected.replace("kms", "keys").replace("POST", "GET");
        assert_eq!(requests[0].line, expected, "{variable}: {requests:?}");
    }
    // Nothing listens at this proxy.
    let unreachable = "http://127.0.0.1:1";
    let without_proxy = [("HTTP_PROXY", unreachable), ("NO_PROXY", "127.0.0.1,localhost")];
    let direct = [&BASE[..], &without_proxy, &[("AWS_ENDPOINT_URL_KMS", &url)]].concat();
    let output = run(&SHOW, &direct);
    assert!(to_text(&output.stderr).contains("there is no alias/a"), "{output:?}");
    assert_eq!(proxy.take()[0].line, "POST /");
    let output =
        run(&SHOW, &[&BASE[..], &without_proxy[..1], &[("AWS_ENDPOINT_URL_KMS", &url)]].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(proxy.take().is_empty(), "the proxy is not left out");
}

#[test]
fn certificate_authority_is_the_one_of_the_bundle() {
    let (server, bundle) = AwsServer::with_tls(|request| match &*request.operation {
        "" => (200, KEY.into()),
        _ => (200, respond(request)),
    });
    let url = format!("https://localhost:{}", server.address.port());
    let home = Home::new(&format!("[default]\nca_bundle = {bundle}\n"), "");
    let rows = [
        ("no bundle", None, true),
        ("AWS_CA_BUNDLE", Some(("AWS_CA_BUNDLE", &*bundle)), false),
        ("ca_bundle", Some(("HOME", home.path())), false),
        ("REQUESTS_CA_BUNDLE", Some(("REQUESTS_CA_BUNDLE", &*bundle)), false),
    ];
    for (case, trust, is_refused) in rows {
        let mut trust: Vec<_> = trust.into_iter().collect();
        if matches!(case, "AWS_CA_BUNDLE" | "ca_bundle") {
            // It comes last.
            trust.push(("REQUESTS_CA_BUNDLE", "/nowhere"));
        }
        let settings = [&BASE[..], &trust, &[("AWS_ENDPOINT_URL_KMS", &url)]].concat();
        let error = to_text(&run(&SHOW, &settings).stderr);
        assert_eq!(error.contains("there is no alias/a"), !is_refused, "{case}: {error}");
        assert_eq!(error.to_lowercase().contains("certificate"), is_refused, "{case}: {error}");
        let (code, text) = verify(&url, &trust);
        assert_eq!(code, Some(if is_refused { 3 } else { 0 }), "{case}: {text}");
        assert_eq!(text.to_lowercase().contains("certificate"), is_refused, "{case}: {text}");
    }
}
