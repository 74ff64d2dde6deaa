//! Signatures of requests to AWS (Signature Version 4, "Create a signed AWS API request").
//!
//! The SDK's own signer derives its key from the secret for each request, with a hash in portable
//! code. The key is of one day: here it is derived once, and the hash is the CPU's.

use std::{
    fmt::{self, Write},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac::{self, HMAC_SHA256},
};
use aws_sdk_kms::config::Credentials;

/// Signs for one service of one Region.
pub(crate) struct Signer {
    region: String,
    service: &'static str,
    derived: Mutex<Option<Derived>>,
}

/// The key of a day.
struct Derived {
    date: String,
    access_key_id: String,
    key: hmac::Key,
}

/// What of a request is signed. It is a POST, and its URL has no query.
pub(crate) struct Signable<'a> {
    pub(crate) path: &'a str,
    /// By name, in lower case and in their order. Values have no spaces but single ones in between.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

/// A moment as signatures have it: `20150830T123600Z`.
pub(crate) fn timestamp(time: SystemTime) -> String {
    // There is no time before that here, and none that is centuries ahead.
    let time = time.max(UNIX_EPOCH);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

impl Signer {
    pub(crate) fn new(region: &str, service: &'static str) -> Self {
        Self { region: region.to_owned(), service, derived: Mutex::default() }
    }

    /// The `authorization` of a request. Its headers have this [`timestamp`] as `x-amz-date`.
    pub(crate) fn authorization(
        &self,
        request: &Signable<'_>,
        timestamp: &str,
        credentials: &Credentials,
    ) -> String {
        let date = timestamp.split('T').next().unwrap_or_default();
        let mut names = String::with_capacity(128);
        let length: usize =
            request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let mut canonical = String::with_capacity(length + 256);
        canonical.push_str("POST\n");
        encode(request.path, &mut canonical);
        canonical.push_str("\n\n");
        for (name, value) in request.headers {
            for text in [*name, ":", *value, "\n"] {
                canonical.push_str(text);
            }
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name);
        }
        for text in ["\n", &*names, "\n"] {
            canonical.push_str(text);
        }
        hex(digest(&SHA256, request.body).as_ref(), &mut canonical);
        let scope = [date, &*self.region, self.service, "aws4_request"].join("/");
        let mut to_sign = ["AWS4-HMAC-SHA256", timestamp, &*scope, ""].join("\n");
        hex(digest(&SHA256, canonical.as_bytes()).as_ref(), &mut to_sign);
        let signature = self.sign(to_sign.as_bytes(), date, credentials);
        let id = credentials.access_key_id();
        let parts = [
            "AWS4-HMAC-SHA256 Credential=",
            id,
            "/",
            &scope,
            ", SignedHeaders=",
            &names,
            ", Signature=",
        ];
        let mut authorization = String::with_capacity(256);
        authorization.extend(parts);
        hex(signature.as_ref(), &mut authorization);
        authorization
    }

    fn sign(&self, message: &[u8], date: &str, credentials: &Credentials) -> hmac::Tag {
        let access_key_id = credentials.access_key_id();
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*derived
            && known.date == date
            && known.access_key_id == access_key_id
        {
            return hmac::sign(&known.key, message);
        }
        let secret = format!("AWS4{}", credentials.secret_access_key());
        let mut key = hmac::Key::new(HMAC_SHA256, secret.as_bytes());
        for part in [date, &self.region, self.service, "aws4_request"] {
            key = hmac::Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        let signature = hmac::sign(&key, message);
        let (date, access_key_id) = (date.to_owned(), access_key_id.to_owned());
        *derived = Some(Derived { date, access_key_id, key });
        signature
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

/// The path once more in percent-encoding, on top of what it has: of all services but S3 that is
/// what is signed.
fn encode(path: &str, output: &mut String) {
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            output.push(char::from(byte));
        } else {
            let _ = write!(output, "%{byte:02X}");
        }
    }
}

fn hex(bytes: &[u8], output: &mut String) {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    for byte in bytes {
        output.push(digit(byte >> 4));
        output.push(digit(byte & 15));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign},
        sign::v4,
    };
    use proptest::prelude::*;

    use super::*;

    /// AWS's own examples ("Signature Version 4 test suite": post-vanilla, post-sts-header-before).
    #[test]
    fn signatures_that_aws_has_published() {
        let timestamp = "20150830T123600Z";
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let rows = [
            (
                None,
                "host;x-amz-date",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                Some(token),
                "host;x-amz-date;x-amz-security-token",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
        ];
        for (token, names, expected) in rows {
            let mut headers = vec![("host", "example.amazonaws.com"), ("x-amz-date", timestamp)];
            headers.extend(token.map(|token| ("x-amz-security-token", token)));
            let credentials =
                Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test");
            let request = Signable { path: "/", headers: &headers, body: b"" };
            let signer = Signer::new("us-east-1", "service");
            assert_eq!(
                signer.authorization(&request, timestamp, &credentials),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/\
                     aws4_request, SignedHeaders={names}, Signature={expected}"
                )
            );
        }
    }

    #[test]
    fn a_key_serves_for_one_day_and_one_access_key() {
        let signer = Signer::new("us-east-1", "kms");
        let first = Credentials::new("a", "secret", None, None, "test");
        let second = Credentials::new("b", "other", None, None, "test");
        let request = Signable { path: "/", headers: &[("host", "kms")], body: b"" };
        let rows = [
            ("20150830T123600Z", &first),
            ("20150830T235959Z", &first),
            ("20150831T000000Z", &first),
            ("20150831T000000Z", &second),
            ("20150830T123600Z", &first),
        ];
        for (timestamp, credentials) in rows {
            let fresh = Signer::new("us-east-1", "kms");
            assert_eq!(
                signer.authorization(&request, timestamp, credentials),
                fresh.authorization(&request, timestamp, credentials),
            );
        }
    }

    #[test]
    fn timestamps() {
        let rows = [
            (0, "19700101T000000Z"),
            (951_827_696, "20000229T123456Z"),
            (4_102_444_799, "20991231T235959Z"),
        ];
        for (seconds, expected) in rows {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(timestamp(time), expected);
            assert_eq!(timestamp(time + Duration::from_millis(999)), expected);
        }
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), "19700101T000000Z");
    }

    proptest! {
        #[test]
        fn signatures_are_those_of_the_sdk(
            secret in "[A-Za-z0-9/+]{1,60}",
            token in prop::option::of("[A-Za-z0-9/+=]{1,900}"),
            region in "[a-z]{2}-[a-z]{4,9}-[1-9]",
            host in "[a-z0-9.-]{1,40}(:[1-9][0-9]{0,3})?",
            path in "(/[A-Za-z0-9._~%!$&'()*+,;=:@-]{1,8}){0,3}/",
            body in prop::collection::vec(any::<u8>(), 0..2000),
            seconds in 0_u64..4_000_000_000,
        ) {
            // A segment of dots is not one: what AWS does with it is no matter here.
            prop_assume!(!path.split('/').any(|part| part == "." || part == ".."));
            let path = path.replace('%', "%25");
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let timestamp = timestamp(time);
            let credentials = Credentials::new("AKID", secret, token.clone(), None, "test");
            let mut headers = vec![
                ("content-type", "application/x-amz-json-1.1"),
                ("host", &*host),
                ("x-amz-date", &*timestamp),
                ("x-amz-target", "TrentService.Verify"),
            ];
            if let Some(token) = &token {
                headers.insert(3, ("x-amz-security-token", token));
            }
            let request = Signable { path: &path, headers: &headers, body: &body };
            let ours = Signer::new(&region, "kms").authorization(&request, &timestamp, &credentials);

            let identity = credentials.into();
            let params = v4::SigningParams::builder()
                .identity(&identity)
                .region(&region)
                .name("kms")
                .time(time)
                .settings(SigningSettings::default())
                .build()
                .unwrap();
            let given = headers.iter().copied();
            let given = given.filter(|(name, _)| !matches!(*name, "x-amz-date" | "x-amz-security-token"));
            let url = format!("https://{host}{path}");
            let request =
                SignableRequest::new("POST", url, given, SignableBody::Bytes(&body)).unwrap();
            let signed = sign(request, &SigningParams::V4(params)).unwrap();
            let (instructions, _) = signed.into_parts();
            let theirs = instructions.headers().find(|(name, _)| *name == "authorization");
            prop_assert_eq!(Some(&*ours), theirs.map(|(_, value)| value));
        }
    }
}
