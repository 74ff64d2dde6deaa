use std::fmt;

use crate::{Algorithm, Claims, Profile, Rejection, UnixTime, Verifier, base64url, header::Header};

/// A token in compact form of which nothing is known but its shape.
#[derive(Clone, Copy)]
pub struct UnverifiedToken<'a> {
    signing_input: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes the text apart; nothing is decoded.
    ///
    /// # Errors
    /// [`Rejection::TooLong`] and [`Rejection::NotCompact`].
    pub fn parse(text: &'a str) -> Result<Self, Rejection> {
        if text.len() > MAX_BYTES {
            return Err(Rejection::TooLong);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(Rejection::NotCompact)?;
        let (header, claims) = signing_input.split_once('.').ok_or(Rejection::NotCompact)?;
        let parts = [header, claims, signature];
        if claims.contains('.') || parts.iter().any(|part| part.is_empty()) {
            return Err(Rejection::NotCompact);
        }
        Ok(Self { signing_input, header, claims, signature })
    }

    /// Checks everything that needs no key, cheapest first.
    ///
    /// # Errors
    /// Whatever is wrong first.
    pub fn screen(self, profile: &Profile, now: UnixTime) -> Result<Candidate<'a>, Rejection> {
        let decode = |part| base64url::decode(part).ok_or(Rejection::Encoding);
        let header = Header::read(&decode(self.header)?)?;
        header.check(profile)?;
        let claims = Claims::read(&decode(self.claims)?)?;
        claims.check(profile, now)?;
        let proof = Proof {
            algorithm: header.algorithm,
            key_id: header.key_id,
            signing_input: self.signing_input,
            signature: decode(self.signature)?,
        };
        Ok(Candidate { proof, claims })
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").finish_non_exhaustive()
    }
}

/// A token that would be good if its signature is.
pub struct Candidate<'a> {
    proof: Proof<'a>,
    claims: Claims,
}

impl Candidate<'_> {
    /// Asks for the signature, and gives the claims if it is good.
    ///
    /// # Errors
    /// When the verifier could not answer. A refusal is an answer.
    pub async fn confirm<V: Verifier>(
        self,
        verifier: &V,
    ) -> Result<Result<Claims, Rejection>, V::Error> {
        Ok(verifier.verify(&self.proof).await?.map(|()| self.claims))
    }
}

impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").finish_non_exhaustive()
    }
}

