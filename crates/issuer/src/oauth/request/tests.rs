use aws_lambda_events::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::*;
use crate::{LifetimeError, oauth::form::encode};

const GRANT: (&str, &str) = ("grant_type", JWT_BEARER);
const CREDENTIALS: (&str, &str) = ("grant_type", CLIENT_CREDENTIALS);
const ASSERTION: (&str, &str) = ("assertion", "a.b.c");
const CLIENT: (&str, &str) = ("client_assertion", "d.e.f");
const TYPE: (&str, &str) = ("client_assertion_type", CLIENT_ASSERTION_TYPE);
const SECRET: (&str, &str) = ("client_secret", "x");

fn read(
    parameters: &[(&str, &str)],
    has_authorization: bool,
) -> Result<AssertionTokenRequest, OAuthError> {
    let config = IssuerConfig::with_short_lifetimes();
    let authorization = has_authorization.then(basic);
    AssertionTokenRequest::read(encode(parameters).as_bytes(), authorization, &config)
}

fn basic() -> AuthenticationScheme {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
    AuthenticationScheme::of(&[&headers]).unwrap()
}

#[test]
fn assertions_are_read() {
    let client = |client_id: Option<&str>| ClientAssertion {
        assertion: "d.e.f".into(),
        client_id: client_id.map(str::to_owned),
    };
    let assertion = |client| PresentedAssertion::Grant { assertion: "a.b.c".into(), client };
    let rows = [
        ("an assertion", vec![GRANT, ASSERTION], assertion(None)),
        (
            "a client id without an assertion",
            vec![GRANT, ASSERTION, ("client_id", "c")],
            assertion(None),
        ),
        ("an unknown parameter", vec![GRANT, ASSERTION, ("nonce", "n")], assertion(None)),
        (
            "an assertion of a client that authenticates itself",
            vec![GRANT, ASSERTION, CLIENT, TYPE],
            assertion(Some(client(None))),
        ),
        ("a client", vec![CREDENTIALS, CLIENT, TYPE], PresentedAssertion::Client(client(None))),
        (
            "a client with its id",
            vec![CREDENTIALS, CLIENT, TYPE, ("client_id", "c")],
            PresentedAssertion::Client(client(Some("c"))),
        ),
        (
            "a secret without a value counts as omitted",
            vec![CREDENTIALS, CLIENT, TYPE, ("client_secret", "")],
            PresentedAssertion::Client(client(None)),
        ),
    ];
    for (name, parameters, expected) in rows {
        let assertion = read(&parameters, false).map(|request| request.assertion);
        assert!(assertion == Ok(expected), "{name}: {:?}", assertion.err());
    }
}

#[test]
fn request_without_a_supported_assertion_is_refused() {
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let grant_type = OAuthError::GrantType("jwt-bearer or client_credentials");
    let other_type = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let rows = [
        ("no parameter", vec![], false, OAuthError::Missing("grant_type")),
        ("no value", vec![("grant_type", ""), ASSERTION], false, OAuthError::Missing("grant_type")),
        ("a grant twice", vec![GRANT, GRANT, ASSERTION], false, OAuthError::Repeated("grant_type")),
        (
            "token exchange",
            vec![("grant_type", exchange), ("subject_token", "a")],
            false,
            grant_type.clone(),
        ),
        ("a code", vec![("grant_type", "authorization_code")], true, grant_type.clone()),
        ("another case", vec![("grant_type", "Client_Credentials")], false, grant_type),
        ("no assertion", vec![GRANT], false, OAuthError::Missing("assertion")),
        ("no client", vec![CREDENTIALS, ASSERTION], false, OAuthError::NoAuthentication),
        (
            "a client id alone",
            vec![CREDENTIALS, ("client_id", "c")],
            false,
            OAuthError::NoAuthentication,
        ),
        (
            "a secret",
            vec![CREDENTIALS, ("client_id", "c"), SECRET],
            false,
            OAuthError::UnsupportedAuthentication,
        ),
        ("a header", vec![CREDENTIALS], true, OAuthError::AuthorizationHeader(basic())),
        (
            "a header with an assertion",
            vec![GRANT, ASSERTION],
            true,
            OAuthError::AuthorizationHeader(basic()),
        ),
        (
            "a header and a client assertion",
            vec![CREDENTIALS, CLIENT, TYPE],
            true,
            OAuthError::SeveralAuthentications,
        ),
        (
            "a secret and a client assertion",
            vec![CREDENTIALS, CLIENT, TYPE, SECRET],
            false,
            OAuthError::SeveralAuthentications,
        ),
        (
            "a secret and a header",
            vec![CREDENTIALS, SECRET],
            true,
            OAuthError::SeveralAuthentications,
        ),
        (
            "no type of the client assertion",
            vec![CREDENTIALS, CLIENT],
            false,
            OAuthError::Missing("client_assertion_type"),
        ),
        ("a type alone", vec![CREDENTIALS, TYPE], false, OAuthError::Missing("client_assertion")),
        (
            "another type of client assertion",
            vec![CREDENTIALS, CLIENT, ("client_assertion_type", other_type)],
            false,
            OAuthError::UnsupportedAuthentication,
        ),
    ];
    for (name, parameters, has_authorization, expected) in rows {
        let error = read(&parameters, has_authorization).err();
        assert_eq!(error, Some(expected), "{name}");
    }
}

