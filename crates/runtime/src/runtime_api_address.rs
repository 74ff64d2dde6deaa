//! The address of the Lambda Runtime API.

use http::Uri;

/// Parses `AWS_LAMBDA_RUNTIME_API`: a host and port, or a URL, which may have a path. `None` if it has no host.
pub(crate) fn runtime_api_address(address: &str) -> Option<Uri> {
    address.parse().ok().filter(|uri: &Uri| uri.authority().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_api_has_a_host_and_may_have_a_path() {
        let rows = [
            ("127.0.0.1:9001", true),
            ("http://127.0.0.1:9000/authorizer", true),
            ("localhost:9001", true),
            ("", false),
            ("/authorizer", false),
            ("127.0.0.1:9001\n", false),
        ];
        for (address, expected) in rows {
            assert_eq!(runtime_api_address(address).is_some(), expected, "{address:?}");
        }
    }
}
