//! SigV4 signatures in requests.

use hyper::HeaderMap;

use crate::account::ACCOUNT;

/// A caller with a well-formed SigV4 signature. The signature is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SigV4Caller {
    pub(super) access_key: String,
}

impl SigV4Caller {
    /// Reads the SigV4 `Authorization` header.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get("authorization")?.to_str().ok()?;
        let fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            let mut fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
            fields.find(|(field, _)| *field == name).map(|(_, value)| value)
        };
        let scope: Vec<&str> = field("Credential")?.split('/').collect();
        let &[access_key, date, region, service, "aws4_request"] = &*scope else { return None };
        let signed: Vec<&str> = field("SignedHeaders")?.split(';').collect();
        let signature = field("Signature")?;
        let is_well_formed = !access_key.is_empty()
            && access_key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            && date.len() == 8
            && date.bytes().all(|digit| digit.is_ascii_digit())
            && !region.is_empty()
            && service == "execute-api"
            && signed.contains(&"host")
            && (headers.contains_key("x-amz-date") || headers.contains_key("date"))
            && signature.len() == 64
            && signature.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_well_formed.then(|| Self { access_key: access_key.to_owned() })
    }

    /// The ARN of the IAM user that has the access key as its name.
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT}:user/{}", self.access_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_signatures_are_rejected() {
        let scope = "AKIDEXAMPLE/20261123/us-east-1/execute-api/aws4_request";
        let header = |scope: &str, signature: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
            )
        };
        let signature = "ab".repeat(32);
        let rows = [
            ("well-formed", header(scope, &signature), true),
            ("without spaces", header(scope, &signature).replace(", ", ","), true),
            ("another service", header(&scope.replace("execute-api", "s3"), &signature), false),
            ("an empty access key", header(&scope.replace("AKIDEXAMPLE", ""), &signature), false),
            ("a short signature", header(scope, "ab"), false),
            ("a signature that is not hexadecimal", header(scope, &"zz".repeat(32)), false),
            ("a bearer token", "Bearer a.b.c".into(), false),
        ];
        for (name, header, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", header.parse().unwrap());
            assert!(SigV4Caller::read(&headers).is_none(), "{name}: without a date");
            headers.insert("x-amz-date", "20261123T000000Z".parse().unwrap());
            assert_eq!(SigV4Caller::read(&headers).is_some(), expected, "{name}");
        }
    }
}
