use std::fmt;

use super::{
    claims::{Candidate, Claims},
    header::Header,
    rejection::Rejection,
    signed_parts::SignedParts,
    validation::Validation,
};
use crate::{Algorithm, UnixTime, encoding::base64url};

/// A text with the form of a signed token (RFC 7515 section 7.1). Nothing in it is verified.
///
/// The [crate documentation](crate#verify-a-token-with-a-jwk-set) shows the way to its claims.
#[derive(Clone, Copy)]
pub struct UnverifiedToken<'a> {
    signing_input: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> UnverifiedToken<'a> {
    /// Splits a text into the three parts of a token. Decodes nothing.
    ///
    /// # Errors
    /// [`Rejection::TooLong`] for a text that is too long with any algorithm, and
    /// [`Rejection::NotCompact`].
    pub fn parse(text: &'a str) -> Result<Self, Rejection> {
        if text.len() > Algorithm::MAX_TOKEN_BYTES {
            return Err(Rejection::TooLong);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(Rejection::NotCompact)?;
        let (header, claims) = signing_input.split_once('.').ok_or(Rejection::NotCompact)?;
        if claims.contains('.') || header.is_empty() || signature.is_empty() {
            return Err(Rejection::NotCompact);
        }
        Ok(Self { signing_input, header, claims, signature })
    }

    /// Checks everything that needs no key: header, encoding, times, issuer and audience.
    ///
    /// # Errors
    /// The first reason to refuse the token. [`Rejection::UnknownKey`],
    /// [`Rejection::WrongAlgorithm`] and [`Rejection::Signature`] come from a
    /// [`Verifier`](crate::Verifier) only.
    pub fn screen(
        self,
        validation: &Validation,
        now: UnixTime,
    ) -> Result<Candidate<'a>, Rejection> {
        let header = self.read_header(Algorithm::max_token_bytes)?;
        validation.check_header(&header)?;
        let claims = decode(self.claims)?;
        let parts = self.with_header(header)?;
        let claims = Claims::read(&claims)?;
        validation.check_claims(&claims, now)?;
        Ok(Candidate::new(parts, claims))
    }

    /// The same for a token of one of several issuers: `iss` selects which tokens are accepted.
    /// `validation_of` gets it unverified: use it for the selection only.
    ///
    /// The token may have 16 KiB with any algorithm, because other issuers add claims, such as the
    /// groups of a user, that cannot be left out.
    ///
    /// ```
    /// use countersign_jwt::{Rejection, UnixTime, UnverifiedToken, Validation};
    ///
    /// // {"alg":"ES256"} and {"iss":"https://a.example","exp":2000000000}
    /// let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSIsImV4cCI6MjAwMDAwMDAwMH0.AAAA";
    /// let other = Validation::new(Some("https://b.example".into()), Some(vec![]));
    /// let screened = UnverifiedToken::parse(token)?
    ///     .screen_by_issuer(|issuer| (issuer == "https://b.example").then_some(&other), UnixTime::from_seconds(0));
    /// assert_eq!(screened.err(), Some(Rejection::Issuer));
    /// # Ok::<(), Rejection>(())
    /// ```
    ///
    /// # Errors
    /// As for [`screen`](Self::screen). [`Rejection::Issuer`] if there is no validation for `iss`, before all checks that
    /// depend on one.
    pub fn screen_by_issuer<'v>(
        self,
        validation_of: impl FnOnce(&str) -> Option<&'v Validation>,
        now: UnixTime,
    ) -> Result<Candidate<'a>, Rejection> {
        let header = self.read_header(|_| Algorithm::MAX_TOKEN_BYTES)?;
        let claims = Claims::read(&decode(self.claims)?)?;
        let validation = claims.text("iss").and_then(validation_of).ok_or(Rejection::Issuer)?;
        validation.check_header(&header)?;
        validation.check_claims(&claims, now)?;
        Ok(Candidate::new(self.with_header(header)?, claims))
    }

    /// Returns the parts for a [`Verifier`](crate::Verifier), for a payload of any kind.
    ///
    /// A valid signature alone does not make a token acceptable: neither its times nor its issuer
    /// nor its audience are checked. Use [`screen`](Self::screen) to authorize requests.
    ///
    /// # Errors
    /// The reasons that concern header, encoding and length.
    pub fn signed_parts(self) -> Result<SignedParts<'a>, Rejection> {
        let header = self.read_header(Algorithm::max_token_bytes)?;
        decode(self.claims)?;
        self.with_header(header)
    }

    /// The algorithm in the header limits the length of the token, so this comes before the payload
    /// is decoded.
    fn read_header(self, max_bytes: fn(Algorithm) -> usize) -> Result<Header, Rejection> {
        if self.header.len() > MAX_HEADER_CHARS {
            return Err(Rejection::TooLong);
        }
        let header = Header::read(&decode(self.header)?)?;
        let token_bytes = self.signing_input.len() + 1 + self.signature.len();
        if token_bytes > max_bytes(header.algorithm) {
            return Err(Rejection::TooLong);
        }
        Ok(header)
    }

    fn with_header(self, header: Header) -> Result<SignedParts<'a>, Rejection> {
        Ok(SignedParts {
            algorithm: header.algorithm,
            key_id: header.key_id,
            signing_input: self.signing_input,
            signature: decode(self.signature)?,
        })
    }
}

