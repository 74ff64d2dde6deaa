//! Searches recorded logs for recorded tokens and signatures.

use std::{
    collections::HashSet,
    fmt, fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use local::recording::{LOG_EXTENSION, SECRETS_EXTENSION};

/// The extent of an audit that found no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditReport {
    /// The number of logs, one for each output stream of a process.
    pub logs: usize,
    /// The number of lines in the logs.
    pub lines: usize,
    /// The number of different tokens and signatures.
    pub secrets: usize,
}

/// Why an audit failed.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A recorded file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// No lines or no secrets were recorded. Holds both numbers.
    #[error("nothing to audit: {0} log lines and {1} tokens and signatures were recorded")]
    Empty(usize, usize),
    /// Logs contain secrets. The message names the lines, not the secrets.
    #[error("the logs contain tokens, signatures or parts of them:\n{}", list(.0))]
    Leaks(Vec<Leak>),
}

/// A log line that contains a part of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The log.
    pub file: PathBuf,
    /// The line number, starting with 1.
    pub line: usize,
}

/// Searches every recorded log in a folder for every recorded token and signature: for the claims and the signature
/// in base64url, for the signature in base64 and in hexadecimal digits, and for every part of these that encodes at
/// least 15 bytes.
///
/// # Errors
/// If a log contains a secret, a file cannot be read, or no logs or no secrets were recorded.
pub fn audit(folder: &Path) -> Result<AuditReport, AuditError> {
    let mut secrets = HashSet::new();
    for file in files(folder, SECRETS_EXTENSION)? {
        secrets.extend(fs::read_to_string(file)?.lines().map(str::to_owned));
    }
    let encodings: Vec<_> = secrets.iter().flat_map(|secret| encodings(secret)).collect();
    let blocks: HashSet<&[u8]> =
        encodings.iter().flat_map(|(text, size)| text.as_bytes().chunks_exact(*size)).collect();
    let (mut leaks, mut lines) = (Vec::new(), 0);
    let logs = files(folder, LOG_EXTENSION)?;
    for file in &logs {
        let text = BufReader::new(fs::File::open(file)?);
        for (line, text) in (1..).zip(text.split(b'\n')) {
            lines += 1;
            if contains_block(&text?, &blocks) {
                leaks.push(Leak { file: file.clone(), line });
            }
        }
    }
    match (lines, secrets.len()) {
        (0, secrets) | (secrets, 0) if leaks.is_empty() => Err(AuditError::Empty(lines, secrets)),
        _ if !leaks.is_empty() => Err(AuditError::Leaks(leaks)),
        (lines, secrets) => Ok(AuditReport { logs: logs.len(), lines, secrets }),
    }
}

/// The encodings of a secret, each with the length of the blocks to search for: every part of twice that length
/// contains a whole block.
fn encodings(secret: &str) -> Vec<(String, usize)> {
    // The header is not secret. A secret with one part is a signature or an invalid token.
    let parts: Vec<&str> = match secret.split_once('.') {
        Some((_, rest)) => rest.split('.').collect(),
        None => vec![secret],
    };
    let signature = parts.last().and_then(|signature| URL_SAFE_NO_PAD.decode(signature).ok());
    let signature = signature.unwrap_or_default();
    let digits: String = signature
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    let encoded = parts.into_iter().map(str::to_owned).chain([STANDARD.encode(signature)]);
    let hexadecimal = [digits.to_uppercase(), digits];
    encoded
        .map(|text| (text, BASE64_BLOCK))
        .chain(hexadecimal.map(|text| (text, HEX_BLOCK)))
        .collect()
}

fn contains_block(line: &[u8], blocks: &HashSet<&[u8]>) -> bool {
    let words = line.split(|byte| !(byte.is_ascii_alphanumeric() || b"-_+/=".contains(byte)));
    words.filter(|word| word.len() >= 2 * BASE64_BLOCK).any(|word| {
        let contains = |size| word.windows(size).any(|window| blocks.contains(window));
        contains(BASE64_BLOCK) || contains(HEX_BLOCK)
    })
}

fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let all = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let all: Vec<PathBuf> = all.collect::<io::Result<_>>()?;
    let has_extension = |file: &PathBuf| file.extension().is_some_and(|found| found == extension);
    Ok(all.into_iter().filter(has_extension).collect())
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

