//! Emulators of KMS such as moto, which require what the KMS API leaves optional.

use std::{
    env,
    net::TcpListener,
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use local::{
    Bytes, Request, Response,
    kms::{Interceptor, Kms},
};
use serde_json::Value;

use crate::{ALIAS, run, run_with_input, to_text};

/// Records the policy names of `GetKeyPolicy`.
#[derive(Default)]
struct PolicyNames(Mutex<Vec<Option<String>>>);

impl Interceptor for PolicyNames {
    fn intercept<'a>(
        &'a self,
        request: &'a Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Option<Response<Bytes>>> + Send + 'a>> {
        Box::pin(async {
            if request.headers()["x-amz-target"] == "TrentService.GetKeyPolicy" {
                let body: Value = serde_json::from_slice(request.body()).unwrap();
                let name = body.get("PolicyName").and_then(Value::as_str).map(str::to_owned);
                self.0.lock().unwrap().push(name);
            }
            None
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_policies_are_requested_by_their_name() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    let names = Arc::new(PolicyNames::default());
    kms.set_interceptor(Some(names.clone()));
    let url = format!("http://{}", kms.address());
    let settings = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_KMS", &*url),
    ];
    for command in ["create", "rotate"] {
        let output = run(&["key", command, ALIAS, "--yes"], &settings);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", to_text(&output.stderr));
    }
    let names = names.0.lock().unwrap();
    assert!(!names.is_empty());
    assert!(names.iter().all(|name| name.as_deref() == Some("default")), "{names:?}");
}

/// A moto server that is stopped when it is dropped.
struct Moto(Child, String);

impl Moto {
    /// `None` if it is not installed.
    fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Self(child, format!("http://127.0.0.1:{port}"));
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            // A shim of a version manager may be there without the program.
            if start.elapsed() > Duration::from_mins(1) {
                return None;
            }
            thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs only where `pip install 'moto[server]'` was: moto has more dependencies than all other tools of the checks.
#[test]
fn commands_work_with_moto() {
    let Some(Moto(_, url)) = &Moto::start() else {
        eprintln!("SKIPPED: moto_server is not installed");
        return;
    };
    let settings = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_ENDPOINT_URL", &**url),
        ("TOKEN_ISSUER", "us"),
        ("KEY_ALIAS", ALIAS),
    ];
    let succeed = |line: &str, input: &[u8]| {
        let arguments: Vec<_> = line.split(' ').collect();
        let output = run_with_input(&arguments, &settings, input);
        let error = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {error}{}", to_text(&output.stdout));
        (output.stdout, error)
    };
    let (_, acting) = succeed(&format!("key create {ALIAS} --spec ECC_NIST_P256 --yes"), b"");
    assert!(acting.contains("acting for account 123456789012, Region us-east-1, principal arn:"));
    let (token, _) = succeed(&format!("sign --key {ALIAS} -"), br#"{"iss":"us","exp":4102444800}"#);
    for line in [&*format!("verify --key {ALIAS} -"), &format!("verify --key {ALIAS} --local -")] {
        succeed(line, &token);
    }
    let (keys, _) = succeed(&format!("pem {ALIAS}"), b"");
    let file = env::temp_dir().join(format!("countersign-moto-{}.pem", std::process::id()));
    std::fs::write(&file, keys).unwrap();
    succeed(&format!("verify --jwks {} -", file.display()), &token);
    std::fs::remove_file(file).unwrap();
    for line in ["key show", "key list", "jwks"] {
        succeed(&format!("{line} {ALIAS}"), b"");
    }
    succeed(&format!("key rotate {ALIAS} --yes"), b"");
    succeed(&format!("key show {ALIAS}"), b"");
    let event = include_bytes!("../../../../events/authorize-expired.json");
    let (event, _) = succeed("event -", event);
    succeed("explain --event -", &event);
}
