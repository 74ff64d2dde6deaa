use std::process::ExitCode;

use kms::Key;

use crate::{
    pem_keys::title,
    public_keys::{Arguments, print},
};

pub(crate) const HELP: &str = "\
Prints all trusted keys of the ring, the current key first. The line before each key has its id and its
algorithm; openssl reads the first key. If the next key cannot be read, it is omitted and a warning is
printed. If the current or the previous key cannot be read, nothing is printed.

Examples:
  countersign pem alias/countersign > key.pem
  openssl pkey -pubin -in key.pem -noout -text

Exit codes: 0 printed, 2 invalid input, 3 fault.";

/// Prints the keys as PEM (RFC 7468), each after a line of explanatory text.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    print(arguments, |ring| {
        let pem = |key: &Key| format!("{}\n{}", title(&key.id, key.algorithm), key.public.to_pem());
        ring.keys().map(|key| pem(key)).collect()
    })
}