fn list(leaks: &[Leak]) -> String {
    leaks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// 10 characters of base64 are 60 bits, which do not match by chance.
const BASE64_BLOCK: usize = 10;
/// 16 hexadecimal digits are 64 bits.
const HEX_BLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    fn signature_bytes() -> Vec<u8> {
        (0..64_u8).map(|at| at.wrapping_mul(151) ^ 0x5a).collect()
    }

    /// Audits a folder with this log and these secrets. The error is the lines of the leaks.
    fn audited(test: &str, log: &str, secrets: &str) -> Result<AuditReport, Vec<usize>> {
        let folder = env::temp_dir().join(format!("countersign-{test}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("1.log"), log).unwrap();
        fs::write(folder.join("2.log"), "").unwrap();
        fs::write(folder.join("1.secrets"), secrets).unwrap();
        let found = audit(&folder);
        fs::remove_dir_all(&folder).unwrap();
        found.map_err(|error| match error {
            AuditError::Leaks(leaks) => leaks.iter().map(|leak| leak.line).collect(),
            AuditError::Empty(..) => Vec::new(),
            AuditError::Unreadable(error) => panic!("{error}"),
        })
    }

    #[test]
    fn every_part_of_a_secret_is_found() {
        let (header, signature) =
            ("eyJhbGciOiJFUzI1NiJ9", URL_SAFE_NO_PAD.encode(signature_bytes()));
        let claims =
            URL_SAFE_NO_PAD.encode(r#"{"sub":"test-user","exp":1911744000,"jti":"an-id"}"#);
        let token = format!("{header}.{claims}.{signature}");
        let digits: Vec<_> = signature_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let digits = digits.concat();
        // Its base64 consists of characters that base64url does not have.
        let symbols = [0xfb, 0xef, 0xff].repeat(16);
        let secrets =
            format!("{token}\n{}\n{}\n", "x".repeat(30), URL_SAFE_NO_PAD.encode(&symbols));
        let mut leaks = vec![
            ("the token".to_owned(), token.clone()),
            ("in a header".into(), format!("{{\"Authorization\": \"Bearer {token}\"}}")),
            ("in escaped JSON".into(), format!("{{\\\"token\\\":\\\"{token}\\\"}}")),
            ("the claims".into(), claims.clone()),
            ("the signature".into(), format!("signature={signature};")),
            ("the signature in base64".into(), STANDARD.encode(signature_bytes())),
            ("a signature of base64 symbols".into(), STANDARD.encode(symbols)),
            ("the signature in hexadecimal digits".into(), digits.clone()),
            ("the signature in upper-case digits".into(), digits.to_uppercase()),
            ("an invalid token".into(), "x".repeat(30)),
        ];
        for (name, text, length) in
            [("claims", &claims, 20), ("signature", &signature, 20), ("digits", &digits, 32)]
        {
            for start in 0..=text.len() - length {
                let piece = &text[start..start + length];
                leaks.push((format!("{name} from {start}"), format!("… {piece} …")));
            }
        }
        for (name, text) in leaks {
            let log = format!("a line\n{text}\nand another\n");
            assert_eq!(audited("pieces", &log, &secrets), Err(vec![2]), "{name}");
            let other = audited("pieces", &log, &format!("{header}.e30.c2lnbmF0dXJl"));
            assert_eq!(other, Ok(AuditReport { logs: 2, lines: 3, secrets: 1 }), "{name}");
        }
        let clean = [
            header,
            &signature[..9],
            r#"{"requestId":"8f14e45f-ceea-467f-a0e6-9a1d3a9d4a4f","sub":"test-user","jti":"an-id"}"#,
            "1-65a1b2c3-0123456789abcdef01234567",
        ];
        for text in clean {
            assert_eq!(
                audited("pieces", text, &secrets).map(|report| report.lines),
                Ok(1),
                "{text}"
            );
        }
    }

    #[test]
    fn an_audit_without_logs_or_secrets_fails() {
        for (log, secrets) in [("", ""), ("a line", ""), ("", "a.b.c")] {
            assert_eq!(audited("nothing", log, secrets), Err(vec![]), "{log:?} {secrets:?}");
        }
    }
}
