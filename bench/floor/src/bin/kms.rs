//! One exchange with KMS over a connection that is kept: `KMS` says where.

use std::{env, io};

use floor::{Connection, ask};

fn main() -> io::Result<()> {
    ask(Connection::open(&env::var("KMS").map_err(io::Error::other)?)?)
}
