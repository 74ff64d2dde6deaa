//! Output that a terminal does not interpret.

use std::{
    fmt::Write as _,
    io::{self, Stderr, Stdout, Write},
};

use jwt::is_invisible;

/// Standard output. Everything but line breaks is escaped as [`escape`] does.
pub(crate) fn stdout() -> Escaped<Stdout> {
    Escaped(io::stdout())
}

/// Standard error, like [`stdout`].
pub(crate) fn stderr() -> Escaped<Stderr> {
    Escaped(io::stderr())
}

/// A writer that escapes each text.
pub(crate) struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let lines = String::from_utf8_lossy(text);
        for (number, line) in lines.split('\n').enumerate() {
            if number > 0 {
                self.0.write_all(b"\n")?;
            }
            self.0.write_all(escape(line).as_bytes())?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes the characters that a terminal may interpret, and those that do not show: control characters (C0, C1 and DEL),
/// line and paragraph separators, and invisible formatting characters, such as those that change the direction of text.
/// In JSON, where they occur only in strings, the escape has the same meaning (RFC 8259 section 7).
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}') {
            push_escape(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Appends the escape of a character in JSON.
pub(crate) fn push_escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_invisible_characters_are_escaped_and_lines_kept() {
        let mut written = Vec::new();
        let text = "a\u{1b}[31m\n\u{9b}b\u{7f}\u{202e}c\r\n\u{2066}\u{e4}\t\nad\u{200b}m\u{200d}in\u{feff}\u{e0041}\n";
        Escaped(&mut written).write_all(text.as_bytes()).unwrap();
        let expected = "a\\u001b[31m\n\\u009bb\\u007f\\u202ec\\u000d\n\\u2066\u{e4}\\u0009\nad\\u200bm\\u200din\\ufeff\\udb40\\udc41\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
