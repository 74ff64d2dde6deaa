use std::str::FromStr;

use runtime::{Settings, table};

use crate::{AuthorizerEvent, Refusal};

/// Where the credentials of a request are, besides the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialSources {
    /// The WebSocket subprotocol after which a browser offers its token, because it cannot set an `Authorization`
    /// header there. `None`: the subprotocols are not searched for tokens.
    pub websocket_protocol: Option<Subprotocol>,
}

/// The name of a WebSocket subprotocol (RFC 6455 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subprotocol(pub String);

impl FromStr for Subprotocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_token_char = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if text.chars().all(is_token_char) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the name of a WebSocket subprotocol, such as bearer")
        }
    }
}

impl CredentialSources {
    /// Reads the settings. `None` means that a problem was added to `settings`.
    pub(crate) fn read(settings: &mut Settings) -> Option<Self> {
        let websocket_protocol = settings.optional(&table::WEBSOCKET_TOKEN_PROTOCOL)?;
        Some(Self { websocket_protocol })
    }
}

/// The one bearer token of a request (RFC 6750 section 2.1).
///
/// # Errors
/// Why the request has no token. A token that is found may be invalid.
pub fn bearer_token<'a>(
    request: &'a AuthorizerEvent,
    sources: &CredentialSources,
) -> Result<&'a str, Refusal> {
    let offered = match &sources.websocket_protocol {
        Some(name) if request.format.has_subprotocols() => {
            offered_tokens(&request.subprotocols, &name.0)
        }
        _ => Vec::new(),
    };
    match (&*request.authorization, &*offered) {
        ([], []) => Err(Refusal::NoCredentials),
        ([credential], []) => parse_credential(credential),
        ([], [""]) => Err(Refusal::NotBearer),
        ([], [token]) => Ok(token),
        _ => Err(Refusal::SeveralCredentials),
    }
}

fn parse_credential(credential: &str) -> Result<&str, Refusal> {
    let (scheme, token) = credential.split_once(' ').ok_or(Refusal::NotBearer)?;
    let token = token.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(Refusal::NotBearer)
    }
}

/// The tokens that a browser offers as WebSocket subprotocols: the item after each occurrence of `name`, or an
/// empty text if there is none.
fn offered_tokens<'a>(subprotocols: &'a [String], name: &str) -> Vec<&'a str> {
    let items = subprotocols.iter().flat_map(|list| list.split(','));
    let items: Vec<&str> = items.map(|item| item.trim_matches([' ', '\t'])).collect();
    let markers = items.iter().enumerate().filter(|(_, item)| **item == name);
    markers.map(|(at, _)| items.get(at + 1).copied().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_parsed() {
        let rows = [
            ("token", "Bearer a.b.c", Ok("a.b.c")),
            ("scheme in lower case", "bearer a.b.c", Ok("a.b.c")),
            ("scheme in upper case", "BEARER a.b.c", Ok("a.b.c")),
            ("several spaces", "Bearer   a.b.c", Ok("a.b.c")),
            ("another scheme", "Basic a.b.c", Err(Refusal::NotBearer)),
            ("no scheme", "a.b.c", Err(Refusal::NotBearer)),
            ("no token", "Bearer", Err(Refusal::NotBearer)),
            ("only spaces after the scheme", "Bearer  ", Err(Refusal::NotBearer)),
            ("empty", "", Err(Refusal::NotBearer)),
            ("tab after the scheme", "Bearer\ta.b.c", Err(Refusal::NotBearer)),
            ("leading space", " Bearer a.b.c", Err(Refusal::NotBearer)),
        ];
        for (name, credential, expected) in rows {
            assert_eq!(parse_credential(credential), expected, "{name}");
        }
    }

    #[test]
    fn tokens_are_found_among_subprotocols() {
        let rows: [(&str, &[&str], &[&str]); 8] = [
            ("no header", &[], &[]),
            ("no token", &["chat, graphql"], &[]),
            ("one token", &["bearer, a.b.c"], &["a.b.c"]),
            ("token among other subprotocols", &["chat,bearer,\ta.b.c , graphql"], &["a.b.c"]),
            ("two headers", &["bearer", "a.b.c"], &["a.b.c"]),
            ("two tokens", &["bearer, a.b.c, bearer, d.e.f"], &["a.b.c", "d.e.f"]),
            ("no item after the name", &["chat, bearer"], &[""]),
            ("name in another case", &["Bearer, a.b.c"], &[]),
        ];
        for (name, subprotocols, expected) in rows {
            let subprotocols: Vec<_> = subprotocols.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(offered_tokens(&subprotocols, "bearer"), expected, "{name}");
        }
    }
}
