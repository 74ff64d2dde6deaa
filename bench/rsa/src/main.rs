//! One RSA verification per event with the public key (PKCS #1, DER) in the file `PUBLIC_KEY`.

use std::{env, fs, io};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use floor::{decode, serve, token};

fn main() -> io::Result<()> {
    let der = fs::read(env::var("PUBLIC_KEY").map_err(io::Error::other)?)?;
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).map_err(io::Error::other)?;
    serve(|event| {
        let (token, dot) = token(event)?;
        key.verify_sig(&token.as_bytes()[..dot], &decode(&token[dot + 1..]))
            .map_err(|_| io::Error::other("the signature is invalid"))?;
        Ok(b"{}".to_vec())
    })
}
