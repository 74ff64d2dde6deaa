//! AWS KMS, as far as keys that sign need it: AWS JSON 1.1 over HTTP.
//!
//! Stricter than it must be to work: where the service refuses, this refuses, in the same words.

mod api;
mod disk;
mod error;
mod material;
mod mu;
mod signing;
mod spec;
mod store;

use std::{
    fs::File,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{Request, Response, StatusCode, body::Bytes};
use serde_json::Value;
use tokio::net::TcpListener;
use uuid::Uuid;

use self::{error::KmsError, store::Store};
use crate::http::{self, Server};

pub(crate) use self::store::ACCOUNT;

/// A KMS of one account and one Region.
#[derive(Debug)]
pub struct Kms {
    server: Server,
    state: Arc<State>,
}

struct State {
    store: Mutex<Store>,
    /// Where the store is kept, if it is to outlive the process.
    file: Option<PathBuf>,
    _lock: Option<File>,
    calls: AtomicU64,
}

impl Kms {
    /// Serves on this listener until it is dropped, with what is in the file, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read, or the listener has no address.
    pub fn start(listener: TcpListener, region: &str, file: Option<PathBuf>) -> io::Result<Self> {
        let mut store = Store::new(region);
        let lock = match &file {
            Some(file) => {
                let lock = disk::lock(file)?;
                disk::load(&mut store, file)?;
                Some(lock)
            }
            None => None,
        };
        let state = Arc::new(State {
            store: Mutex::new(store),
            file,
            _lock: lock,
            calls: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        let server = Server::start(listener, MAX_BYTES, move |request| {
            let state = Arc::clone(&shared);
            async move { state.answer(&request) }
        })?;
        Ok(Self { server, state })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// How many requests came over the network so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// Performs an operation without the network: not counted among the calls.
    ///
    /// # Errors
    /// The error that KMS would answer with, in words.
    pub fn perform(&self, operation: &str, input: &Value) -> Result<Value, String> {
        let answer = self.state.perform(operation, input.to_string().as_bytes());
        answer.map_err(|error| format!("{}: {}", error.code, error.message))
    }
}

impl State {
    /// Performs the operation, and keeps what it changed before it says so.
    fn perform(&self, operation: &str, body: &[u8]) -> Result<Value, KmsError> {
        let answer = api::perform(&self.store, operation, body)?;
        if let (Some(file), true) = (&self.file, api::changes(operation)) {
            disk::save(&lock(&self.store), file)
                .map_err(|error| KmsError::new("KMSInternalException", error.to_string()))?;
        }
        Ok(answer)
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.strip_prefix("TrentService."));
        let answer = match operation {
            Some(operation) => self.perform(operation, request.body()),
            None => Err(KmsError::new("UnknownOperationException", "")),
        };
        let mut response = match answer {
            Ok(answer) => {
                let body = if answer.is_null() { String::new() } else { answer.to_string() };
                let content_type = [("content-type", "application/x-amz-json-1.1")];
                http::respond(StatusCode::OK, &content_type, body)
            }
            Err(error) => error.response(),
        };
        if let Ok(id) = Uuid::new_v4().to_string().parse() {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// Every change of the store is whole when its lock is given up, even by a panic.
fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Far over any request with a message of 4096 bytes.
const MAX_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::*;

    fn state() -> State {
        State {
            store: Mutex::new(Store::new("us-east-1")),
            file: None,
            _lock: None,
            calls: AtomicU64::new(0),
        }
    }

    impl State {
        fn call(&self, operation: &str, input: &Value) -> Result<Value, &'static str> {
            let answer = self.perform(operation, input.to_string().as_bytes());
            answer.map_err(|error| error.code)
        }

        fn create(&self, spec: &str, usage: &str) -> String {
            let input = json!({"KeySpec": spec, "KeyUsage": usage});
            let key = self.call("CreateKey", &input).unwrap();
            key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
        }
    }

    /// A request to Sign, with some of its members changed.
    fn signing(key: &str, changes: Value) -> Value {
        let mut input = json!({
            "KeyId": key,
            "Message": STANDARD.encode("message"),
            "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256",
        });
        let Value::Object(changes) = changes else { panic!("an object") };
        input.as_object_mut().unwrap().extend(changes);
        input
    }

    #[test]
    fn what_sign_refuses() {
        let state = state();
        let (key, encrypting) =
            (state.create("RSA_2048", "SIGN_VERIFY"), state.create("RSA_2048", "ENCRYPT_DECRYPT"));
        let symmetric = state.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        let bytes = |bytes: usize| STANDARD.encode(vec![0; bytes]);
        let of = |changes: Value| signing(&key, changes);
        let rows = [
            ("RAW", of(json!({})), None),
            ("4096 bytes", of(json!({"Message": bytes(4096)})), None),
            ("4097 bytes", of(json!({"Message": bytes(4097)})), Some("ValidationException")),
            ("no bytes", of(json!({"Message": ""})), Some("ValidationException")),
            ("a digest", of(json!({"Message": bytes(32), "MessageType": "DIGEST"})), None),
            (
                "a short digest",
                of(json!({"Message": bytes(31), "MessageType": "DIGEST"})),
                Some("ValidationException"),
            ),
            (
                "a digest of another hash",
                of(json!({"Message": bytes(48), "MessageType": "DIGEST"})),
                Some("ValidationException"),
            ),
            ("a made-up type", of(json!({"MessageType": "WHOLE"})), Some("ValidationException")),
            (
                "a made-up algorithm",
                of(json!({"SigningAlgorithm": "RS256"})),
                Some("ValidationException"),
            ),
            ("not base64", of(json!({"Message": "?"})), Some("SerializationException")),
            ("a number", of(json!({"Message": 1})), Some("SerializationException")),
            ("a dry run", of(json!({"DryRun": true})), Some("DryRunOperationException")),
            ("no key", of(json!({"KeyId": null})), Some("ValidationException")),
            (
                "an unknown key",
                signing("00000000-0000-0000-0000-000000000000", json!({})),
                Some("NotFoundException"),
            ),
            ("half an ARN", signing(&format!("key/{key}"), json!({})), Some("NotFoundException")),
            (
                "another kind's algorithm",
                of(json!({"SigningAlgorithm": "ECDSA_SHA_256"})),
                Some("InvalidKeyUsageException"),
            ),
            ("an unknown alias", signing("alias/nobody", json!({})), Some("NotFoundException")),
            (
                "another account's key",
                signing(&format!("arn:aws:kms:us-east-1:111122223333:key/{key}"), json!({})),
                Some("NotFoundException"),
            ),
            (
                "a key for encryption",
                signing(&encrypting, json!({})),
                Some("InvalidKeyUsageException"),
            ),
            ("a symmetric key", signing(&symmetric, json!({})), Some("InvalidKeyUsageException")),
        ];
        for (name, input, expected) in rows {
            assert_eq!(state.call("Sign", &input).err(), expected, "{name}");
        }
    }

    #[test]
    fn every_algorithm_signs_and_verifies_every_form_of_a_message() {
        let state = state();
        for spec in spec::Spec::ALL.into_iter().skip(1) {
            let key = state.create(spec.name(), "SIGN_VERIFY");
            for algorithm in spec.signing_algorithms() {
                let case = format!("{} {}", spec.name(), algorithm.name());
                let with = |message: &[u8], kind: &str| {
                    signing(
                        &key,
                        json!({
                            "SigningAlgorithm": algorithm.name(),
                            "Message": STANDARD.encode(message),
                            "MessageType": kind,
                        }),
                    )
                };
                let verify = |mut request: Value, signed: &Value| {
                    request["Signature"] = signed["Signature"].clone();
                    state.call("Verify", &request).map(|answer| answer["SignatureValid"] == true)
                };
                let raw = with(b"message", "RAW");
                let signed = state.call("Sign", &raw).unwrap();
                assert_eq!(verify(raw, &signed), Ok(true), "{case}");
                let other = with(b"massage", "RAW");
                assert_eq!(verify(other, &signed), Err("KMSInvalidSignatureException"), "{case}");
                for (kind, bytes) in [
                    ("DIGEST", vec![7; 32]),
                    ("DIGEST", vec![7; 48]),
                    ("DIGEST", vec![7; 64]),
                    ("EXTERNAL_MU", vec![7; 64]),
                    ("EXTERNAL_MU", vec![7; 63]),
                ] {
                    let taken = match (algorithm.name(), kind, bytes.len()) {
                        ("ED25519_SHA_512", ..) => false,
                        ("ML_DSA_SHAKE_256", kind, length) => kind == "EXTERNAL_MU" && length == 64,
                        (name, "DIGEST", length) => name.ends_with(&format!("SHA_{}", 8 * length)),
                        _ => false,
                    };
                    let request = with(&bytes, kind);
                    let case = format!("{case} {kind} {}", bytes.len());
                    match state.call("Sign", &request) {
                        Ok(signed) => {
                            assert!(taken, "{case}");
                            assert_eq!(verify(request, &signed), Ok(true), "{case}");
                            let other = with(&vec![8; bytes.len()], kind);
                            assert_eq!(
                                verify(other, &signed),
                                Err("KMSInvalidSignatureException"),
                                "{case}"
                            );
                        }
                        Err(code) => {
                            assert_eq!((taken, code), (false, "ValidationException"), "{case}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_spec_has_its_algorithms_and_uses() {
        let state = state();
        let p256 = state.create("ECC_NIST_P256", "SIGN_VERIFY");
        let wrong = signing(&p256, json!({"SigningAlgorithm": "ECDSA_SHA_384"}));
        assert_eq!(state.call("Sign", &wrong), Err("InvalidKeyUsageException"));
        let rows = [
            ("ECC_NIST_P256", "ENCRYPT_DECRYPT", Some("ValidationException")),
            ("ML_DSA_44", "ENCRYPT_DECRYPT", Some("ValidationException")),
            ("SYMMETRIC_DEFAULT", "SIGN_VERIFY", Some("ValidationException")),
            ("RSA_2048", "ENCRYPT_DECRYPT", None),
            ("RSA_1024", "SIGN_VERIFY", Some("ValidationException")),
            ("RSA_2048", "", Some("ValidationException")),
            ("SM2", "SIGN_VERIFY", Some("UnsupportedOperationException")),
        ];
        for (spec, usage, expected) in rows {
            let created = state.call(
                "CreateKey",
                &match usage {
                    "" => json!({"KeySpec": spec}),
                    usage => json!({"KeySpec": spec, "KeyUsage": usage}),
                },
            );
            assert_eq!(created.err(), expected, "{spec} {usage}");
        }
    }

    #[test]
    fn states() {
        let state = state();
        let id = state.create("RSA_2048", "SIGN_VERIFY");
        let key = json!({"KeyId": id});
        let (sign, alias) =
            (signing(&id, json!({})), json!({"AliasName": "alias/a", "TargetKeyId": id}));
        let rows = [
            ("CancelKeyDeletion", &key, Some("KMSInvalidStateException")),
            ("DisableKey", &key, None),
            ("DisableKey", &key, None),
            ("Sign", &sign, Some("DisabledException")),
            ("GetPublicKey", &key, Some("DisabledException")),
            ("DescribeKey", &key, None),
            ("EnableKey", &key, None),
            ("GetPublicKey", &key, None),
            ("CreateAlias", &alias, None),
            ("CreateAlias", &alias, Some("AlreadyExistsException")),
            (
                "ScheduleKeyDeletion",
                &json!({"KeyId": id, "PendingWindowInDays": 6}),
                Some("ValidationException"),
            ),
            ("ScheduleKeyDeletion", &json!({"KeyId": "alias/a"}), Some("ValidationException")),
            ("DisableKey", &json!({"KeyId": "alias/a"}), Some("ValidationException")),
            ("ScheduleKeyDeletion", &key, None),
            ("ScheduleKeyDeletion", &key, Some("KMSInvalidStateException")),
            ("Sign", &sign, Some("KMSInvalidStateException")),
            ("GetPublicKey", &key, Some("KMSInvalidStateException")),
            ("EnableKey", &key, Some("KMSInvalidStateException")),
            ("TagResource", &key, Some("KMSInvalidStateException")),
            ("PutKeyPolicy", &key, Some("ValidationException")),
            ("UpdateAlias", &alias, Some("KMSInvalidStateException")),
            ("CancelKeyDeletion", &key, None),
            ("Sign", &sign, Some("DisabledException")),
            ("EnableKey", &key, None),
            ("Sign", &sign, None),
            ("EnableKeyRotation", &key, Some("UnknownOperationException")),
        ];
        for (step, (operation, input, expected)) in rows.into_iter().enumerate() {
            assert_eq!(state.call(operation, input).err(), expected, "{step}: {operation}");
        }
    }

    #[test]
    fn aliases() {
        let state = state();
        let (one, other) =
            (state.create("RSA_2048", "SIGN_VERIFY"), state.create("RSA_3072", "SIGN_VERIFY"));
        let symmetric = state.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT");
        let encrypting = state.create("RSA_2048", "ENCRYPT_DECRYPT");
        let alias = |name: &str, key: &str| json!({"AliasName": name, "TargetKeyId": key});
        let rows = [
            ("UpdateAlias", alias("alias/a", &one), Some("NotFoundException")),
            ("CreateAlias", alias("alias/a", &one), None),
            ("UpdateAlias", alias("alias/a", &other), None),
            ("UpdateAlias", alias("alias/a", &symmetric), Some("ValidationException")),
            ("UpdateAlias", alias("alias/a", &encrypting), Some("ValidationException")),
            ("CreateAlias", alias("a", &one), Some("ValidationException")),
            ("CreateAlias", alias("alias/", &one), Some("ValidationException")),
            ("CreateAlias", alias("alias/a b", &one), Some("ValidationException")),
            ("CreateAlias", alias("alias/aws/a", &one), Some("NotAuthorizedException")),
            ("CreateAlias", alias("alias/b", "nobody"), Some("NotFoundException")),
            ("CreateAlias", alias("alias/b", "alias/a"), Some("ValidationException")),
            ("CreateAlias", alias("alias/b", &one), None),
        ];
        for (step, (operation, input, expected)) in rows.iter().enumerate() {
            assert_eq!(
                state.call(operation, input).err(),
                *expected,
                "{step}: {operation} {input}"
            );
        }
        let names = |input: Value| {
            let answer = state.call("ListAliases", &input).unwrap();
            let rows = answer["Aliases"].as_array().unwrap();
            let pair = |row: &Value| {
                let text = |name: &str| row[name].as_str().unwrap().to_owned();
                (text("AliasName"), text("TargetKeyId"))
            };
            let marker = answer["NextMarker"].as_str().map(str::to_owned);
            (rows.iter().map(pair).collect::<BTreeMap<_, _>>(), marker)
        };
        let (a, b) = (("alias/a".to_owned(), other), ("alias/b".to_owned(), one.clone()));
        assert_eq!(names(json!({})), ([a.clone(), b.clone()].into(), None));
        assert_eq!(names(json!({"Limit": 1})), ([a].into(), Some("alias/a".into())));
        assert_eq!(names(json!({"Limit": 1, "Marker": "alias/a"})), ([b.clone()].into(), None));
        assert_eq!(names(json!({"KeyId": one})), ([b].into(), None));
        assert!(state.call("DeleteAlias", &json!({"AliasName": "alias/a"})).is_ok());
        let gone = state.call("DescribeKey", &json!({"KeyId": "alias/a"}));
        assert_eq!(gone, Err("NotFoundException"));
    }

    #[test]
    fn what_is_kept_on_disk_comes_back() {
        let folder = std::env::temp_dir().join(format!("countersign-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("kms.json");
        let state = State { file: Some(file.clone()), ..state() };
        let key = state.create("RSA_2048", "SIGN_VERIFY");
        let alias = json!({"AliasName": "alias/a", "TargetKeyId": key});
        state.call("CreateAlias", &alias).unwrap();
        let mut verify = signing("alias/a", json!({}));
        verify["Signature"] = state.call("Sign", &verify).unwrap()["Signature"].clone();
        let mut store = Store::new("us-east-1");
        disk::load(&mut store, &file).unwrap();
        let again =
            State { store: Mutex::new(store), file: None, _lock: None, calls: AtomicU64::new(0) };
        assert_eq!(again.call("Verify", &verify).unwrap()["SignatureValid"], true);
        let mode = std::fs::metadata(&file).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
        let first = disk::lock(&file).unwrap();
        assert!(disk::lock(&file).is_err());
        drop(first);
        std::fs::write(&file, "{").unwrap();
        assert!(disk::load(&mut Store::new("us-east-1"), &file).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
