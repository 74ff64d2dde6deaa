use std::process::ExitCode;

use jwt::JwkSet;

use crate::public_keys::{Arguments, print};

pub(crate) const HELP: &str = "\
Prints all trusted keys of the ring, as the issuer publishes them. If the next key cannot be read, it is
omitted and a warning is printed. If the current or the previous key cannot be read, nothing is printed.

Examples:
  countersign jwks alias/countersign > jwks.json
  countersign verify --jwks jwks.json - < token

Exit codes: 0 printed, 2 invalid input, 3 fault.";

/// Prints the keys as a JWK Set (RFC 7517 section 5).
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    print(arguments, |ring| {
        let keys = ring.keys().map(|key| key.jwk());
        format!("{}\n", JwkSet::new(keys.collect()).to_json())
    })
}
