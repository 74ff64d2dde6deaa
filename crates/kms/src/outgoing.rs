use std::sync::Arc;

/// Where a request goes.
pub(crate) struct Target {
    /// Scheme, host and port: what a connection is to.
    pub(crate) place: Arc<str>,
    pub(crate) authority: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) path: String,
}

impl Target {
    /// Nothing where it would be more than one word of a request, or where more than a path would
    /// have to be signed.
    pub(crate) fn read(url: &str) -> Option<Self> {
        if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte)) {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        let tls = scheme.eq_ignore_ascii_case("https");
        if !tls && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let place = url.get(..url.len() - path.len())?.into();
        // Of an IPv6 address in brackets, a colon is no sign of a port.
        let usual = if tls { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, usual),
        };
        let path = if path.is_empty() { "/" } else { path };
        // As the SDK signs it: without a port that goes without saying.
        let authority = if port == usual { host } else { authority };
        let [authority, host, path] = [authority, host, path].map(str::to_owned);
        Some(Self { place, authority, host, port, tls, path })
    }
}

/// A request that is ready to be sent.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a Target,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl Outgoing<'_> {
    pub(crate) fn write(&self, output: &mut Vec<u8>) {
        let Self { method, target, headers, body } = self;
        let mut add = |text: &str| output.extend_from_slice(text.as_bytes());
        [*method, " ", &*target.path, " HTTP/1.1\r\n"].into_iter().for_each(&mut add);
        for (name, value) in *headers {
            [name, ": ", value, "\r\n"].into_iter().for_each(&mut add);
        }
        let lacks = |name: &str| headers.iter().all(|(known, _)| *known != name);
        if lacks("host") {
            ["host: ", &*target.authority, "\r\n"].into_iter().for_each(&mut add);
        }
        if lacks("user-agent") {
            add(USER_AGENT);
        }
        if lacks("content-length") {
            ["content-length: ", &body.len().to_string(), "\r\n"].into_iter().for_each(&mut add);
        }
        add("\r\n");
        output.extend_from_slice(body);
    }
}

const USER_AGENT: &str = concat!("user-agent: countersign/", env!("CARGO_PKG_VERSION"), "\r\n");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let rows = [
            (
                "https://kms.eu-west-1.amazonaws.com/",
                Some(("kms.eu-west-1.amazonaws.com", 443, true, "/")),
            ),
            (
                "https://kms.eu-west-1.amazonaws.com",
                Some(("kms.eu-west-1.amazonaws.com", 443, true, "/")),
            ),
            ("http://127.0.0.1:4566/", Some(("127.0.0.1", 4566, false, "/"))),
            ("http://localhost", Some(("localhost", 80, false, "/"))),
            ("http://[::1]:4566/a/b", Some(("[::1]", 4566, false, "/a/b"))),
            ("http://[::1]:4566/a/b?c", None),
            ("http://[::1]:4566/a/b#c", None),
            ("https://[::1]", Some(("[::1]", 443, true, "/"))),
            ("https://kms:many/", None),
            ("ftp://kms/", None),
            ("HTTPS://kms.example", Some(("kms.example", 443, true, "/"))),
            ("kms", None),
            ("https://kms.example/ ", None),
            ("https://kms.example/ HTTP/1.1\r\nx: y", None),
            ("https://kms.example\n", None),
            ("https://kms.ex\u{e4}mple", None),
        ];
        for (url, expected) in rows {
            let target = Target::read(url);
            let found = target.as_ref().map(|t| (&*t.host, t.port, t.tls, &*t.path));
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn a_port_that_goes_without_saying_is_not_said() {
        let rows = [
            ("https://kms.example:443/", "kms.example"),
            ("http://localhost:80", "localhost"),
            ("https://[::1]:443", "[::1]"),
            ("https://kms.example:80", "kms.example:80"),
            ("http://127.0.0.1:4566", "127.0.0.1:4566"),
        ];
        for (url, expected) in rows {
            let target = Target::read(url);
            assert_eq!(target.as_ref().map(|target| &*target.authority), Some(expected), "{url}");
        }
    }
}
