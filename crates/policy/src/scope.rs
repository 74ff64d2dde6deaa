//! Scopes (RFC 6749 section 3.3).

/// Whether the text is a single scope: printable ASCII characters without space, `"` and `\`.
#[must_use]
pub fn is_scope_token(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    !text.is_empty() && text.chars().all(is_allowed)
}

/// Whether the text is a list of scopes with one space between each two.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    text.split(' ').all(is_scope_token)
}

/// Whether the list of scopes contains this scope.
#[must_use]
pub fn has_scope_token(scope: &str, token: &str) -> bool {
    scope.split(' ').any(|one| one == token)
}
