//! Tokens from the issuer.

use std::thread;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::header::HeaderValue;
use serde_json::{Map, Value, json};

use crate::{aws::Aws, error::Error};

/// A token. It has no `Debug`, so that it is not printed.
pub(super) struct Token {
    /// The value of the header `Authorization`.
    pub(super) authorization: HeaderValue,
    /// The token's `jti`, by which its log lines are found.
    pub(super) jti: String,
}

/// Invokes the issuer once for each token.
pub(super) fn request(
    aws: &Aws,
    issuer: &str,
    claims: &Map<String, Value>,
    count: u32,
) -> Result<Vec<Token>, Error> {
    let event = json!({"claims": claims});
    let one = || read(&aws.invoke(issuer, &event)?).ok_or_else(|| unreadable(issuer));
    // Each invocation starts the AWS CLI, which takes longer than the issuer.
    let worker = |index: u32| {
        let own = (index..count).step_by(WORKERS);
        own.map(|_| one()).collect::<Result<Vec<_>, _>>()
    };
    let tokens = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..).take(WORKERS).map(|index| scope.spawn(move || worker(index))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Ok(Vec::new()))).collect()
    });
    let tokens: Result<Vec<Vec<Token>>, Error> = tokens;
    Ok(tokens?.into_iter().flatten().collect())
}

const WORKERS: usize = 4;

fn read(response: &Value) -> Option<Token> {
    let token = response.get("access_token")?.as_str()?;
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let jti = claims.get("jti")?.as_str()?.to_owned();
    let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    authorization.set_sensitive(true);
    Some(Token { authorization, jti })
}

fn unreadable(issuer: &str) -> Error {
    Error::Check(format!("the response of {issuer} has no token with a `jti`"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::aws::tests::Script;

    #[test]
    fn issuer_is_invoked_once_for_each_token() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"jti":"one","sub":"s"}"#);
        let script = Script::new(
            "tokens",
            &format!(
                r#"cat > "$(mktemp "$(dirname "$0")/event-XXXXXX")"
                echo '{{"access_token": "e30.{payload}.c2ln"}}'; echo '{{"StatusCode": 200}}'"#
            ),
        );
        let claims = Map::from_iter([("sub".to_owned(), json!("s"))]);
        let tokens = request(&script.aws, "issuer", &claims, 6).unwrap();
        let expected = format!("Bearer e30.{payload}.c2ln");
        assert_eq!(tokens.len(), 6);
        for token in &tokens {
            assert_eq!(
                (token.jti.as_str(), token.authorization.to_str().unwrap()),
                ("one", &*expected)
            );
        }
        let events: Vec<_> = fs::read_dir(script.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        assert_eq!(events, vec![r#"{"claims":{"sub":"s"}}"#; 6]);
    }

    #[test]
    fn response_without_a_token_is_an_error_that_does_not_quote_it() {
        for response in ["{}", r#"{"access_token": "secret"}"#, r#"{"access_token": "e30.e30.x"}"#]
        {
            let script = Script::new(
                "no-token",
                &format!("echo '{response}'; echo '{{\"StatusCode\": 200}}'"),
            );
            let error = request(&script.aws, "issuer", &Map::new(), 1).err().unwrap();
            assert_eq!(error.to_string(), "the response of issuer has no token with a `jti`");
        }
    }
}
