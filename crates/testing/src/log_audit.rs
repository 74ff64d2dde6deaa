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

/// How much was searched, and nothing found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditReport {
    /// Streams of processes.
    pub logs: usize,
    /// Lines in them.
    pub lines: usize,
    /// Different tokens and signatures.
    pub secrets: usize,
}

/// Why a search does not show that no log holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// What was kept cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// One side is empty: nothing could be found.
    #[error("{0} lines and {1} tokens and signatures were kept: nothing is shown by that")]
    Empty(usize, usize),
    /// Here. What it is does not stand here too.
    #[error("a token or a signature, or a piece of one, is in\n{}", list(.0))]
    Leaks(Vec<Leak>),
}

/// A line with a piece of a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The log.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

/// Searches every log in a folder for every token and signature there: for its claims and its
/// signature as a token has them, for the signature in base64 and in hexadecimal digits, and for
/// every piece of these that is as long as 15 bytes are.
///
/// # Errors
/// When there is a leak, or when there is nothing that could leak or be leaked to.
pub fn audit(folder: &Path) -> Result<AuditReport, AuditError> {
    let mut known = HashSet::new();
    for file in files(folder, SECRETS_EXTENSION)? {
        known.extend(fs::read_to_string(file)?.lines().map(str::to_owned));
    }
    let forms: Vec<_> = known.iter().flat_map(|secret| forms(secret)).collect();
    let blocks: HashSet<&[u8]> =
        forms.iter().flat_map(|(form, size)| form.as_bytes().chunks_exact(*size)).collect();
    let (mut leaks, mut lines) = (Vec::new(), 0);
    let logs = files(folder, LOG_EXTENSION)?;
    for file in &logs {
        let text = BufReader::new(fs::File::open(file)?);
        for (line, text) in (1..).zip(text.split(b'\n')) {
            lines += 1;
            if leaks_to(&text?, &blocks) {
                leaks.push(Leak { file: file.clone(), line });
            }
        }
    }
    match (lines, known.len()) {
        (0, secrets) | (secrets, 0) if leaks.is_empty() => Err(AuditError::Empty(lines, secrets)),
        _ if !leaks.is_empty() => Err(AuditError::Leaks(leaks)),
        (lines, secrets) => Ok(AuditReport { logs: logs.len(), lines, secrets }),
    }
}

/// What of a secret is looked for, each in blocks of how many characters: whatever is twice as long
/// has one of them in it whole.
fn forms(secret: &str) -> Vec<(String, usize)> {
    // A header says nothing. What has one part is a signature, or was never a token.
    let parts: Vec<&str> = match secret.split_once('.') {
        Some((_, rest)) => rest.split('.').collect(),
        None => vec![secret],
    };
    let raw = parts.last().and_then(|signature| URL_SAFE_NO_PAD.decode(signature).ok());
    let raw = raw.unwrap_or_default();
    let digits: String = raw
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    let encoded = parts.into_iter().map(str::to_owned).chain([STANDARD.encode(raw)]);
    let hexadecimal = [digits.to_uppercase(), digits];
    encoded
        .map(|form| (form, BASE64_BLOCK))
        .chain(hexadecimal.map(|form| (form, HEX_BLOCK)))
        .collect()
}

fn leaks_to(line: &[u8], blocks: &HashSet<&[u8]>) -> bool {
    let words = line.split(|byte| !(byte.is_ascii_alphanumeric() || b"-_+/=".contains(byte)));
    words.filter(|word| word.len() >= 2 * BASE64_BLOCK).any(|word| {
        let found = |size| word.windows(size).any(|window| blocks.contains(window));
        found(BASE64_BLOCK) || found(HEX_BLOCK)
    })
}

fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let all = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let all: Vec<PathBuf> = all.collect::<io::Result<_>>()?;
    let own = |file: &PathBuf| file.extension().is_some_and(|found| found == extension);
    Ok(all.into_iter().filter(own).collect())
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

fn list(leaks: &[Leak]) -> String {
    leaks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// 60 bits: not met by chance.
const BASE64_BLOCK: usize = 10;
/// 64 bits.
const HEX_BLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    fn raw() -> Vec<u8> {
        (0..64_u8).map(|at| at.wrapping_mul(151) ^ 0x5a).collect()
    }

    /// What a search finds with this in the logs and that among the secrets.
    fn searched(test: &str, log: &str, secrets: &str) -> Result<AuditReport, Vec<usize>> {
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
    fn every_piece_of_a_secret_is_found() {
        let (header, signature) = ("eyJhbGciOiJFUzI1NiJ9", URL_SAFE_NO_PAD.encode(raw()));
        let claims =
            URL_SAFE_NO_PAD.encode(r#"{"sub":"test-user","exp":1911744000,"jti":"an-id"}"#);
        let token = format!("{header}.{claims}.{signature}");
        let digits: Vec<_> = raw().iter().map(|byte| format!("{byte:02x}")).collect();
        let digits = digits.concat();
        // In base64 of marks alone, which base64url has not.
        let marks = [0xfb, 0xef, 0xff].repeat(16);
        let secrets = format!("{token}\n{}\n{}\n", "x".repeat(30), URL_SAFE_NO_PAD.encode(&marks));
        let mut leaks = vec![
            ("the token".to_owned(), token.clone()),
            ("as a header".into(), format!("{{\"Authorization\": \"Bearer {token}\"}}")),
            ("escaped".into(), format!("{{\\\"token\\\":\\\"{token}\\\"}}")),
            ("its claims".into(), claims.clone()),
            ("its signature".into(), format!("signature={signature};")),
            ("in base64".into(), STANDARD.encode(raw())),
            ("in marks".into(), STANDARD.encode(marks)),
            ("in hexadecimal digits".into(), digits.clone()),
            ("in large ones".into(), digits.to_uppercase()),
            ("what was no token".into(), "x".repeat(30)),
        ];
        for (name, form, length) in
            [("claims", &claims, 20), ("signature", &signature, 20), ("digits", &digits, 32)]
        {
            for start in 0..=form.len() - length {
                let piece = &form[start..start + length];
                leaks.push((format!("{name} from {start}"), format!("… {piece} …")));
            }
        }
        for (name, text) in leaks {
            let log = format!("a line\n{text}\nand another\n");
            assert_eq!(searched("pieces", &log, &secrets), Err(vec![2]), "{name}");
            let other = searched("pieces", &log, &format!("{header}.e30.c2lnbmF0dXJl"));
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
                searched("pieces", text, &secrets).map(|cleared| cleared.lines),
                Ok(1),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_is_shown_by_nothing() {
        for (log, secrets) in [("", ""), ("a line", ""), ("", "a.b.c")] {
            assert_eq!(searched("nothing", log, secrets), Err(vec![]), "{log:?} {secrets:?}");
        }
    }
}
