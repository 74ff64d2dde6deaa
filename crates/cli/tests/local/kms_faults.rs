//! The output of commands if KMS fails or has another endpoint.

use std::io::{Read, Write};

use testing::{InjectFaults, InjectedFault};

use crate::{ALIAS, cloud::Cloud, run_with_input, to_text};

/// Standard output stays empty, so that a redirection does not write an incomplete file.
#[tokio::test(flavor = "multi_thread")]
async fn fault_is_printed_on_standard_error_only() {
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    cloud.kms.inject(Some(InjectedFault::Error("AccessDeniedException")));
    for line in ["jwks", "pem"] {
        let (code, out, error) = cloud.run(&format!("{line} {ALIAS}"), "");
        assert_eq!((code, &*out), (Some(3), ""), "{line}");
        assert!(error.contains("GetPublicKey failed: access denied"), "{line}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_key_set_is_not_printed() {
    const NEXT: &str = "alias/countersign-next";
    const PREVIOUS: &str = "alias/countersign-previous";
    let cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    let complete = ["jwks", "pem"].map(|line| cloud.succeed(&format!("{line} {ALIAS}"), ""));
    let rows = [
        (PREVIOUS, "ThrottlingException", 3, "KMS throttles"),
        (PREVIOUS, "AccessDeniedException", 3, "access denied"),
        (PREVIOUS, "NotFoundException", 0, ""),
        (PREVIOUS, "DisabledException", 0, ""),
        (
            NEXT,
            "AccessDeniedException",
            0,
            "warning: the key under alias/countersign-next is missing",
        ),
        (NEXT, "NotFoundException", 0, ""),
    ];
    for (alias, code, expected, message) in rows {
        cloud.kms.inject(Some(InjectedFault::ErrorFor(alias, code)));
        for (line, complete) in ["jwks", "pem"].iter().zip(&complete) {
            let (exit, out, error) = cloud.run(&format!("{line} {ALIAS}"), "");
            assert_eq!(exit, Some(expected), "{line} {alias} {code}: {error}");
            assert_eq!(out == *complete, expected == 0, "{line} {alias} {code}: {out}");
            assert_eq!(error.is_empty(), message.is_empty(), "{line} {alias} {code}: {error}");
            assert!(error.contains(message), "{line} {alias} {code}: {error}");
        }
    }
}

/// The order of the AWS CLI: the option, the variable for KMS, the variable for all services.
#[tokio::test(flavor = "multi_thread")]
async fn most_specific_endpoint_url_is_used() {
    let mut cloud = Cloud::start().await;
    cloud.succeed(&format!("key create {ALIAS} --yes"), "");
    let (url, unreachable) = (format!("http://{}", cloud.kms.address()), "http://127.0.0.1:1");
    let rows = [
        (Some(&*url), Some(unreachable), Some(unreachable), 0),
        (None, Some(&url), Some(unreachable), 0),
        (None, None, Some(&url), 0),
        (None, Some(unreachable), Some(&url), 3),
        (Some(unreachable), Some(&url), Some(&url), 3),
    ];
    for row @ (option, kms, all, expected) in rows {
        cloud.settings.retain(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL"));
        let variables = [("AWS_ENDPOINT_URL_KMS", kms), ("AWS_ENDPOINT_URL", all)];
        let variables =
            variables.into_iter().filter_map(|(name, url)| Some((name, url?.to_owned())));
        cloud.settings.extend(variables);
        let option = option.map_or(String::new(), |url| format!(" --endpoint-url {url}"));
        for line in ["jwks", "key show"] {
            let (code, ..) = cloud.run(&format!("{line} {ALIAS}{option}"), "");
            assert_eq!(code, Some(expected), "{line}: {row:?}");
        }
    }
}

/// The URL of a server that answers every connection with this text, and closes it or keeps it open.
fn serve(response: &'static str, closes: bool) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(response.as_bytes());
            open.extend((!closes).then_some(stream));
        }
    });
    endpoint
}

#[test]
fn incomplete_or_failed_response_of_kms_is_a_fault() {
    let missing = "HTTP/1.1 400 x\r\ncontent-length: 30\r\n\r\n{\"__type\":\"NotFoundException\"}";
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"KeyId\":";
    let rows = [
        (
            "body cut off by a closed connection",
            half,
            true,
            ("AWS_RETRY_MODE", "standard"),
            "KMS is out of reach",
        ),
        ("body that does not end", half, false, ("AWS_MAX_ATTEMPTS", "1"), "KMS is out of reach"),
        ("error response", missing, true, ("AWS_RETRY_MODE", "adaptive"), "no such key"),
    ];
    let threads = rows.map(|(name, response, closes, setting, expected)| {
        std::thread::spawn(move || {
            let endpoint = serve(response, closes);
            let settings = [
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "local"),
                ("AWS_SECRET_ACCESS_KEY", "local"),
                ("AWS_ENDPOINT_URL_KMS", &endpoint),
                setting,
            ];
            let output = run_with_input(&["jwks", ALIAS], &settings, b"");
            let error = to_text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{name}: {error}");
            assert!(error.contains(expected), "{name}: {error}");
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
}
