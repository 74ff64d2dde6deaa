//! SigV4 signatures in requests.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{HeaderMap, header::HeaderValue};

use crate::{account::ACCOUNT, partition::Partition};

/// A caller with a well-formed SigV4 signature. The signature is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SigV4Caller {
    pub(super) access_key: String,
}

/// Why a request has no SigV4 caller. The messages are those of AWS, which do not repeat the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignatureError {
    /// There is no `Authorization` header.
    Missing,
    /// The header is not a SigV4 signature, or lacks a part.
    Incomplete(String),
    /// The signature cannot be that of the request.
    Invalid(String),
}

impl SigV4Caller {
    /// Reads the SigV4 `Authorization` header.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let header = headers.get("authorization").filter(|header| !header.is_empty());
        let header = header.ok_or(SignatureError::Missing)?;
        let fields = header.to_str().ok();
        let fields = fields.and_then(|fields| fields.strip_prefix("AWS4-HMAC-SHA256 "));
        let pairs = fields.and_then(|fields| {
            fields.split(',').map(|field| field.trim().split_once('=')).collect::<Option<Vec<_>>>()
        });
        let Some(pairs) = pairs else { return Err(not_pairs(header)) };
        let field =
            |name: &str| pairs.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
        let has_date = headers.contains_key("x-amz-date") || headers.contains_key("date");
        let (Some(credential), Some(signature), Some(signed), true) =
            (field("Credential"), field("Signature"), field("SignedHeaders"), has_date)
        else {
            let names = ["Credential", "Signature", "SignedHeaders"].into_iter();
            let missing = names.filter(|name| field(name).is_none());
            return Err(missing_parts(header, missing, has_date));
        };
        let invalid = |message: &str| Err(SignatureError::Invalid(message.to_owned()));
        let scope: Vec<&str> = credential.split('/').collect();
        let &[access_key, date, region, service, terminator] = &*scope else {
            let message = "Credential must have exactly 5 slash-delimited elements, e.g. \
                           keyid/date/region/service/term.";
            return Err(SignatureError::Incomplete(message.into()));
        };
        if service != "execute-api" {
            return invalid("Credential should be scoped to correct service: 'execute-api'.");
        }
        if terminator != "aws4_request" {
            return invalid("Credential should be scoped with a valid terminator: 'aws4_request'.");
        }
        let is_well_formed = !access_key.is_empty()
            && access_key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            && date.len() == 8
            && date.bytes().all(|digit| digit.is_ascii_digit())
            && !region.is_empty()
            && signed.split(';').any(|name| name == "host")
            && signature.len() == 64
            && signature.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_well_formed {
            return invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS \
                 Secret Access Key and signing method. Consult the service documentation for details.",
            );
        }
        Ok(Self { access_key: access_key.to_owned() })
    }

    /// The ARN of the IAM user that has the access key as its name.
    pub(super) fn arn(&self, region: &str) -> String {
        let user = format!("user/{}", self.access_key);
        Partition::of_region(region).arn("iam", "", ACCOUNT, &user)
    }
}

/// The error for a header that is not a list of pairs, such as a bearer token.
fn not_pairs(header: &HeaderValue) -> SignatureError {
    SignatureError::Incomplete(format!(
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with \
         Base64): '{}'.",
        hash(header)
    ))
}

fn missing_parts<'a>(
    header: &HeaderValue,
    parameters: impl Iterator<Item = &'a str>,
    has_date: bool,
) -> SignatureError {
    let mut message = String::new();
    for name in parameters {
        message.extend(["Authorization header requires '", name, "' parameter. "]);
    }
    if !has_date {
        message.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    let hash = hash(header);
    message.extend(["(Hashed with SHA-256 and encoded with Base64) Authorization=", &hash]);
    SignatureError::Incomplete(message)
}

fn hash(header: &HeaderValue) -> String {
    STANDARD.encode(digest(&SHA256, header.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(scope: &str, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
        )
    }

    #[test]
    fn malformed_signatures_are_rejected() {
        let scope = "AKIDEXAMPLE/20261123/us-east-1/execute-api/aws4_request";
        let signature = "ab".repeat(32);
        let (incomplete, invalid) = ("incomplete", "invalid");
        let rows = [
            ("well-formed", header(scope, &signature), ""),
            ("without spaces", header(scope, &signature).replace(", ", ","), ""),
            ("nothing", String::new(), "missing"),
            ("another service", header(&scope.replace("execute-api", "s3"), &signature), invalid),
            ("another end", header(&scope.replace("aws4", "aws5"), &signature), invalid),
            ("a short scope", header("AKIDEXAMPLE/20261123", &signature), incomplete),
            ("an empty access key", header(&scope.replace("AKIDEXAMPLE", ""), &signature), invalid),
            ("a short date", header(&scope.replace("20261123", "2026"), &signature), invalid),
            ("no host", header(scope, &signature).replace("host;", ""), invalid),
            ("a short signature", header(scope, "ab"), invalid),
            ("a signature that is not hexadecimal", header(scope, &"zz".repeat(32)), invalid),
            ("no signature", header(scope, "").replace("Signature=", "S="), incomplete),
            ("no credential", header(scope, &signature).replace("Credential", "C"), incomplete),
            ("no pair", header(scope, &signature).replace("Signature=", ""), incomplete),
            ("a bearer token", "Bearer a.b.c".into(), incomplete),
        ];
        for (name, header, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", header.parse().unwrap());
            assert!(SigV4Caller::read(&headers).is_err(), "{name}: without a date");
            headers.insert("x-amz-date", "20261123T000000Z".parse().unwrap());
            let actual = match SigV4Caller::read(&headers) {
                Ok(_) => "",
                Err(SignatureError::Missing) => "missing",
                Err(SignatureError::Incomplete(_)) => incomplete,
                Err(SignatureError::Invalid(_)) => invalid,
            };
            assert_eq!(actual, expected, "{name}");
        }
    }

    #[test]
    fn messages_name_the_missing_parts_and_not_the_header() {
        let rows = [
            (
                "Bearer a.b.c",
                "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded \
                 with Base64): 'HASH'.",
            ),
            (
                "AWS4-HMAC-SHA256 Credential=a",
                "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
                 parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. \
                 (Hashed with SHA-256 and encoded with Base64) Authorization=HASH",
            ),
        ];
        for (header, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", header.parse().unwrap());
            let hash = STANDARD.encode(digest(&SHA256, header.as_bytes()));
            let expected = SignatureError::Incomplete(expected.replace("HASH", &hash));
            assert_eq!(SigV4Caller::read(&headers), Err(expected));
        }
    }
}
