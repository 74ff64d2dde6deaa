//! When a call of a ring is made once more: by the SDK's rules, and when the clock was wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_sdk_kms::config::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_types::{DateTime, date_time::Format};
use kms::{Cause, Keyring, Settings, calls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Something in KMS's place that has an error for everything, and remembers what it was asked.
struct Asked {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Asked {
    async fn start(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::with_capacity(8192);
                stream.read_buf(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request).into_owned();
                let (status, answer) = answer(&request);
                seen.lock().unwrap().push(request);
                let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
                stream.write_all((head + &answer).as_bytes()).await.unwrap();
            }
        });
        Self { address, requests }
    }

    fn keyring(&self) -> Arc<Keyring> {
        self.keyring_under("", "")
    }

    fn keyring_under(&self, path: &str, token: &str) -> Arc<Keyring> {
        let mut settings: Settings = [
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_SESSION_TOKEN", token.to_owned()),
            ("AWS_ENDPOINT_URL_KMS", format!("http://{}{path}", self.address)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
        let (calls, name) = (calls(&mut settings).unwrap(), "key".parse().unwrap());
        Arc::new(Keyring::new(calls, name, None, Duration::from_nanos(1)))
    }

    /// The attempts of one call, as AWS is told of them, and what came of it.
    async fn ask(&self, keyring: &Arc<Keyring>) -> (Vec<String>, Cause) {
        let cause = keyring.ring().await.unwrap_err().cause;
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        let attempts = requests.iter().map(|request| header(request, "amz-sdk-request").to_owned());
        (attempts.collect(), cause)
    }
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_default()
}

fn error(code: &str) -> String {
    let body = format!(r#"{{"__type":"{code}"}}"#);
    format!("content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn what_is_worth_another_attempt() {
    let rows = [
        (400, "ThrottlingException", 3, Cause::Throttled),
        (500, "KMSInternalException", 3, Cause::Unavailable),
        (500, "DependencyTimeoutException", 3, Cause::Unavailable),
        (400, "NotFoundException", 1, Cause::NotFound),
        (400, "AccessDeniedException", 1, Cause::AccessDenied),
        (400, "InvalidSignatureException", 1, Cause::Refused),
        (409, "DisabledException", 1, Cause::KeyState),
    ];
    for (status, code, attempts, cause) in rows {
        let kms = Asked::start(move |_| (status, error(code))).await;
        let expected = (1..=attempts).map(|attempt| format!("attempt={attempt}; max=3")).collect();
        assert_eq!(kms.ask(&kms.keyring()).await, (expected, cause), "{code}");
    }
}

#[tokio::test]
async fn a_kms_in_trouble_is_not_asked_more_and_more() {
    let kms = Asked::start(|_| (500, error("KMSInternalException"))).await;
    let keyring = kms.keyring();
    let mut attempts = Vec::new();
    for _ in 0..60 {
        attempts.push(kms.ask(&keyring).await.0.len());
    }
    // 500 to begin with, of which each retry takes 10.
    assert_eq!(attempts.iter().map(|attempts| attempts - 1).sum::<usize>(), 50);
    assert_eq!(attempts.last(), Some(&1));
}

#[tokio::test]
async fn a_clock_is_not_corrected_beyond_the_last_attempt() {
    let asked = AtomicI64::new(0);
    let kms = Asked::start(move |_| {
        if asked.fetch_add(1, Ordering::Relaxed) < 2 {
            return (500, error("KMSInternalException"));
        }
        let ahead = DateTime::from_secs(DateTime::from(SystemTime::now()).secs() + 3600);
        let date = ahead.fmt(Format::HttpDate).unwrap();
        (400, format!("date: {date}\r\n{}", error("InvalidSignatureException")))
    })
    .await;
    let (attempts, cause) = kms.ask(&kms.keyring()).await;
    assert_eq!((attempts.len(), cause), (3, Cause::Refused));
}

/// Of a container that was asleep, say.
#[tokio::test]
async fn a_clock_that_is_wrong_costs_one_attempt() {
    let ahead = Arc::new(AtomicI64::new(3600));
    let clock = Arc::clone(&ahead);
    let kms = Asked::start(move |request| {
        let now = DateTime::from(SystemTime::now()).secs() + clock.load(Ordering::Relaxed);
        let date = DateTime::from_secs(now).fmt(Format::HttpDate).unwrap();
        let signed = Timestamp(header(request, "x-amz-date")).seconds();
        let code = if now.abs_diff(signed) > 300 {
            "InvalidSignatureException"
        } else {
            "NotFoundException"
        };
        (400, format!("date: {date}\r\n{}", error(code)))
    })
    .await;
    let keyring = kms.keyring();
    let rows = [
        ("an hour ahead", 3600, 2),
        ("it is known now", 3600, 1),
        ("right again", 0, 2),
        ("known too", 0, 1),
        ("a day behind", -86_400, 2),
        ("not far enough off", -86_400 + 200, 1),
    ];
    for (name, seconds, attempts) in rows {
        ahead.store(seconds, Ordering::Relaxed);
        let (asked, cause) = kms.ask(&keyring).await;
        let numbered: Vec<_> = (1..=attempts).map(|n| format!("attempt={n}; max=3")).collect();
        assert_eq!((asked, cause), (numbered, Cause::NotFound), "{name}");
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_the_clock_s_fault_stands() {
    let rows = [
        ("a clock that is right", 0, "", [1, 1]),
        ("one that is near enough", 200, "", [1, 1]),
        ("one that is wrong", 3600, "", [2, 1]),
        ("an answer of long ago", -3600, "age: 3600\r\n", [1, 1]),
        ("nobody's", 200 * 365 * 86_400, "", [1, 1]),
    ];
    for (name, ahead, age, expected) in rows {
        let kms = Asked::start(move |_| {
            let now = DateTime::from_secs(DateTime::from(SystemTime::now()).secs() + ahead);
            let date = now.fmt(Format::HttpDate).unwrap();
            (400, format!("date: {date}\r\n{age}{}", error("AccessDeniedException")))
        })
        .await;
        let keyring = kms.keyring();
        for attempts in expected {
            let (asked, cause) = kms.ask(&keyring).await;
            assert_eq!((asked.len(), cause), (attempts, Cause::AccessDenied), "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_signed_is_what_is_sent() {
    let usual = "content-type;host;x-amz-date;x-amz-target";
    let with_token = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    let rows = [
        ("", "", "/", usual),
        ("/kms", "", "/kms/", usual),
        ("/a%20b/", "", "/a%20b/", usual),
        ("", "token", "/", with_token),
    ];
    for (path, token, expected, names) in rows {
        let kms = Asked::start(|_| (400, error("NotFoundException"))).await;
        kms.keyring_under(path, token).ring().await.unwrap_err();
        let requests = std::mem::take(&mut *kms.requests.lock().unwrap());
        let [request] = &*requests else { panic!("{requests:?}") };
        assert_eq!(request.lines().next(), Some(&*format!("POST {expected} HTTP/1.1")));
        assert_eq!(header(request, "host"), kms.address.to_string());
        assert_eq!(header(request, "x-amz-security-token"), token);
        assert_eq!(header(request, "authorization"), signed(request, expected, token, names));
    }
}

/// What the SDK's signer makes of these headers of a request.
fn signed(request: &str, path: &str, token: &str, names: &str) -> String {
    let token = Some(token.to_owned()).filter(|token| !token.is_empty());
    let identity = Credentials::new("local", "local", token, None, "test").into();
    let date = Timestamp(header(request, "x-amz-date"));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("kms")
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(date.seconds().try_into().unwrap()))
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let own = ["x-amz-date", "x-amz-security-token"];
    let headers = names.split(';').filter(|name| !own.contains(name));
    let headers = headers.map(|name| (name, header(request, name)));
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let url = format!("http://{}{path}", header(request, "host"));
    let body = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new("POST", url, headers, body).unwrap();
    let (instructions, _) = sign(request, &SigningParams::V4(params)).unwrap().into_parts();
    let mut headers = instructions.headers();
    headers.find(|(name, _)| *name == "authorization").unwrap().1.to_owned()
}

/// As signatures have it: `20150830T123600Z`.
struct Timestamp<'a>(&'a str);

impl Timestamp<'_> {
    fn seconds(&self) -> i64 {
        let part = |at: std::ops::Range<usize>| self.0.get(at).unwrap_or_default();
        let [year, month, day] = [part(0..4), part(4..6), part(6..8)];
        let [hour, minute, second] = [part(9..11), part(11..13), part(13..15)];
        let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
        DateTime::from_str(&text, Format::DateTime).unwrap().secs()
    }
}

#[tokio::test]
async fn what_a_retry_has_taken_is_given_back_when_it_helps() {
    let asked = AtomicI64::new(0);
    let kms = Asked::start(move |_| {
        let helps = asked.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if helps {
            (200, "content-length: 2\r\n\r\n{}".into())
        } else {
            (500, error("KMSInternalException"))
        }
    })
    .await;
    let keyring = kms.keyring();
    // More than there would be to take.
    for call in 0..60 {
        let (attempts, cause) = kms.ask(&keyring).await;
        assert_eq!((attempts.len(), cause), (2, Cause::Unfit), "{call}: an answer, but no key");
    }
}

#[tokio::test]
async fn calls_that_go_well_make_room_for_retries_again() {
    let trouble = Arc::new(AtomicBool::new(true));
    let is_trouble = Arc::clone(&trouble);
    let kms = Asked::start(move |_| {
        if is_trouble.load(Ordering::Relaxed) {
            (500, error("KMSInternalException"))
        } else {
            (200, "content-length: 2\r\n\r\n{}".into())
        }
    })
    .await;
    let keyring = kms.keyring();
    for _ in 0..26 {
        kms.ask(&keyring).await;
    }
    assert_eq!(kms.ask(&keyring).await.0.len(), 1, "there is no room");
    trouble.store(false, Ordering::Relaxed);
    // A retry takes 10, and each call that goes well gives 1.
    for _ in 0..20 {
        kms.ask(&keyring).await;
    }
    trouble.store(true, Ordering::Relaxed);
    assert_eq!(kms.ask(&keyring).await.0.len(), 3);
}
