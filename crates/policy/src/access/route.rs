use std::{fmt, str::FromStr};

use super::{RouteError, path::PathPattern};

/// The route of a request, from its `methodArn` or `routeArn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A method and a path.
    Http {
        /// The method: `GET`.
        method: String,
        /// The path without the slash at its start: `orders/7`.
        path: String,
    },
    /// The name of a route: `$connect` of a WebSocket API, `$default` of an HTTP API.
    Key(String),
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { method, path } => write!(f, "{method} /{path}"),
            Self::Key(name) => write!(f, "{name}"),
        }
    }
}

/// The routes that a rule matches: `GET /orders/{id}`, `* /admin/*`, `$connect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoutePattern {
    Http {
        /// One of [`METHODS`]. `None`: each of them.
        method: Option<&'static str>,
        path: PathPattern,
    },
    Key(String),
}

/// The methods of API Gateway. A rule with `*` as its method matches these.
pub(crate) const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
/// The named routes for which API Gateway calls an authorizer.
const ROUTE_KEYS: [&str; 2] = ["$connect", "$default"];

impl FromStr for RoutePattern {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((method, path)) = text.split_once(' ') else {
            let is_known = ROUTE_KEYS.contains(&text);
            return if is_known { Ok(Self::Key(text.to_owned())) } else { Err(RouteError::Form) };
        };
        let method = match method {
            "*" | "ANY" => None,
            _ => {
                let known = METHODS.into_iter().find(|known| *known == method);
                Some(known.ok_or(RouteError::Method)?)
            }
        };
        Ok(Self::Http { method, path: path.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_of_a_rule_is_read_or_refused() {
        let long = format!("GET /{}", "a".repeat(299));
        let (longer, glob) = (format!("{long}a"), long.replace('/', ""));
        let rows = [
            ("GET /orders", Ok("GET orders")),
            ("GET /", Ok("GET ")),
            ("* /orders/*", Ok("* orders/*")),
            ("ANY /orders/{id}/items", Ok("* orders/?*/items")),
            ("POST /{proxy+}", Ok("POST *")),
            ("GET /a/{id}/*", Ok("GET a/*/*")),
            ("GET /*/{id}/a", Ok("GET */*/a")),
            ("GET /a/{x}/{y}/*/{z}/b", Ok("GET a/*/*/*/*/b")),
            ("GET /a.b-c_d~e!$&'()+,;=@%20", Ok("GET a.b-c_d~e!$&'()+,;=@%20")),
            ("$connect", Ok("$connect")),
            ("$default", Ok("$default")),
            ("$conect", Err(RouteError::Form)),
            (&*long, Ok(&*glob)),
            ("", Err(RouteError::Form)),
            ("/orders", Err(RouteError::Form)),
            ("$", Err(RouteError::Form)),
            ("$a/b", Err(RouteError::Form)),
            ("get /orders", Err(RouteError::Method)),
            ("LINK /orders", Err(RouteError::Method)),
            ("G* /orders", Err(RouteError::Method)),
            ("GET orders", Err(RouteError::Path)),
            ("GET  /orders", Err(RouteError::Path)),
            ("GET ", Err(RouteError::Path)),
            (&*longer, Err(RouteError::Path)),
            ("GET /orders/", Err(RouteError::Slash)),
            ("GET //orders", Err(RouteError::Segment)),
            ("GET /a/../b", Err(RouteError::Rewritten)),
            ("GET /a*", Err(RouteError::Segment)),
            ("GET /a?", Err(RouteError::Segment)),
            ("GET /a b", Err(RouteError::Segment)),
            ("GET /a\"b", Err(RouteError::Segment)),
            ("GET /ä", Err(RouteError::Segment)),
            ("GET /a\0", Err(RouteError::Segment)),
            ("GET /{}", Err(RouteError::Segment)),
            ("GET /{+}", Err(RouteError::Segment)),
            ("GET /{a", Err(RouteError::Segment)),
            ("GET /x{a}", Err(RouteError::Segment)),
            ("GET /{a*}", Err(RouteError::Segment)),
            ("GET /{a+}/b", Err(RouteError::Segment)),
            ("GET /${a}", Err(RouteError::Segment)),
            ("POST /v3/events:batchGet", Ok("POST v3/events:batchGet")),
            ("GET /a%2f../b", Err(RouteError::Rewritten)),
            ("GET /%2E%2e/a", Err(RouteError::Rewritten)),
            ("GET /..;a/b", Err(RouteError::Rewritten)),
            ("GET /a%5Cb", Err(RouteError::Rewritten)),
            ("GET /a%0A", Err(RouteError::Rewritten)),
            ("GET /{tenant}/orders/*", Err(RouteError::Mixed)),
            ("GET /*/a/{b}", Err(RouteError::Mixed)),
        ];
        for (text, expected) in rows {
            let pattern = text.parse::<RoutePattern>().map(|pattern| match pattern {
                RoutePattern::Http { method, path } => {
                    format!("{} {}", method.unwrap_or("*"), path.iam_glob())
                }
                RoutePattern::Key(name) => name,
            });
            assert_eq!(pattern, expected.map(str::to_owned), "{text}");
        }
    }
}