#[test]
fn scopes_audiences_and_lifetime_are_read_strictly() {
    let request = |scope: Option<&str>, audiences: &[&str], seconds: Option<u64>| {
        Ok(ClientTokenRequest {
            scope: scope.map(str::to_owned),
            audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
            lifetime: seconds.map(Duration::from_secs),
        })
    };
    let (api, resource) = ("https://api.example/", Err(OAuthError::Resource));
    let rows = [
        (vec![], request(None, &[], None)),
        (vec![("scope", "")], request(None, &[], None)),
        (vec![("scope", "a b")], request(Some("a b"), &[], None)),
        (vec![("scope", "a  b")], Err(OAuthError::Scope)),
        (vec![("scope", " a")], Err(OAuthError::Scope)),
        (vec![("scope", "a\"")], Err(OAuthError::Scope)),
        (vec![("resource", api)], request(None, &[api], None)),
        (
            vec![("resource", api), ("audience", "orders"), ("resource", "urn:x:y")],
            request(None, &[api, "urn:x:y", "orders"], None),
        ),
        (vec![("resource", api); 16], request(None, &[api; 16], None)),
        (vec![("resource", api); 17], Err(OAuthError::TooManyResources(16))),
        (vec![("resource", "orders")], resource.clone()),
        (vec![("resource", "/orders")], resource.clone()),
        (vec![("resource", "https://api.example/#a")], resource.clone()),
        (vec![("resource", "https://api.example/a b")], resource.clone()),
        (vec![("resource", "https:")], resource.clone()),
        (vec![("resource", "1:a")], resource.clone()),
        (vec![("resource", api), ("resource", "orders")], resource),
        (vec![("audience", "a b")], Err(OAuthError::Audience)),
        (vec![("audience", "a\u{202E}")], Err(OAuthError::Audience)),
        (vec![("audience", "a\u{200B}b")], Err(OAuthError::Audience)),
        (vec![("expires_in", "900")], request(None, &[], Some(900))),
        (vec![("expires_in", "901")], Err(LifetimeError::TooLong { max: 900 }.into())),
        (vec![("expires_in", "0")], Err(LifetimeError::Invalid.into())),
        (vec![("expires_in", "+1")], Err(LifetimeError::Invalid.into())),
        (vec![("expires_in", "1.5")], Err(LifetimeError::Invalid.into())),
        (vec![("expires_in", "99999999999999999999")], Err(LifetimeError::Invalid.into())),
    ];
    let config = IssuerConfig::with_short_lifetimes();
    for (parameters, expected) in rows {
        let open: Vec<_> = [GRANT, ASSERTION].into_iter().chain(parameters.clone()).collect();
        let read_open = read(&open, false).map(|request| request.request);
        assert_eq!(read_open, expected, "{parameters:?}");
        let iam: Vec<_> = [CREDENTIALS].into_iter().chain(parameters.clone()).collect();
        let read_iam = ClientTokenRequest::read(encode(&iam).as_bytes(), &config);
        assert_eq!(read_iam, expected, "{parameters:?}");
    }
}

#[test]
fn caller_of_iam_must_not_authenticate_itself_again() {
    let only_credentials = OAuthError::GrantType(CLIENT_CREDENTIALS);
    let rows = [
        (vec![CREDENTIALS, ("client_id", "c")], None),
        (vec![CREDENTIALS, CLIENT, TYPE], Some(OAuthError::SeveralAuthentications)),
        (vec![CREDENTIALS, TYPE], Some(OAuthError::SeveralAuthentications)),
        (vec![CREDENTIALS, SECRET], Some(OAuthError::SeveralAuthentications)),
        (vec![GRANT, ASSERTION], Some(only_credentials)),
        (vec![], Some(OAuthError::Missing("grant_type"))),
    ];
    let config = IssuerConfig::with_short_lifetimes();
    for (parameters, expected) in rows {
        let read = ClientTokenRequest::read(encode(&parameters).as_bytes(), &config);
        assert_eq!(read.err(), expected, "{parameters:?}");
    }
}

#[test]
fn repeated_parameter_is_refused_before_any_other_problem() {
    let names = [
        "grant_type",
        "assertion",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
        "audience",
        "expires_in",
    ];
    let rows = names
        .map(|name| (name, OAuthError::Repeated(name)))
        .into_iter()
        .chain([("nonce", OAuthError::RepeatedUnknown)]);
    let config = IssuerConfig::with_short_lifetimes();
    for (name, expected) in rows {
        let parameters = [(name, " "), ("resource", "a"), (name, "")];
        let body = encode(&parameters);
        let reads = [
            read(&parameters, true).err(),
            ClientTokenRequest::read(body.as_bytes(), &config).err(),
            ClientTokenRequest::read_parameters(body.as_bytes(), config.lifetime_max).err(),
        ];
        for error in reads {
            assert_eq!(error.as_ref(), Some(&expected), "{name}");
        }
    }
}
