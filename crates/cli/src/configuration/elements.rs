//! The elements of a JSON list, with their places in the text.

use serde_json::value::RawValue;

/// A place in a text, as editors count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The character within the line, from 1.
    pub(crate) column: usize,
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The place of the byte at this offset.
    pub(crate) fn of_offset(text: &str, offset: usize) -> Self {
        let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }
}

/// An element of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    /// The JSON of the element.
    pub(crate) text: &'a str,
    /// The offset of its start, in bytes.
    pub(crate) offset: usize,
}

/// Splits a list into its elements.
///
/// # Errors
/// If the text is not a JSON list: the place of the problem, and its message.
pub(crate) fn elements(text: &str) -> Result<Vec<Element<'_>>, (Position, String)> {
    if text.starts_with('\u{feff}') {
        return Err((Position::START, "begins with a byte order mark: remove it".into()));
    }
    let all: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            let start = text.len() - text.trim_start().len();
            return (Position::of_offset(text, start), "must be a JSON list".to_owned());
        }
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let offset = offset_of(text, error.line(), error.column());
        (Position::of_offset(text, offset), format!("not JSON: {message}"))
    })?;
    let offset_of = |value: &RawValue| value.get().as_ptr().addr() - text.as_ptr().addr();
    Ok(all.iter().map(|value| Element { text: value.get(), offset: offset_of(value) }).collect())
}

/// The offset of a place that `serde_json` reports: a line and a byte, both from 1.
pub(crate) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len);
    before.sum::<usize>() + column.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_their_text_and_place() {
        let text = "\n [{\"a\": [1,\n 2]} ,\n\"ä\", 3]\n";
        let found: Vec<_> = elements(text)
            .unwrap()
            .into_iter()
            .map(|it| {
                let Position { line, column } = Position::of_offset(text, it.offset);
                (it.text, line, column)
            })
            .collect();
        assert_eq!(found, [("{\"a\": [1,\n 2]}", 2, 3), ("\"ä\"", 4, 1), ("3", 4, 6)]);
        assert_eq!(elements("[ ]"), Ok(Vec::new()));
    }

    #[test]
    fn text_that_is_not_a_list_is_an_error_with_its_place() {
        let rows = [
            ("", 1, 1, "not JSON: EOF while parsing a value"),
            ("[", 1, 1, "not JSON: EOF while parsing a list"),
            ("[1,\n 2,\n]", 3, 1, "not JSON: trailing comma"),
            ("[\n{\"ä\": \"ä\" \"b\"}]", 2, 11, "not JSON: expected `,` or `}`"),
            ("[] x", 1, 4, "not JSON: trailing characters"),
            ("\n  {}", 2, 3, "must be a JSON list"),
            ("\u{feff}[]", 1, 1, "begins with a byte order mark: remove it"),
        ];
        for (text, line, column, problem) in rows {
            let error = elements(text).unwrap_err();
            assert_eq!(error, (Position { line, column }, problem.to_owned()), "{text:?}");
        }
    }
}
