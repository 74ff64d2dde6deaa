//! One request to KMS per event over a persistent connection. `KMS` is the address.

use std::{env, io};

use floor::{Connection, serve_with_kms};

fn main() -> io::Result<()> {
    serve_with_kms(Connection::open(&env::var("KMS").map_err(io::Error::other)?)?)
}
