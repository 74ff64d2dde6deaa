//! The first request, whose token KMS verifies while the ring is loaded.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_kms::{Cause, Keyring, KmsVerifier, RequestMetrics, SignatureCache, Verification};
use jwt::{Algorithm, Curve, Rejection, SignedParts, Verifier};
use local::kms::Kms;
use serde_json::{Value, json};

use crate::support::{
    ALIAS, HOUR, PREVIOUS, add_neighbors, client, create_key, keyring_at, kms, local_verifier,
    move_alias, serve, verifier,
};

/// A request to KMS: the operation, and whether it names the key by an alias.
type Call = (String, bool);
fn is_early((operation, by_alias): &Call) -> bool {
    operation == "Verify" && *by_alias
}

/// Replaces the response of a call. `None` performs it.
type Replace = dyn Fn(&Kms, &Call, &Value) -> Option<(u16, String)> + Send + Sync;

fn perform(kms: &Kms, operation: &str, input: &Value) -> (u16, String) {
    match kms.perform(operation, input) {
        Ok(output) => (200, output.to_string()),
        Err(error) => {
            let code = error.split(':').next().unwrap();
            (400, json!({"__type": code}).to_string())
        }
    }
}

/// A KMS that records its calls, and in which the responses to some of them are replaced.
struct RecordedKms {
    kms: Arc<Kms>,
    endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl RecordedKms {
    fn new(kms: Kms, replace: Box<Replace>) -> Self {
        let (kms, calls) = (Arc::new(kms), Arc::new(Mutex::new(Vec::new())));
        let (of_server, recorded) = (Arc::clone(&kms), Arc::clone(&calls));
        let endpoint = serve(move |request| {
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let target = head.lines().find_map(|line| line.split_once("TrentService.")).unwrap();
            let (operation, input) =
                (target.1.trim(), serde_json::from_str::<Value>(body).unwrap());
            let by_alias = input["KeyId"].as_str().unwrap().starts_with("alias/");
            let call = (operation.to_owned(), by_alias);
            let replaced = replace(&of_server, &call, &input);
            recorded.lock().unwrap().push(call);
            replaced.unwrap_or_else(|| perform(&of_server, operation, &input))
        });
        Self { kms, endpoint, calls }
    }

    fn unchanged(kms: Kms) -> Self {
        Self::new(kms, Box::new(|_, _, _| None))
    }

    /// The number of calls to Verify by an alias, and with the ARN of a key.
    fn verifications(&self) -> (usize, usize) {
        let calls = self.calls.lock().unwrap();
        let count = |by_alias| {
            calls.iter().filter(|call| **call == ("Verify".to_owned(), by_alias)).count()
        };
        (count(true), count(false))
    }

    fn id_of(&self, name: &str) -> String {
        let output = self.kms.perform("DescribeKey", &json!({"KeyId": name})).unwrap();
        output["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    /// Parts that the key under this name has signed.
    fn signed_by(&self, name: &str, algorithm: Algorithm) -> SignedParts<'static> {
        let input = json!({
            "KeyId": name, "Message": STANDARD.encode("a.b"),
            "SigningAlgorithm": algorithm.kms_name(),
        });
        let output = self.kms.perform("Sign", &input).unwrap();
        let signature = STANDARD.decode(output["Signature"].as_str().unwrap()).unwrap();
        let signature = match algorithm {
            Algorithm::Es256 => Curve::P256.from_der(&signature).unwrap(),
            Algorithm::Es384 => Curve::P384.from_der(&signature).unwrap(),
            Algorithm::Es512 => Curve::P521.from_der(&signature).unwrap(),
            Algorithm::Es256k => Curve::Secp256k1.from_der(&signature).unwrap(),
            _ => signature,
        };
        let key_id = Some(self.id_of(name));
        SignedParts { algorithm, key_id, signing_input: "a.b", signature }
    }
}

type Verified = Result<Result<(), Rejection>, Cause>;

/// Verifies parts while the ring is loaded.
async fn verify_first(verifier: KmsVerifier<'_>, parts: &SignedParts<'_>) -> Verified {
    let (_, verified) = tokio::join!(verifier.keyring.prepare(), verifier.verify(parts));
    verified.map_err(|fault| fault.cause)
}

fn copy(parts: &SignedParts<'static>) -> SignedParts<'static> {
    let SignedParts { algorithm, signing_input, .. } = *parts;
    let (key_id, signature) = (parts.key_id.clone(), parts.signature.clone());
    SignedParts { algorithm, key_id, signing_input, signature }
}

fn invalid(parts: SignedParts<'_>) -> SignedParts<'_> {
    let mut signature = parts.signature.clone();
    *signature.last_mut().unwrap() ^= 1;
    SignedParts { signature, ..parts }
}

const YES: Verified = Ok(Ok(()));
const MOVED: &str = "alias/moved";
const NO: Verified = Ok(Err(Rejection::Signature));

#[tokio::test]
async fn valid_signature_of_the_current_key_costs_one_call_in_addition_to_the_load() {
    let kms = RecordedKms::unchanged(kms().await);
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    let parts = kms.signed_by(ALIAS, Algorithm::Rs256);
    let metrics = RequestMetrics::default();
    let verifier = KmsVerifier { metrics: &metrics, ..verifier(&keyring) };
    assert_eq!(verify_first(verifier, &parts).await, YES);
    assert_eq!(kms.verifications(), (1, 0));
    assert!(metrics.kms_time().is_some(), "the call is measured");
    assert_eq!(verifier.verify(&parts).await.unwrap(), Ok(()));
    assert_eq!(kms.verifications(), (1, 1), "only the first request verifies by alias");
}

/// KMS uses one name for several algorithms, such as ES256 and ES256K. A signature with one of them is verified with the
/// loaded key only.
#[tokio::test]
async fn token_without_kid_or_with_an_ambiguous_algorithm_waits_for_the_ring() {
    let early = (1, 0);
    let late = (0, 1);
    let rows = [
        ("RSA_2048", Algorithm::Rs256, early),
        ("RSA_2048", Algorithm::Ps512, early),
        ("ECC_NIST_P384", Algorithm::Es384, early),
        ("ECC_NIST_P521", Algorithm::Es512, early),
        ("ECC_NIST_EDWARDS25519", Algorithm::Ed25519, early),
        ("ECC_NIST_P256", Algorithm::Es256, late),
        ("ECC_SECG_P256K1", Algorithm::Es256k, late),
        ("ML_DSA_44", Algorithm::MlDsa44, late),
    ];
    for (spec, algorithm, expected) in rows {
        let kms = kms().await;
        let key = create_key(&kms, spec);
        move_alias(&kms, ALIAS, &key);
        let kms = RecordedKms::unchanged(kms);
        let keyring = Arc::new(Keyring::new(
            client(&kms.endpoint),
            ALIAS.parse().unwrap(),
            Some(algorithm),
            HOUR,
        ));
        let parts = kms.signed_by(ALIAS, algorithm);
        assert_eq!(verify_first(verifier(&keyring), &parts).await, YES, "{algorithm}");
        assert_eq!(kms.verifications(), expected, "{algorithm}");
    }
    let kms = RecordedKms::unchanged(kms().await);
    let parts = SignedParts { key_id: None, ..kms.signed_by(ALIAS, Algorithm::Rs256) };
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    assert_eq!(verify_first(verifier(&keyring), &parts).await, YES, "no key id");
    assert_eq!(kms.verifications(), late, "no key id");
}

#[tokio::test]
async fn local_verification_and_a_loaded_ring_never_verify_by_alias() {
    let kms = RecordedKms::unchanged(kms().await);
    let parts = kms.signed_by(ALIAS, Algorithm::Rs256);
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    assert_eq!(verify_first(local_verifier(&keyring), &parts).await, YES);
    assert_eq!(kms.verifications(), (0, 0));
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    keyring.prepare().await.unwrap();
    assert_eq!(verifier(&keyring).verify(&parts).await.unwrap(), Ok(()));
    assert_eq!(kms.verifications(), (0, 1), "after the load");
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    assert_eq!(verifier(&keyring).verify(&parts).await.unwrap(), Ok(()));
    assert_eq!(kms.verifications(), (0, 2), "a ring that a request loads");
}

/// A token of a key under another alias is verified with the ARN of that key.
#[tokio::test]
async fn token_is_verified_with_the_key_that_it_names() {
    let kms = kms().await;
    add_neighbors(&kms);
    let stranger = create_key(&kms, "RSA_2048");
    let kms = RecordedKms::unchanged(kms);
    let of_current = kms.signed_by(ALIAS, Algorithm::Rs256);
    let of_previous = kms.signed_by(PREVIOUS, Algorithm::Rs256);
    let of_stranger = kms.signed_by(&stranger, Algorithm::Rs256);
    let named = |parts: &SignedParts<'static>, key: &SignedParts<'static>| SignedParts {
        key_id: key.key_id.clone(),
        ..copy(parts)
    };
    let unknown = Ok(Err(Rejection::UnknownKey));
    let wrong =
        Ok(Err(Rejection::WrongAlgorithm { key: Algorithm::Rs256, token: Algorithm::Ps256 }));
    let of_ps256 = kms.signed_by(ALIAS, Algorithm::Ps256);
    let rows = [
        ("the previous key", copy(&of_previous), YES, (1, 1)),
        ("the previous key, signed by the current", named(&of_current, &of_previous), NO, (1, 1)),
        ("the current key, signed by the previous", named(&of_previous, &of_current), NO, (1, 0)),
        ("an unknown key", copy(&of_stranger), unknown, (1, 0)),
        (
            "an unknown key, signed by the current",
            named(&of_current, &of_stranger),
            unknown,
            (1, 0),
        ),
        ("a forged signature", invalid(copy(&of_current)), NO, (1, 0)),
        ("an algorithm that is not the ring's", of_ps256, wrong, (1, 0)),
    ];
    for (name, parts, expected, verifications) in rows {
        kms.calls.lock().unwrap().clear();
        let keyring = keyring_at(&kms.endpoint, ALIAS);
        assert_eq!(verify_first(verifier(&keyring), &parts).await, expected, "{name}");
        assert_eq!(kms.verifications(), verifications, "{name}");
    }
}

#[tokio::test]
async fn algorithm_other_than_the_configured_one_is_not_verified_by_alias() {
    let kms = RecordedKms::unchanged(kms().await);
    let parts = kms.signed_by(ALIAS, Algorithm::Rs256);
    let client = client(&kms.endpoint);
    let algorithm = Some(Algorithm::Ps256);
    let keyring = Arc::new(Keyring::new(client, ALIAS.parse().unwrap(), algorithm, HOUR));
    let rejection = Rejection::WrongAlgorithm { key: Algorithm::Ps256, token: Algorithm::Rs256 };
    assert_eq!(verify_first(verifier(&keyring), &parts).await, Ok(Err(rejection)));
    assert_eq!(kms.verifications(), (0, 0));
}

/// Only a valid signature for the token's key and algorithm, or a transient fault, counts.
#[tokio::test]
async fn response_by_alias_counts_only_if_valid_or_a_transient_fault() {
    const OTHER: &str =
        "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";
    let error = |status, code: &str| (status, json!({"__type": code}).to_string());
    let yes = |key: &str, algorithm: &str| {
        let yes = json!({"KeyId": key, "SignatureValid": true, "SigningAlgorithm": algorithm});
        (200, yes.to_string())
    };
    let rsa = Algorithm::Rs256.kms_name();
    let (once, again) = ((1, 0), (1, 1));
    let rows = [
        ("another key", yes(OTHER, rsa), YES, again),
        ("the alias", yes(ALIAS, rsa), YES, again),
        ("another algorithm", yes("ARN", Algorithm::Rs512.kms_name()), YES, again),
        ("no key", (200, r#"{"SignatureValid":true}"#.to_owned()), YES, again),
        ("empty", (200, String::new()), YES, again),
        ("denied", error(400, "AccessDeniedException"), YES, again),
        ("no such alias", error(400, "NotFoundException"), YES, again),
        ("disabled", error(400, "DisabledException"), YES, again),
        ("refused", error(400, "ValidationException"), YES, again),
        ("invalid signature", error(400, "KMSInvalidSignatureException"), YES, again),
        ("throttled", error(400, "ThrottlingException"), Err(Cause::Throttled), once),
        ("unavailable", error(500, "KMSInternalException"), Err(Cause::Unavailable), once),
        ("a page of a proxy", (503, "<html>".to_owned()), Err(Cause::Unreachable), once),
    ];
    for (name, (status, body), expected, verifications) in rows {
        let kms = kms().await;
        let arn = kms.perform("DescribeKey", &json!({"KeyId": ALIAS})).unwrap();
        let arn = arn["KeyMetadata"]["Arn"].as_str().unwrap();
        let body = body.replace("ARN", arn);
        let replace =
            move |_: &Kms, call: &Call, _: &Value| is_early(call).then(|| (status, body.clone()));
        let kms = RecordedKms::new(kms, Box::new(replace));
        let parts = kms.signed_by(ALIAS, Algorithm::Rs256);
        let keyring = keyring_at(&kms.endpoint, ALIAS);
        assert_eq!(verify_first(verifier(&keyring), &parts).await, expected, "{name}");
        let (by_alias, by_arn) = kms.verifications();
        // A transient fault is tried several times.
        assert_eq!((by_alias.min(1), by_arn), verifications, "{name}");
    }
}

/// A transient fault of the current key does not affect a token of another key.
#[tokio::test]
async fn fault_by_alias_does_not_affect_the_token_of_another_key() {
    let kms = kms().await;
    add_neighbors(&kms);
    let replace = |_: &Kms, call: &Call, _: &Value| {
        let error = json!({"__type": "KeyUnavailableException"}).to_string();
        is_early(call).then_some((500, error))
    };
    let kms = RecordedKms::new(kms, Box::new(replace));
    let parts = kms.signed_by(PREVIOUS, Algorithm::Rs256);
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    assert_eq!(verify_first(verifier(&keyring), &parts).await, YES);
}

#[tokio::test]
async fn token_that_its_key_cannot_have_signed_is_rejected_despite_a_fault() {
    let replace = |_: &Kms, call: &Call, _: &Value| {
        let error = json!({"__type": "ThrottlingException"}).to_string();
        is_early(call).then_some((400, error))
    };
    let kms = RecordedKms::new(kms().await, Box::new(replace));
    let parts = kms.signed_by(ALIAS, Algorithm::Ps256);
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    let rejection = Rejection::WrongAlgorithm { key: Algorithm::Rs256, token: Algorithm::Ps256 };
    assert_eq!(verify_first(verifier(&keyring), &parts).await, Ok(Err(rejection)));
}

/// An invalid signature under the alias does not count against the token's key: the next forged token is the first.
#[tokio::test]
async fn valid_token_of_another_key_does_not_count_as_forged() {
    let kms = kms().await;
    add_neighbors(&kms);
    let kms = RecordedKms::unchanged(kms);
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    let of_previous = kms.signed_by(PREVIOUS, Algorithm::Rs256);
    assert_eq!(verify_first(verifier(&keyring), &of_previous).await, YES);
    let forged = invalid(kms.signed_by(ALIAS, Algorithm::Rs256));
    for calls in [2, 2] {
        assert_eq!(verifier(&keyring).verify(&forged).await.unwrap(), Err(Rejection::Signature));
        assert_eq!(kms.verifications(), (1, calls));
    }
}

#[tokio::test]
async fn one_of_several_first_requests_verifies_by_alias() {
    let kms = RecordedKms::unchanged(kms().await);
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    let (first, second) =
        (kms.signed_by(ALIAS, Algorithm::Rs256), kms.signed_by(ALIAS, Algorithm::Rs256));
    let verifier = verifier(&keyring);
    let (prepared, first, second) =
        tokio::join!(keyring.prepare(), verifier.verify(&first), verifier.verify(&second));
    prepared.unwrap();
    assert_eq!((first.unwrap(), second.unwrap()), (Ok(()), Ok(())));
    assert_eq!(kms.verifications(), (1, 1));
}

/// A valid signature does not count before the ring is loaded: the ring decides which keys are trusted.
#[tokio::test]
async fn signature_is_not_valid_while_the_ring_cannot_be_loaded() {
    let rows = [
        ("DisabledException", Cause::KeyState),
        ("AccessDeniedException", Cause::AccessDenied),
        ("NotFoundException", Cause::NotFound),
        ("ThrottlingException", Cause::Throttled),
    ];
    for (code, expected) in rows {
        let replace = move |_: &Kms, call: &Call, _: &Value| {
            let error = json!({"__type": code}).to_string();
            (call.0 == "GetPublicKey").then_some((400, error))
        };
        let kms = RecordedKms::new(kms().await, Box::new(replace));
        let parts = kms.signed_by(ALIAS, Algorithm::Rs256);
        let keyring = keyring_at(&kms.endpoint, ALIAS);
        assert_eq!(verify_first(verifier(&keyring), &parts).await, Err(expected), "{code}");
    }
    let kms = RecordedKms::unchanged(kms().await);
    let parts = kms.signed_by(ALIAS, Algorithm::Rs256);
    let client = client(&kms.endpoint);
    let algorithm = Some(Algorithm::Es256);
    let keyring = Arc::new(Keyring::new(client, ALIAS.parse().unwrap(), algorithm, HOUR));
    let verified = verify_first(verifier(&keyring), &parts).await;
    assert_eq!(verified, Err(Cause::UnsupportedKey));
}

/// The alias moves between the two calls: the ring that is loaded decides.
#[tokio::test]
async fn alias_that_moves_between_the_calls_is_noticed() {
    let kms = kms().await;
    let key = create_key(&kms, "RSA_2048");
    kms.perform("CreateAlias", &json!({"AliasName": MOVED, "TargetKeyId": key})).unwrap();
    // GetPublicKey sees the alias before the move, and Verify after it.
    let replace = |kms: &Kms, call: &Call, input: &Value| {
        let mut input = input.clone();
        input["KeyId"] = MOVED.into();
        is_early(call).then(|| perform(kms, "Verify", &input))
    };
    let kms = RecordedKms::new(kms, Box::new(replace));
    let named_old =
        SignedParts { key_id: Some(kms.id_of(ALIAS)), ..kms.signed_by(MOVED, Algorithm::Rs256) };
    let rows = [
        ("the old key", kms.signed_by(ALIAS, Algorithm::Rs256), YES),
        ("the old key, signed by the new", named_old, NO),
        ("the new key", kms.signed_by(MOVED, Algorithm::Rs256), Ok(Err(Rejection::UnknownKey))),
    ];
    for (name, parts, expected) in rows {
        let keyring = keyring_at(&kms.endpoint, ALIAS);
        assert_eq!(verify_first(verifier(&keyring), &parts).await, expected, "{name}");
    }
}

#[tokio::test]
async fn signature_that_was_verified_early_is_cached() {
    let kms = RecordedKms::unchanged(kms().await);
    let parts = kms.signed_by(ALIAS, Algorithm::Rs256);
    let keyring = keyring_at(&kms.endpoint, ALIAS);
    let cache = SignatureCache::new(HOUR);
    let cached = KmsVerifier {
        verification: Verification::Kms,
        signature_cache: Some(&cache),
        ..verifier(&keyring)
    };
    assert_eq!(verify_first(cached, &parts).await, YES);
    assert_eq!(cached.verify(&parts).await.unwrap(), Ok(()));
    assert_eq!(kms.verifications(), (1, 0));
}