/// What a [`Verifier`] is asked about: a signature, what it is over, and which key is said to have
/// made it.
pub struct Proof<'a> {
    /// The token's `alg`. The key decides whether it is the right one.
    pub algorithm: Algorithm,
    /// The token's `kid`: to be looked up among known keys, and for nothing else.
    pub key_id: Option<String>,
    /// The header and the payload as they were signed.
    pub signing_input: &'a str,
    /// The signature as JOSE writes it.
    pub signature: Vec<u8>,
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A token longer than this many bytes is refused before any of it is decoded.
pub const MAX_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_000_000);
    const HEADER: &str = r#"{"alg":"RS256","typ":"JWT","kid":"k"}"#;
    const CLAIMS: &str = r#"{"iss":"us","sub":"somebody","exp":1000001}"#;

    fn profile() -> Profile {
        Profile {
            issuer: "us".into(),
            audiences: vec![],
            token_type: "JWT".into(),
            leeway: Duration::ZERO,
        }
    }

    fn token(header: &str, claims: &str, signature: &[u8]) -> String {
        [header.as_bytes(), claims.as_bytes(), signature].map(base64url::encode).join(".")
    }

    fn screen(text: &str) -> Result<Candidate<'_>, Rejection> {
        UnverifiedToken::parse(text)?.screen(&profile(), NOW)
    }

    #[test]
    fn shape() {
        let long = |bytes: usize| format!("e30.e30.{}", "A".repeat(bytes - 8));
        let rows = [
            ("empty", String::new(), Err(Rejection::NotCompact)),
            ("one part", "e30".into(), Err(Rejection::NotCompact)),
            ("two parts", "e30.e30".into(), Err(Rejection::NotCompact)),
            ("unsigned", "e30.e30.".into(), Err(Rejection::NotCompact)),
            ("no header", ".e30.AA".into(), Err(Rejection::NotCompact)),
            ("no claims", "e30..AA".into(), Err(Rejection::NotCompact)),
            ("four parts", "e30.e30.AA.AA".into(), Err(Rejection::NotCompact)),
            ("encrypted", "e30.e30.AA.AA.AA".into(), Err(Rejection::NotCompact)),
            ("dots", "..".into(), Err(Rejection::NotCompact)),
            ("the longest", long(MAX_BYTES), Ok(())),
            ("one byte more", long(MAX_BYTES + 1), Err(Rejection::TooLong)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(UnverifiedToken::parse(&text).map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn screening() {
        let good = token(HEADER, CLAIMS, b"signature");
        let expired = token(HEADER, r#"{"iss":"us","exp":1}"#, b"signature");
        let rows = [
            ("good", good.clone(), Ok(())),
            ("padded", format!("{good}="), Err(Rejection::Encoding)),
            ("white space after", format!("{good} "), Err(Rejection::Encoding)),
            ("white space before", format!(" {good}"), Err(Rejection::Encoding)),
            (
                "header in the other alphabet",
                good.replacen("ey", "e/", 1),
                Err(Rejection::Encoding),
            ),
            ("header is not JSON", token("alg", CLAIMS, b"s"), Err(Rejection::Header)),
            (
                "typ of another kind",
                token(r#"{"alg":"RS256","typ":"at+jwt"}"#, CLAIMS, b"s"),
                Err(Rejection::Type),
            ),
            (
                "typ in lower case",
                token(r#"{"alg":"RS256","typ":"jwt"}"#, CLAIMS, b"s"),
                Err(Rejection::Type),
            ),
            ("no typ", token(r#"{"alg":"RS256"}"#, CLAIMS, b"s"), Ok(())),
            ("claims are an array", token(HEADER, "[]", b"s"), Err(Rejection::Claims)),
            ("expired", expired, Err(Rejection::Expired { at: UnixTime::from_seconds(1) })),
        ];
        for (name, text, expected) in rows {
            assert_eq!(screen(&text).map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn a_configured_type_must_be_there() {
        let profile = Profile { token_type: "at+jwt".into(), ..profile() };
        let rows = [
            ("it", r#"{"alg":"RS256","typ":"at+jwt"}"#, Ok(())),
            ("another", r#"{"alg":"RS256","typ":"JWT"}"#, Err(Rejection::Type)),
            ("none", r#"{"alg":"RS256"}"#, Err(Rejection::Type)),
        ];
        for (name, header, expected) in rows {
            let text = token(header, CLAIMS, b"s");
            let screened = UnverifiedToken::parse(&text).unwrap().screen(&profile, NOW);
            assert_eq!(screened.map(|_| ()), expected, "{name}");
        }
    }

    /// Expects to be asked about `token(HEADER, CLAIMS, b"signature")`.
    struct Oracle(Result<Result<(), Rejection>, &'static str>);

    impl Verifier for Oracle {
        type Error = &'static str;

        async fn verify(&self, proof: &Proof<'_>) -> Result<Result<(), Rejection>, Self::Error> {
            assert_eq!((proof.algorithm, proof.key_id.as_deref()), (Algorithm::Rs256, Some("k")));
            assert_eq!(proof.signature, b"signature");
            let signed = token(HEADER, CLAIMS, b"");
            assert_eq!(proof.signing_input, signed.trim_end_matches('.'));
            self.0
        }
    }

    #[test]
    fn confirmation_is_the_verifiers() {
        let text = token(HEADER, CLAIMS, b"signature");
        let rows = [
            ("yes", Ok(Ok(())), Ok(Ok("somebody".to_owned()))),
            ("no", Ok(Err(Rejection::Signature)), Ok(Err(Rejection::Signature))),
            ("could not ask", Err("down"), Err("down")),
        ];
        for (name, answer, expected) in rows {
            let oracle = Oracle(answer);
            let mut confirm = pin!(screen(&text).unwrap().confirm(&oracle));
            let Poll::Ready(confirmed) =
                confirm.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            else {
                panic!("{name}: the oracle answers at once")
            };
            let subject =
                confirmed.map(|claims| claims.map(|claims| claims.text("sub").unwrap().to_owned()));
            assert_eq!(subject, expected, "{name}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let text = token(HEADER, CLAIMS, b"signature");
        let shown =
            format!("{:?} {:?}", UnverifiedToken::parse(&text).unwrap(), screen(&text).unwrap());
        for part in text.split('.') {
            assert!(!shown.contains(part));
        }
    }
}
