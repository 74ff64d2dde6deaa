use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{KeyError, PublicKey};

impl PublicKey {
    /// Reads the textual form of a `SubjectPublicKeyInfo` (RFC 7468 section 13).
    ///
    /// # Errors
    /// When it is not exactly one, with nothing around it but white space.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let body = pem.trim().strip_prefix(BEGIN).and_then(|pem| pem.strip_suffix(END));
        let base64: String = body.ok_or(KeyError)?.split_ascii_whitespace().collect();
        Self::from_spki(&STANDARD.decode(base64).map_err(|_| KeyError)?)
    }

    /// The textual form of the `SubjectPublicKeyInfo`, as `openssl` takes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let base64 = STANDARD.encode(self.to_spki());
        let mut pem = format!("{BEGIN}\n");
        let mut rest = &*base64;
        while !rest.is_empty() {
            let (line, after) = rest.split_at_checked(LINE_CHARS).unwrap_or((rest, ""));
            pem.extend([line, "\n"]);
            rest = after;
        }
        pem + END + "\n"
    }
}

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
const LINE_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.2.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn the_text_around_a_key() {
        let key = PublicKey::from_pem(PEM).unwrap();
        assert_eq!(key.to_pem(), PEM);
        assert_eq!(PublicKey::from_pem(&format!("\r\n{}", PEM.replace('\n', "\r\n"))), Ok(key));
        let rows = [
            ("nothing", String::new()),
            ("another label", PEM.replace("PUBLIC", "PRIVATE")),
            ("no beginning", PEM.replace("BEGIN", "START")),
            ("no end", PEM.replace("END", "STOP")),
            ("text before it", format!("key:\n{PEM}")),
            ("two of them", format!("{PEM}{PEM}")),
            ("not base64", PEM.replace('/', "_")),
            ("no padding", PEM.replace('=', "")),
            ("not a key", PEM.replace("MCow", "MCox")),
        ];
        for (name, pem) in rows {
            assert_eq!(PublicKey::from_pem(&pem), Err(KeyError), "{name}");
        }
    }
}
