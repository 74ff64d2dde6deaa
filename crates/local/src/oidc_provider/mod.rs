//! An `OpenID` Connect provider that signs the claims it is given: the identity tokens of a CI system, without one.

mod claims;
mod signing_key;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use hyper::{Method, Request, Response, StatusCode, body::Bytes};
use jwt::{JwkSet, UnixTime};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use self::{claims::complete, signing_key::SigningKey};
use crate::{
    allowed_hosts::AllowedHosts,
    http::{HttpServer, json},
    recording::recorder,
};

/// A provider on this machine. It stops when it is dropped.
///
/// Everyone who reaches it gets a token with the claims of their choice, so it is for tests and development only.
///
/// | request | response |
/// |---|---|
/// | `GET /.well-known/openid-configuration` | the metadata |
/// | `GET /.well-known/jwks` | the key set |
/// | `GET /token?audience=NAME` | a token of a job, in the form of GitHub Actions: `{"value": "…"}` |
/// | `POST /token` with a JSON object | the same with these claims; those with the value `null` are left out |
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use countersign_local::{Request, http, oidc_provider::OidcProvider};
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let provider = OidcProvider::start(listener)?;
/// let request = Request::get("/token?audience=orders").body("".into())?;
/// let response = http::send(provider.address(), request).await?;
/// assert!(response.body().starts_with(br#"{"value":"ey"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OidcProvider {
    server: HttpServer,
    issuer: Arc<LocalIssuer>,
}

#[derive(Debug)]
struct LocalIssuer {
    name: String,
    key: SigningKey,
    /// How often metadata and keys were requested.
    fetches: AtomicU64,
}

/// How a provider is started.
#[derive(Debug, Clone, Default)]
pub struct OidcOptions {
    /// The port, if a stack has the provider. 0 selects a free port.
    pub port: u16,
    /// The name of the issuer: the URL of a proxy in front of the provider, such as one with TLS. Without it, the name is
    /// the URL of the provider's address.
    pub name: Option<String>,
}

impl OidcProvider {
    /// Serves on this listener. The name of the issuer is the URL of its address.
    ///
    /// # Errors
    /// If the listener has no address, or if no key can be created.
    pub fn start(listener: TcpListener) -> io::Result<Self> {
        Self::start_with(listener, &OidcOptions::default())
    }

    /// Serves on this listener, which has the port of the options.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(listener: TcpListener, options: &OidcOptions) -> io::Result<Self> {
        let name = match &options.name {
            Some(name) => name.clone(),
            None => format!("http://{}", listener.local_addr()?),
        };
        let issuer = Arc::new(LocalIssuer {
            name,
            key: SigningKey::generate()?,
            fetches: AtomicU64::new(0),
        });
        let handler = {
            let issuer = Arc::clone(&issuer);
            move |request| {
                let issuer = Arc::clone(&issuer);
                async move { issuer.respond(&request) }
            }
        };
        let server =
            HttpServer::start(listener, AllowedHosts::Loopback, MAX_CLAIMS_BYTES, handler)?;
        Ok(Self { server, issuer })
    }

    /// The address of the provider.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The name of the issuer, which is the URL of the provider.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer.name
    }

    /// How often the metadata and the key set were requested.
    #[must_use]
    pub fn fetches(&self) -> u64 {
        self.issuer.fetches.load(Ordering::Relaxed)
    }

    /// A token with these claims, and with those of a job of a CI system. Claims with the value `null` are left out.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn token(&self, claims: Map<String, Value>) -> io::Result<String> {
        self.issuer.token(claims)
    }
}

impl LocalIssuer {
    fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, METADATA) => {
                self.fetches.fetch_add(1, Ordering::Relaxed);
                json(StatusCode::OK, self.metadata().to_string())
            }
            (&Method::GET, KEYS) => {
                self.fetches.fetch_add(1, Ordering::Relaxed);
                let set = JwkSet::new(vec![self.key.jwk()]);
                json(StatusCode::OK, set.to_json().to_string())
            }
            (&Method::GET, TOKEN) => {
                let query = request.uri().query().unwrap_or_default();
                let mut parameters = form_urlencoded::parse(query.as_bytes());
                let audience = parameters.find(|(name, _)| name == "audience");
                let audience = audience.map(|(_, value)| ("aud".to_owned(), value.into()));
                self.mint(audience.into_iter().collect())
            }
            (&Method::POST, TOKEN) => match jwt::json::object(request.body()) {
                Ok(claims) => self.mint(claims),
                Err(error) => {
                    let message = json!({"message": format!("the body is {error}")});
                    json(StatusCode::BAD_REQUEST, message.to_string())
                }
            },
            (_, METADATA | KEYS | TOKEN) => {
                json(StatusCode::METHOD_NOT_ALLOWED, r#"{"message":"method not allowed"}"#)
            }
            _ => json(StatusCode::NOT_FOUND, r#"{"message":"not found"}"#),
        }
    }

    fn metadata(&self) -> Value {
        let name = &self.name;
        json!({
            "issuer": name,
            "jwks_uri": format!("{name}{KEYS}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    fn mint(&self, claims: Map<String, Value>) -> Response<Bytes> {
        match self.token(claims) {
            Ok(token) => json(StatusCode::OK, json!({"value": token}).to_string()),
            Err(_) => {
                json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":"the key cannot sign"}"#)
            }
        }
    }

    fn token(&self, claims: Map<String, Value>) -> io::Result<String> {
        let claims = complete(claims, &self.name, UnixTime::from(SystemTime::now()));
        let token = self.key.sign(&claims)?;
        recorder().record_tokens(token.as_bytes());
        Ok(token)
    }
}

const METADATA: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/.well-known/jwks";
const TOKEN: &str = "/token";
const MAX_CLAIMS_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
