//! A server that records requests and answers them as KMS, STS, IAM Identity Center and the metadata services do.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer,
};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// Method and target.
    pub(crate) line: String,
    /// The access key id of its signature.
    pub(crate) access_key: String,
    /// The operation: the target of KMS, or the action of STS.
    pub(crate) operation: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// The status and the body of a response.
pub(crate) type Respond = fn(&Recorded) -> (u16, String);

/// KMS without keys, and STS.
pub(crate) struct AwsServer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
}

impl AwsServer {
    pub(crate) fn start() -> Self {
        Self::with_responses(|request| (200, respond(request)))
    }

    /// A server with other responses: status and body.
    pub(crate) fn with_responses(respond: Respond) -> Self {
        Self::serve(None, respond)
    }

    /// A server for `https://localhost`, and the file with the certificate of its authority.
    pub(crate) fn with_tls(respond: Respond) -> (Self, String) {
        let root_key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, root_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &root).unwrap();
        let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![leaf.der().clone()], private).unwrap();
        let server = Self::serve(Some(Arc::new(config)), respond);
        let port = server.address.port();
        let bundle = format!("{}/authority-{port}.pem", env!("CARGO_TARGET_TMPDIR"));
        let text = STANDARD.encode(root.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        fs::write(&bundle, pem).unwrap();
        (server, bundle)
    }

    fn serve(tls: Option<Arc<ServerConfig>>, respond: Respond) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (recorded, tls) = (recorded.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &recorded, respond),
                    Some(config) => {
                        let connection = ServerConnection::new(config).ok()?;
                        serve(StreamOwned::new(connection, stream), &recorded, respond)
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests since the last call.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// Answers one request and closes the connection.
fn serve(
    stream: impl Read + Write,
    recorded: &Mutex<Vec<Recorded>>,
    respond: Respond,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let header = |name: &str| {
        let line = head.lines().find(|line| {
            line.split_once(':').is_some_and(|(own, _)| own.eq_ignore_ascii_case(name))
        });
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let authorization = header("authorization");
    let access_key = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    let target = header("x-amz-target");
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    let request = Recorded {
        line: head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned(),
        access_key: access_key.split('/').next()?.to_owned(),
        operation: action.map_or(target, str::to_owned),
        headers: head.clone(),
        body,
    };
    let (status, body) = respond(&request);
    recorded.lock().unwrap().push(request);
    let (head, length) = (format!("HTTP/1.1 {status} x\r\nconnection: close\r\n"), body.len());
    // A token of the metadata service of an instance has a lifetime.
    let lifetime = "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";
    let response = format!("{head}{lifetime}content-length: {length}\r\n\r\n{body}");
    reader.get_mut().write_all(response.as_bytes()).ok()
}

pub(crate) fn respond(request: &Recorded) -> String {
    match &*request.operation {
        "GetCallerIdentity" => format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::111122223333:user/{}</Arn><UserId>u</UserId><Account>111122223333</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>",
            request.access_key
        ),
        operation @ ("AssumeRole" | "AssumeRoleWithWebIdentity") => format!(
            "<{operation}Response><{operation}Result><Credentials><AccessKeyId>ROLEOF{}</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{operation}Result></{operation}Response>",
            if request.access_key.is_empty() { "TOKEN" } else { &request.access_key }
        ),
        "TrentService.ListAliases" => r#"{"Aliases":[],"Truncated":false}"#.into(),
        _ => metadata(&request.line).into(),
    }
}

/// The responses of services that have no operation in the body.
fn metadata(line: &str) -> &'static str {
    let (_, target) = line.split_once(' ').unwrap();
    let path = target.split('?').next().unwrap();
    match path.strip_prefix("/sso").or_else(|| path.strip_prefix("/own")).unwrap_or(path) {
        "/container" => {
            r#"{"AccessKeyId":"CONTAINER","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#
        }
        "/latest/api/token" => "token",
        "/latest/meta-data/iam/security-credentials/" => "role",
        "/latest/meta-data/iam/security-credentials/role" => {
            r#"{"Code":"Success","AccessKeyId":"INSTANCE","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#
        }
        "/federation/credentials" => {
            r#"{"roleCredentials":{"accessKeyId":"SSO","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}"#
        }
        _ => "{}",
    }
}