/// Shows no part of the token.
impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").finish_non_exhaustive()
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    base64url::decode(part).map_err(|_| Rejection::Encoding)
}

/// Well above the length of `alg`, `typ` and `kid`.
const MAX_HEADER_CHARS: usize = 2048;

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::Verifier;

    const NOW: UnixTime = UnixTime::from_seconds(1_000_000);
    const HEADER: &str = r#"{"alg":"RS256","typ":"JWT","kid":"k"}"#;
    const CLAIMS: &str = r#"{"iss":"us","sub":"alice","exp":1000001}"#;

    fn validation() -> Validation {
        Validation::new(Some("us".into()), Some(vec![]))
    }

    fn token(header: &str, claims: &str, signature: &[u8]) -> String {
        [header.as_bytes(), claims.as_bytes(), signature].map(base64url::encode).join(".")
    }

    fn screen(text: &str) -> Result<Candidate<'_>, Rejection> {
        UnverifiedToken::parse(text)?.screen(&validation(), NOW)
    }

    #[test]
    fn text_that_is_not_three_parts_is_refused() {
        let long = |bytes: usize| format!("e30.e30.{}", "A".repeat(bytes - 8));
        let rows = [
            ("empty text", String::new(), Err(Rejection::NotCompact)),
            ("one part", "e30".into(), Err(Rejection::NotCompact)),
            ("two parts", "e30.e30".into(), Err(Rejection::NotCompact)),
            ("empty signature", "e30.e30.".into(), Err(Rejection::NotCompact)),
            ("empty header", ".e30.AA".into(), Err(Rejection::NotCompact)),
            ("four parts", "e30.e30.AA.AA".into(), Err(Rejection::NotCompact)),
            ("encrypted", "e30.e30.AA.AA.AA".into(), Err(Rejection::NotCompact)),
            ("two dots", "..".into(), Err(Rejection::NotCompact)),
            ("longest token", long(16 * 1024), Ok(())),
            ("longest token and one byte", long(16 * 1024 + 1), Err(Rejection::TooLong)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(UnverifiedToken::parse(&text).map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn token_over_the_limit_of_its_algorithm_is_refused() {
        let padded = |algorithm: Algorithm, bytes: usize| {
            let start = token(&format!(r#"{{"alg":"{algorithm}"}}"#), "not JSON", b"");
            format!("{start}{}", "A".repeat(bytes - start.len()))
        };
        for (algorithm, max) in [(Algorithm::Rs256, 8192), (Algorithm::MlDsa44, 16384)] {
            let longest = padded(algorithm, max);
            let result = screen(&longest).map(|_| ());
            assert!(result != Err(Rejection::TooLong), "{algorithm}");
            let longer = padded(algorithm, max + 1);
            assert_eq!(screen(&longer).map(|_| ()), Err(Rejection::TooLong), "{algorithm}");
        }
        let header = format!(r#"{{"alg":"RS256","x":"{}"}}"#, "x".repeat(1536 - 22));
        assert_eq!(screen(&token(&header, "{}", b"s")).map(|_| ()), Err(Rejection::NoExpiry));
        let header = header.replace("xxx", "xxxx");
        assert_eq!(screen(&token(&header, "{}", b"s")).map(|_| ()), Err(Rejection::TooLong));
    }

    #[test]
    fn signed_parts_need_no_claims() {
        let rows = [
            ("claims", token(HEADER, CLAIMS, b"s"), Ok(())),
            ("payload that is not JSON", token(HEADER, "\0", b"s"), Ok(())),
            ("empty payload", token(HEADER, "", b"s"), Ok(())),
            ("other typ", token(r#"{"alg":"RS256","typ":"JOSE"}"#, "", b"s"), Ok(())),
            (
                "payload that is not base64url",
                token(HEADER, "", b"s").replace("..", ".$."),
                Err(Rejection::Encoding),
            ),
            (
                "crit",
                token(r#"{"alg":"RS256","crit":[]}"#, "", b"s"),
                Err(Rejection::Parameter("crit")),
            ),
        ];
        for (name, text, expected) in rows {
            let parts = UnverifiedToken::parse(&text).and_then(UnverifiedToken::signed_parts);
            assert_eq!(parts.map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn token_that_fails_a_check_is_refused() {
        let good = token(HEADER, CLAIMS, b"signature");
        let expired = token(HEADER, r#"{"iss":"us","exp":1}"#, b"signature");
        let rows = [
            ("valid token", good.clone(), Ok(())),
            ("padding", format!("{good}="), Err(Rejection::Encoding)),
            ("white space after", format!("{good} "), Err(Rejection::Encoding)),
            ("white space before", format!(" {good}"), Err(Rejection::Encoding)),
            ("header in standard base64", good.replacen("ey", "e/", 1), Err(Rejection::Encoding)),
            ("header is not JSON", token("alg", CLAIMS, b"s"), Err(Rejection::Header)),
            (
                "unexpected typ",
                token(r#"{"alg":"RS256","typ":"at+jwt"}"#, CLAIMS, b"s"),
                Err(Rejection::Type),
            ),
            ("typ in lower case", token(r#"{"alg":"RS256","typ":"jwt"}"#, CLAIMS, b"s"), Ok(())),
            (
                "typ with application/",
                token(r#"{"alg":"RS256","typ":"application/jwt"}"#, CLAIMS, b"s"),
                Ok(()),
            ),
            ("typ is missing", token(r#"{"alg":"RS256"}"#, CLAIMS, b"s"), Ok(())),
            ("claims are an array", token(HEADER, "[]", b"s"), Err(Rejection::Claims)),
            ("expired", expired, Err(Rejection::Expired { at: UnixTime::from_seconds(1) })),
        ];
        for (name, text, expected) in rows {
            assert_eq!(screen(&text).map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn typ_other_than_jwt_is_required_if_configured() {
        let validation = validation().with_token_type("at+jwt");
        let rows = [
            ("expected typ", r#"{"alg":"RS256","typ":"at+jwt"}"#, Ok(())),
            ("with application/", r#"{"alg":"RS256","typ":"application/at+jwt"}"#, Ok(())),
            ("upper case", r#"{"alg":"RS256","typ":"AT+JWT"}"#, Ok(())),
            ("other media type", r#"{"alg":"RS256","typ":"text/at+jwt"}"#, Err(Rejection::Type)),
            ("other typ", r#"{"alg":"RS256","typ":"JWT"}"#, Err(Rejection::Type)),
            ("typ is missing", r#"{"alg":"RS256"}"#, Err(Rejection::Type)),
        ];
        for (name, header, expected) in rows {
            let text = token(header, CLAIMS, b"s");
            let screened = UnverifiedToken::parse(&text).unwrap().screen(&validation, NOW);
            assert_eq!(screened.map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn issuer_selects_which_tokens_are_accepted() {
        let ours = validation();
        let others = Validation::new(Some("them".into()), Some(vec!["a".into()]))
            .with_token_types(vec!["JWT".into(), "at+jwt".into()])
            .with_algorithms(vec![Algorithm::Es256, Algorithm::Rs256]);
        let swapped = Validation::new(Some("other".into()), None);
        let rs256 = r#"{"alg":"RS256"}"#;
        let claims =
            |iss: &str, aud: &str| format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":1000001}}"#);
        let rows = [
            ("of one issuer", HEADER, CLAIMS.to_owned(), Ok(())),
            ("of the other", rs256, claims("them", "a"), Ok(())),
            (
                "other typ of the other",
                r#"{"alg":"ES256","typ":"at+jwt"}"#,
                claims("them", "a"),
                Ok(()),
            ),
            (
                "typ of the other issuer",
                r#"{"alg":"RS256","typ":"at+jwt"}"#,
                CLAIMS.to_owned(),
                Err(Rejection::Type),
            ),
            (
                "third typ",
                r#"{"alg":"RS256","typ":"x+jwt"}"#,
                claims("them", "a"),
                Err(Rejection::Type),
            ),
            (
                "third algorithm",
                r#"{"alg":"PS256"}"#,
                claims("them", "a"),
                Err(Rejection::UnsupportedAlgorithm),
            ),
            ("other audience", rs256, claims("them", "b"), Err(Rejection::Audience)),
            ("unknown issuer", rs256, claims("me", "a"), Err(Rejection::Issuer)),
            (
                "a validation of another issuer",
                rs256,
                claims("swapped", "a"),
                Err(Rejection::Issuer),
            ),
            ("no issuer", rs256, r#"{"exp":1000001}"#.to_owned(), Err(Rejection::Issuer)),
            (
                "expired",
                rs256,
                r#"{"iss":"us","exp":1}"#.to_owned(),
                Err(Rejection::Expired { at: UnixTime::from_seconds(1) }),
            ),
        ];
        for (name, header, claims, expected) in rows {
            let text = token(header, &claims, b"s");
            let screened = UnverifiedToken::parse(&text).unwrap().screen_by_issuer(
                |issuer| match issuer {
                    "us" => Some(&ours),
                    "them" => Some(&others),
                    "swapped" => Some(&swapped),
                    _ => None,
                },
                NOW,
            );
            assert_eq!(screened.map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn tokens_of_several_issuers_may_be_longer() {
        let screen = |bytes: usize| {
            let claims = |padding: usize| {
                let groups = "g".repeat(padding);
                format!(r#"{{"iss":"us","exp":1000001,"groups":"{groups}"}}"#)
            };
            let text = token(HEADER, &claims(bytes * 3 / 4 - 150), b"signature");
            let validation = validation();
            let token = UnverifiedToken::parse(&text)?;
            assert_eq!(token.screen(&validation, NOW).map(|_| ()), Err(Rejection::TooLong));
            token.screen_by_issuer(|_| Some(&validation), NOW).map(|_| text.len())
        };
        assert!(screen(16 * 1024).is_ok_and(|bytes| bytes > 15 * 1024));
        assert_eq!(screen(17 * 1024), Err(Rejection::TooLong));
    }

    /// Expects the parts of `token(HEADER, CLAIMS, b"signature")`, and returns a fixed result.
    struct FixedVerifier(Result<Result<(), Rejection>, &'static str>);

    impl Verifier for FixedVerifier {
        type Error = &'static str;

        async fn verify(
            &self,
            parts: &SignedParts<'_>,
        ) -> Result<Result<(), Rejection>, Self::Error> {
            assert_eq!((parts.algorithm, parts.key_id.as_deref()), (Algorithm::Rs256, Some("k")));
            assert_eq!(parts.signature, b"signature");
            let signed = token(HEADER, CLAIMS, b"");
            assert_eq!(parts.signing_input, signed.trim_end_matches('.'));
            self.0
        }
    }

    #[test]
    fn verifier_decides_about_the_signature() {
        let text = token(HEADER, CLAIMS, b"signature");
        let rows = [
            ("valid", Ok(Ok(())), Ok(Ok("alice".to_owned()))),
            ("invalid", Ok(Err(Rejection::Signature)), Ok(Err(Rejection::Signature))),
            ("no result", Err("down"), Err("down")),
        ];
        for (name, result, expected) in rows {
            let verifier = FixedVerifier(result);
            let mut confirm = pin!(screen(&text).unwrap().confirm(&verifier));
            let Poll::Ready(confirmed) =
                confirm.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            else {
                panic!("{name}: the verifier does not wait")
            };
            let subject =
                confirmed.map(|claims| claims.map(|claims| claims.text("sub").unwrap().to_owned()));
            assert_eq!(subject, expected, "{name}");
        }
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let text = token(HEADER, CLAIMS, b"signature");
        let parsed = UnverifiedToken::parse(&text).unwrap();
        let shown = format!("{parsed:?} {:?}", screen(&text).unwrap());
        assert_eq!(shown, "UnverifiedToken { .. } Candidate { .. }");
        assert_eq!(
            format!("{:?}", parsed.signed_parts().unwrap()),
            "SignedParts { algorithm: Rs256, .. }"
        );
    }
}
