//! One exchange with KMS over a connection that is kept: `KMS`, `KEY` and `OPERATION` say which.

use std::{env, io};

use floor::{Connection, Reply, decode, encode, serve, token};

fn main() -> io::Result<()> {
    let setting = |name| env::var(name).map_err(io::Error::other);
    let (key, operation) = (setting("KEY")?, setting("OPERATION")?);
    let mut kms = Connection::open(&setting("KMS")?)?;
    let headers = format!(
        "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.{operation}\r\n"
    );
    let mut reply = Reply::default();
    serve(|event| {
        let (message, signature) = if operation == "Verify" {
            let (token, dot) = token(event)?;
            let signature = encode(&decode(&token[dot + 1..]));
            (&token.as_bytes()[..dot], format!(r#","Signature":"{signature}""#))
        } else {
            (event, String::new())
        };
        let body = format!(
            r#"{{"KeyId":"{key}","Message":"{}","MessageType":"RAW","SigningAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"{signature}}}"#,
            encode(message)
        );
        kms.exchange("POST", "/", &headers, body.as_bytes(), &mut reply)?;
        if !reply.body.windows(9).any(|part| part == b"Signature") {
            return Err(io::Error::other("not signed or not verified"));
        }
        Ok(b"{}".to_vec())
    })
}
