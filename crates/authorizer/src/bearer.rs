use crate::{AuthorizerConfig, AuthorizerEvent, EventFormat, Refusal};

/// The one token of a request (RFC 6750 section 2.1).
pub(crate) fn token<'a>(
    request: &'a AuthorizerEvent,
    profile: &AuthorizerConfig,
) -> Result<&'a str, Refusal> {
    let offered = match &profile.websocket_protocol {
        Some(name) if request.kind == EventFormat::WebSocket => {
            offered(&request.protocols, &name.0)
        }
        _ => Vec::new(),
    };
    match (&*request.authorization, &*offered) {
        ([], []) => Err(Refusal::NoCredentials),
        ([credential], []) => bearer(credential),
        ([], [""]) => Err(Refusal::NotBearer),
        ([], [token]) => Ok(token),
        _ => Err(Refusal::SeveralCredentials),
    }
}

fn bearer(credential: &str) -> Result<&str, Refusal> {
    let (scheme, token) = credential.split_once(' ').ok_or(Refusal::NotBearer)?;
    let token = token.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(Refusal::NotBearer)
    }
}

/// The tokens that a browser offers among WebSocket subprotocols: what follows this one, each time.
fn offered<'a>(protocols: &'a [String], name: &str) -> Vec<&'a str> {
    let offered = protocols.iter().flat_map(|list| list.split(','));
    let offered: Vec<&str> = offered.map(|item| item.trim_matches([' ', '\t'])).collect();
    let after = offered.iter().enumerate().filter(|(_, item)| **item == name);
    after.map(|(at, _)| offered.get(at + 1).copied().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        let rows = [
            ("a token", "Bearer a.b.c", Ok("a.b.c")),
            ("scheme in lower case", "bearer a.b.c", Ok("a.b.c")),
            ("scheme in upper case", "BEARER a.b.c", Ok("a.b.c")),
            ("several spaces", "Bearer   a.b.c", Ok("a.b.c")),
            ("another scheme", "Basic a.b.c", Err(Refusal::NotBearer)),
            ("no scheme", "a.b.c", Err(Refusal::NotBearer)),
            ("no token", "Bearer", Err(Refusal::NotBearer)),
            ("nothing but space", "Bearer  ", Err(Refusal::NotBearer)),
            ("empty", "", Err(Refusal::NotBearer)),
            ("a tab", "Bearer\ta.b.c", Err(Refusal::NotBearer)),
            ("space before", " Bearer a.b.c", Err(Refusal::NotBearer)),
        ];
        for (name, credential, expected) in rows {
            assert_eq!(bearer(credential), expected, "{name}");
        }
    }

    #[test]
    fn subprotocols() {
        let rows: [(&str, &[&str], &[&str]); 8] = [
            ("none", &[], &[]),
            ("no token", &["chat, graphql"], &[]),
            ("a token", &["bearer, a.b.c"], &["a.b.c"]),
            ("among others", &["chat,bearer,\ta.b.c , graphql"], &["a.b.c"]),
            ("in two headers", &["bearer", "a.b.c"], &["a.b.c"]),
            ("two tokens", &["bearer, a.b.c, bearer, d.e.f"], &["a.b.c", "d.e.f"]),
            ("nothing after it", &["chat, bearer"], &[""]),
            ("in another case", &["Bearer, a.b.c"], &[]),
        ];
        for (name, protocols, expected) in rows {
            let protocols: Vec<_> = protocols.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(offered(&protocols, "bearer"), expected, "{name}");
        }
    }
}
