//! The names by which clients can address a local service.

use std::net::IpAddr;

use hyper::{Request, header::HOST, http::uri::Authority};

/// The hosts that a service answers to. A web page can let its own name resolve to a loopback address (DNS
/// rebinding) and would then read the responses: its requests have another `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AllowedHosts {
    /// Loopback addresses and `localhost`.
    Loopback,
    /// Also the name by which Docker containers address their host.
    LoopbackAndContainers,
    /// Also every IP address, for a service that other machines reach. An address cannot be rebound.
    Addresses,
}

impl AllowedHosts {
    /// Whether the request is for one of the hosts. It must have one `Host` header. If its target is a URL, the URL
    /// must be for one of the hosts too.
    pub(crate) fn allow<B>(self, request: &Request<B>) -> bool {
        let mut values = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (values.next(), values.next()) else { return false };
        let authority = request.uri().authority().map(Authority::as_str);
        host.to_str().is_ok_and(|host| self.includes(host))
            && authority.is_none_or(|authority| self.includes(authority))
    }

    /// Whether this is the name or address of an allowed host, with or without a port.
    fn includes(self, host: &str) -> bool {
        let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, "")) => (address, ""),
            Some((address, port)) => match port.strip_prefix(':') {
                Some(port) => (address, port),
                None => return false,
            },
            None => host.split_once(':').unwrap_or((host, "")),
        };
        if !port.bytes().all(|digit| digit.is_ascii_digit()) {
            return false;
        }
        if let Ok(address) = name.parse::<IpAddr>() {
            return address.is_loopback() || matches!(self, Self::Addresses);
        }
        let is_container = name.eq_ignore_ascii_case("host.docker.internal");
        name.eq_ignore_ascii_case("localhost") || (is_container && !matches!(self, Self::Loopback))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_this_machine_are_allowed() {
        use AllowedHosts::{Addresses, Loopback, LoopbackAndContainers};
        let all = [Loopback, LoopbackAndContainers, Addresses];
        let rows = [
            ("127.0.0.1:3000", &all[..]),
            ("127.0.0.1", &all),
            ("127.1.2.3:80", &all),
            ("localhost:3000", &all),
            ("LOCALHOST", &all),
            ("[::1]:3000", &all),
            ("[::1]", &all),
            ("host.docker.internal:4566", &all[1..]),
            ("172.17.0.1:4566", &all[2..]),
            ("[fe80::1]:4566", &all[2..]),
            ("attacker.example", &[]),
            ("attacker.example:3000", &[]),
            ("127.0.0.1.attacker.example", &[]),
            ("localhost.attacker.example", &[]),
            ("127.0.0.1:3000@attacker.example", &[]),
            ("localhost:x", &[]),
            ("[::1]x", &[]),
            ("[::1", &[]),
            ("", &[]),
        ];
        for (host, expected) in rows {
            for hosts in all {
                let request = Request::get("/").header(HOST, host).body(()).unwrap();
                let is_expected = expected.contains(&hosts);
                assert_eq!(hosts.allow(&request), is_expected, "{host} {hosts:?}");
            }
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let request = |target: &str, hosts: &[&str]| {
            let request = hosts
                .iter()
                .fold(Request::get(target), |request, host| request.header(HOST, *host));
            AllowedHosts::Loopback.allow(&request.body(()).unwrap())
        };
        let own = "127.0.0.1:3000";
        let rows = [
            ("a path", "/", &[own][..], true),
            ("a URL", "http://localhost:3000/", &[own], true),
            ("a URL of another host", "http://attacker.example/", &[own], false),
            ("a URL with another Host", "http://localhost:3000/", &["attacker.example"], false),
            ("no Host", "/", &[], false),
            ("two", "/", &[own, "attacker.example"], false),
        ];
        for (name, target, hosts, expected) in rows {
            assert_eq!(request(target, hosts), expected, "{name}");
        }
    }
}
