//! The endpoint of KMS.

use std::{net::IpAddr, str::FromStr};

use http::Uri;

/// The URL of a KMS endpoint other than that of AWS. It must be https unless it is on the same machine: the endpoint
/// decides which tokens are valid, so the network must not be able to forge its responses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) is_https: bool,
    /// Whether the host is `host.docker.internal`, the host of a Docker container.
    pub(crate) is_docker_host: bool,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let uri: Uri = url.parse().map_err(|_| NOT_A_URL)?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) =
            (uri.scheme_str(), uri.authority())
        else {
            return Err(NOT_A_URL);
        };
        let host = authority.host();
        // Excludes a user name, a password and a port that is not a number.
        let is_host_and_port = authority.as_str() == host || authority.port_u16().is_some();
        if !is_host_and_port || authority.as_str().contains('@') || url.contains(['?', '#']) {
            return Err(NOT_A_URL);
        }
        let is_https = scheme == "https";
        let is_docker_host = !is_https && host == "host.docker.internal";
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        if is_https || is_local || is_docker_host {
            Ok(Self { url: url.to_owned(), is_https, is_docker_host })
        } else {
            Err("must be https unless it is on this machine")
        }
    }
}

const NOT_A_URL: &str = "must be an http or https URL without a query";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_https_or_on_this_machine() {
        let remote = Err("must be https unless it is on this machine");
        let not_a_url = Err(NOT_A_URL);
        let rows = [
            ("https://kms.eu-west-1.amazonaws.com", Ok(())),
            ("http://127.0.0.1:4566", Ok(())),
            ("http://127.0.0.1:4566/", Ok(())),
            ("http://127.0.0.1:4566/kms", Ok(())),
            ("http://[::1]:4566", Ok(())),
            ("http://localhost:4566", Ok(())),
            ("http://localhost", Ok(())),
            ("HTTP://LOCALHOST", remote),
            ("HTTPS://kms.example", Ok(())),
            ("http://10.0.0.1:4566", remote),
            ("http://kms.example", remote),
            ("http://localhost.example:4566", remote),
            ("http://127.0.0.1@kms.example", not_a_url),
            ("http://127.0.0.1:80@kms.example", not_a_url),
            ("https://user@kms.example", not_a_url),
            ("127.0.0.1:4566", not_a_url),
            ("ftp://127.0.0.1", not_a_url),
            ("https://", not_a_url),
            ("https://kms.example/?a=b", not_a_url),
            ("https://kms.example/#a", not_a_url),
            ("https://kms.example/ ", not_a_url),
            ("https://kms.example/ HTTP/1.1\r\nx: y", not_a_url),
            ("http://localhost\n", not_a_url),
            ("https://kms.example:many", not_a_url),
        ];
        for (url, expected) in rows {
            assert_eq!(url.parse::<Endpoint>().map(|_| ()), expected, "{url}");
        }
    }
}
