use aws_lambda_events::http::{HeaderMap, header::CONTENT_TYPE};

/// The form of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// Every `Content-Type` header is `application/json`, or there is none.
    Json,
    /// Every `Content-Type` header is `application/x-www-form-urlencoded` in UTF-8, and there is one.
    Form,
    /// Anything else.
    Other,
}

impl MediaType {
    /// The type of a body with these headers. An event can contain the same headers twice.
    pub(crate) fn of(headers: &[&HeaderMap]) -> Self {
        let values = headers.iter().flat_map(|headers| headers.get_all(CONTENT_TYPE));
        let types = values.map(|value| Self::parse(value.to_str().unwrap_or_default()));
        types
            .reduce(|one, other| if one == other { one } else { Self::Other })
            .unwrap_or(Self::Json)
    }

    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        if name.eq_ignore_ascii_case("application/json") {
            return Self::Json;
        }
        // The form has no parameters, but clients name the encoding that it always has.
        let is_utf_8 = |part: &str| match part.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        };
        let is_form = name.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if is_form && parts.all(is_utf_8) { Self::Form } else { Self::Other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_type_is_read_from_content_types() {
        let form = "application/x-www-form-urlencoded";
        let rows: [(&[&str], MediaType); 16] = [
            (&[], MediaType::Json),
            (&["application/json"], MediaType::Json),
            (&["Application/JSON; charset=utf-8"], MediaType::Json),
            (&["application/json", "application/json"], MediaType::Json),
            (&[form], MediaType::Form),
            (&["application/x-www-form-urlencoded;charset=UTF-8"], MediaType::Form),
            (&["APPLICATION/x-www-form-urlencoded ; Charset=\"utf-8\""], MediaType::Form),
            (&["application/x-www-form-urlencoded; boundary=a"], MediaType::Form),
            (&["application/x-www-form-urlencoded;"], MediaType::Form),
            (&["application/x-www-form-urlencoded; charset=iso-8859-1"], MediaType::Other),
            (
                &["application/x-www-form-urlencoded; charset=utf-8; charset=utf-16"],
                MediaType::Other,
            ),
            (&[form, "application/json"], MediaType::Other),
            (&["application/json", form], MediaType::Other),
            (&["multipart/form-data; boundary=a"], MediaType::Other),
            (&["text/plain"], MediaType::Other),
            (&[""], MediaType::Other),
        ];
        for (values, expected) in rows {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(MediaType::of(&[&headers]), expected, "{values:?}");
            assert_eq!(MediaType::of(&[&headers, &headers]), expected, "twice {values:?}");
        }
    }
}
