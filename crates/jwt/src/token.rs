use std::fmt;

use crate::{
    Algorithm, Claims, Rejection, UnixTime, Validation, Verifier, base64url, header::Header,
};

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
        if text.len() > LONGEST {
            return Err(Rejection::TooLong);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(Rejection::NotCompact)?;
        let (header, claims) = signing_input.split_once('.').ok_or(Rejection::NotCompact)?;
        if claims.contains('.') || header.is_empty() || signature.is_empty() {
            return Err(Rejection::NotCompact);
        }
        Ok(Self { signing_input, header, claims, signature })
    }

    /// Checks everything that needs no key, cheapest first.
    ///
    /// # Errors
    /// Whatever is wrong first.
    pub fn screen(self, profile: &Validation, now: UnixTime) -> Result<Candidate<'a>, Rejection> {
        let header = self.read_header()?;
        header.check(profile)?;
        let claims = decode(self.claims)?;
        let proof = self.proof_under(header)?;
        let claims = Claims::read(&claims)?;
        claims.check(profile, now)?;
        Ok(Candidate { proof, claims })
    }

    /// The signature alone, for a payload of any kind: nothing is known of what was signed, even
    /// when a verifier says that it was.
    ///
    /// # Errors
    /// When the header or the form is wrong.
    pub fn proof(self) -> Result<SignedParts<'a>, Rejection> {
        let header = self.read_header()?;
        decode(self.claims)?;
        self.proof_under(header)
    }

    /// The header is read before the claims are decoded, and says how long the token may be.
    fn read_header(self) -> Result<Header, Rejection> {
        if self.header.len() > MAX_HEADER_CHARS {
            return Err(Rejection::TooLong);
        }
        let header = Header::read(&decode(self.header)?)?;
        let length = self.signing_input.len() + 1 + self.signature.len();
        if length > header.algorithm.max_token_bytes() {
            return Err(Rejection::TooLong);
        }
        Ok(header)
    }

    fn proof_under(self, header: Header) -> Result<SignedParts<'a>, Rejection> {
        Ok(SignedParts {
            algorithm: header.algorithm,
            key_id: header.key_id,
            signing_input: self.signing_input,
            signature: decode(self.signature)?,
        })
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").finish_non_exhaustive()
    }
}

/// A token that would be good if its signature is.
pub struct Candidate<'a> {
    proof: SignedParts<'a>,
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
pub struct SignedParts<'a> {
    /// The token's `alg`. The key decides whether it is the right one.
    pub algorithm: Algorithm,
    /// The token's `kid`: to be looked up among known keys, and for nothing else.
    pub key_id: Option<String>,
    /// The header and the payload as they were signed.
    pub signing_input: &'a str,
    /// The signature as JOSE writes it.
    pub signature: Vec<u8>,
}

impl fmt::Debug for SignedParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedParts").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    base64url::decode(part).ok_or(Rejection::Encoding)
}

/// The most of any algorithm: a longer token is refused before any of it is decoded.
const LONGEST: usize = 16 * 1024;
/// Far more than `alg`, `typ` and `kid` take.
const MAX_HEADER_CHARS: usize = 2048;

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

    fn profile() -> Validation {
        Validation {
            issuer: Some("us".into()),
            audiences: Some(vec![]),
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
            ("four parts", "e30.e30.AA.AA".into(), Err(Rejection::NotCompact)),
            ("encrypted", "e30.e30.AA.AA.AA".into(), Err(Rejection::NotCompact)),
            ("dots", "..".into(), Err(Rejection::NotCompact)),
            ("the longest", long(LONGEST), Ok(())),
            ("one byte more", long(LONGEST + 1), Err(Rejection::TooLong)),
        ];
        for (name, text, expected) in rows {
            assert_eq!(UnverifiedToken::parse(&text).map(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn the_algorithm_says_how_long_a_token_may_be() {
        let padded = |algorithm: Algorithm, bytes: usize| {
            let start = token(&format!(r#"{{"alg":"{algorithm}"}}"#), "not JSON", b"");
            format!("{start}{}", "A".repeat(bytes - start.len()))
        };
        for (algorithm, most) in [(Algorithm::Rs256, 8192), (Algorithm::MlDsa44, 16384)] {
            let longest = padded(algorithm, most);
            let taken = screen(&longest).map(|_| ());
            assert!(taken != Err(Rejection::TooLong), "{algorithm}");
            let longer = padded(algorithm, most + 1);
            assert_eq!(screen(&longer).map(|_| ()), Err(Rejection::TooLong), "{algorithm}");
        }
        let header = format!(r#"{{"alg":"RS256","x":"{}"}}"#, "x".repeat(1536 - 22));
        assert_eq!(screen(&token(&header, "{}", b"s")).map(|_| ()), Err(Rejection::NoExpiry));
        let header = header.replace("xxx", "xxxx");
        assert_eq!(screen(&token(&header, "{}", b"s")).map(|_| ()), Err(Rejection::TooLong));
    }

    #[test]
    fn a_proof_needs_no_claims() {
        let rows = [
            ("claims", token(HEADER, CLAIMS, b"s"), Ok(())),
            ("any payload", token(HEADER, "\0", b"s"), Ok(())),
            ("no payload", token(HEADER, "", b"s"), Ok(())),
            ("another type", token(r#"{"alg":"RS256","typ":"JOSE"}"#, "", b"s"), Ok(())),
            (
                "a payload that is not encoded",
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
            let proof = UnverifiedToken::parse(&text).and_then(UnverifiedToken::proof);
            assert_eq!(proof.map(|_| ()), expected, "{name}");
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
            ("typ in lower case", token(r#"{"alg":"RS256","typ":"jwt"}"#, CLAIMS, b"s"), Ok(())),
            (
                "typ with its prefix",
                token(r#"{"alg":"RS256","typ":"application/jwt"}"#, CLAIMS, b"s"),
                Ok(()),
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
        let profile = Validation { token_type: "at+jwt".into(), ..profile() };
        let rows = [
            ("it", r#"{"alg":"RS256","typ":"at+jwt"}"#, Ok(())),
            ("in full", r#"{"alg":"RS256","typ":"application/at+jwt"}"#, Ok(())),
            ("in upper case", r#"{"alg":"RS256","typ":"AT+JWT"}"#, Ok(())),
            ("of another kind", r#"{"alg":"RS256","typ":"text/at+jwt"}"#, Err(Rejection::Type)),
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

        async fn verify(
            &self,
            proof: &SignedParts<'_>,
        ) -> Result<Result<(), Rejection>, Self::Error> {
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
        let parsed = UnverifiedToken::parse(&text).unwrap();
        let shown = format!("{parsed:?} {:?}", screen(&text).unwrap());
        assert_eq!(shown, "UnverifiedToken { .. } Candidate { .. }");
        assert_eq!(
            format!("{:?}", parsed.proof().unwrap()),
            "SignedParts { algorithm: Rs256, .. }"
        );
    }
}
