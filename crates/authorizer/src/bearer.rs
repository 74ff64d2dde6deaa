use crate::Refusal;

/// The one bearer token among these credentials (RFC 6750 section 2.1).
pub(crate) fn bearer(credentials: &[String]) -> Result<&str, Refusal> {
    let credential = match credentials {
        [] => return Err(Refusal::NoCredentials),
        [one] => one,
        _ => return Err(Refusal::SeveralCredentials),
    };
    let (scheme, token) = credential.split_once(' ').ok_or(Refusal::NotBearer)?;
    let token = token.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(Refusal::NotBearer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        let rows: [(&str, &[&str], _); 13] = [
            ("none", &[], Err(Refusal::NoCredentials)),
            ("one", &["Bearer a.b.c"], Ok("a.b.c")),
            ("scheme in lower case", &["bearer a.b.c"], Ok("a.b.c")),
            ("scheme in upper case", &["BEARER a.b.c"], Ok("a.b.c")),
            ("several spaces", &["Bearer   a.b.c"], Ok("a.b.c")),
            ("two", &["Bearer a.b.c", "Bearer a.b.c"], Err(Refusal::SeveralCredentials)),
            ("another scheme", &["Basic a.b.c"], Err(Refusal::NotBearer)),
            ("no scheme", &["a.b.c"], Err(Refusal::NotBearer)),
            ("no token", &["Bearer"], Err(Refusal::NotBearer)),
            ("nothing but space", &["Bearer  "], Err(Refusal::NotBearer)),
            ("empty", &[""], Err(Refusal::NotBearer)),
            ("a tab", &["Bearer\ta.b.c"], Err(Refusal::NotBearer)),
            ("space before", &[" Bearer a.b.c"], Err(Refusal::NotBearer)),
        ];
        for (name, credentials, expected) in rows {
            let credentials: Vec<_> = credentials.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(bearer(&credentials), expected, "{name}");
        }
    }
}
