//! How a backend may normalize a path before it routes: decode, cut path parameters, merge slashes, ignore case.

use percent_encoding::percent_decode_str;

/// The steps of normalization that a backend takes before it routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Normalization {
    /// Decode each segment once. An encoded slash separates segments then.
    decodes: bool,
    path_parameters: PathParameters,
    /// Remove empty segments and the slash at the end.
    merges_slashes: bool,
    /// Ignore case.
    folds_case: bool,
}

/// The handling of path parameters: the text from `;` to the end of a segment (RFC 3986 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathParameters {
    Kept,
    /// Cut off before the segment is decoded, or without decoding it.
    CutBeforeDecoding,
    /// Cut off after the segment was decoded and split.
    CutAfterDecoding,
}

impl Normalization {
    /// All steps. The result is the normal form of the path.
    pub(crate) const FULL: Self = Self {
        decodes: true,
        path_parameters: PathParameters::CutAfterDecoding,
        merges_slashes: true,
        folds_case: true,
    };

    /// Every combination of steps.
    pub(crate) fn combinations() -> impl Iterator<Item = Self> {
        let decoding_and_cutting = [
            (false, PathParameters::Kept),
            (false, PathParameters::CutBeforeDecoding),
            (true, PathParameters::Kept),
            (true, PathParameters::CutBeforeDecoding),
            (true, PathParameters::CutAfterDecoding),
        ];
        let merging_and_folding = [(false, false), (false, true), (true, false), (true, true)];
        decoding_and_cutting.into_iter().flat_map(move |(decodes, path_parameters)| {
            merging_and_folding.map(|(merges_slashes, folds_case)| Self {
                decodes,
                path_parameters,
                merges_slashes,
                folds_case,
            })
        })
    }

    /// The segments of the path after these steps, and whether a slash at the end was removed.
    pub(crate) fn apply(self, path: &str) -> (Vec<String>, bool) {
        let mut segments: Vec<String> = Vec::new();
        for segment in path.split('/') {
            let segment = if self.path_parameters == PathParameters::CutBeforeDecoding {
                without_parameters(segment)
            } else {
                segment
            };
            let decoded = if self.decodes {
                percent_decode_str(segment).decode_utf8_lossy()
            } else {
                segment.into()
            };
            for part in decoded.split('/') {
                let is_cut = self.path_parameters == PathParameters::CutAfterDecoding;
                let part = if is_cut { without_parameters(part) } else { part };
                segments.push(if self.folds_case { fold_case(part) } else { part.to_owned() });
            }
        }
        let ends_with_slash = segments.last().is_some_and(String::is_empty);
        if self.merges_slashes {
            segments.retain(|segment| !segment.is_empty());
        }
        let removed_slash = self.merges_slashes && ends_with_slash && !segments.is_empty();
        (segments, removed_slash)
    }
}

/// What makes a path ambiguous, for error messages.
pub(crate) const AMBIGUITIES: &str = "a dot segment, a backslash or a control character";

/// Whether a backend may rewrite the path before it routes: it has a dot segment (RFC 3986 section 5.2.4), a
/// backslash or a control character, encoded or not.
pub(crate) fn is_ambiguous(path: &str) -> bool {
    path.split('/').any(|segment| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        let is_dots = |part: &str| matches!(without_parameters(part), "." | "..");
        decoded.contains(|c: char| c == '\\' || c.is_control())
            || decoded.split('/').any(is_dots)
            || is_dots(&percent_decode_str(without_parameters(segment)).decode_utf8_lossy())
    })
}

/// Whether no combination of steps changes the path.
pub(crate) fn is_normalized(path: &str) -> bool {
    let is_unchanged = |b: u8| !b.is_ascii_uppercase() && b.is_ascii() && b != b'%' && b != b';';
    path.bytes().all(is_unchanged)
        && (path.is_empty() || path.split('/').all(|segment| !segment.is_empty()))
}

fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// The text in lower case. Letters that some comparisons without case treat alike become one letter: `ſ` (U+017F),
/// the Kelvin sign (U+212A) and `İ` (U+0130) become letters of ASCII.
fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.to_uppercase().to_lowercase().replace("i\u{307}", "i")
}

#[cfg(test)]
mod tests {
    use super::{Normalization, is_ambiguous, is_normalized};

    #[test]
    fn path_is_brought_into_its_normal_form() {
        let rows: [(&str, &[&str]); 17] = [
            ("", &[""]),
            ("a", &["a"]),
            ("A/B", &["a", "b"]),
            ("%61%64min/x", &["admin", "x"]),
            ("admin%2Fx", &["admin", "x"]),
            ("admin%2fx", &["admin", "x"]),
            ("//a//b/", &["", "", "a", "", "b", ""]),
            ("admin;v=1/x;y", &["admin", "x"]),
            ("admin%3Bv=1", &["admin"]),
            (";/a", &["", "a"]),
            ("u/a%40b.c", &["u", "a@b.c"]),
            ("x%20y", &["x y"]),
            // Decoded once. Invalid encodings stay.
            ("%2561", &["%61"]),
            ("100%/%4/%zz", &["100%", "%4", "%zz"]),
            ("%FF", &["\u{fffd}"]),
            ("%E2%84%AA\u{17f}%C4%B0", &["ksi"]),
            (".../.a/a./..a", &["...", ".a", "a.", "..a"]),
        ];
        let unmerged = Normalization { merges_slashes: false, ..Normalization::FULL };
        for (path, expected) in rows {
            assert_eq!(unmerged.apply(path).0, expected, "{path}");
            assert!(!is_ambiguous(path), "{path}");
            let (merged, slash) = Normalization::FULL.apply(path);
            let not_empty = expected.iter().filter(|segment| !segment.is_empty());
            assert!(merged.iter().eq(not_empty), "{path}: {merged:?}");
            assert_eq!(slash, !merged.is_empty() && expected.last() == Some(&""), "{path}");
        }
    }

    #[test]
    fn every_combination_of_steps_is_applied() {
        let normalize = |path: &str| {
            let mut forms: Vec<_> = Normalization::combinations()
                .map(|normalization| normalization.apply(path).0.join("/"))
                .collect();
            forms.sort_unstable();
            forms.dedup();
            forms
        };
        let rows: [(&str, &[&str]); 6] = [
            ("a/b", &["a/b"]),
            ("A//b", &["A//b", "A/b", "a//b", "a/b"]),
            ("a%62", &["a%62", "ab"]),
            ("a;b/", &["a", "a/", "a;b", "a;b/"]),
            ("a;%2Fb", &["a", "a/b", "a;%2Fb", "a;%2fb", "a;/b"]),
            ("%3Ba", &["", "%3Ba", "%3ba", ";a"]),
        ];
        for (path, expected) in rows {
            assert_eq!(normalize(path), expected, "{path}");
            assert_eq!(is_normalized(path), expected.len() == 1, "{path}");
        }
    }

    #[test]
    fn paths_that_a_backend_may_rewrite_are_ambiguous() {
        for path in [
            ".",
            "..",
            "a/./b",
            "x/../admin/x",
            "a/..",
            "%2e%2E/a",
            ".%2e",
            "a/%2e",
            "a/..;/b",
            "a/.;x=1",
            "a/%2e%2e%3Bx",
            "x%2F..%2Fadmin",
            "a;b%2F..",
            "..;a%2Fb",
            "%2e%2e;a%2Fb",
            "a\\b",
            "a%5Cb",
            "a%5cb",
            "a\0",
            "a%00b",
            "a%0d%0ab",
            "a%7F",
            "a\u{85}b",
            "a%C2%85",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
    }
}
