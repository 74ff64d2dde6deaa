use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt::{Algorithm, Curve, PublicKey};
use serde_json::{Value, json};

use crate::stack::{
    ALIAS, ISSUER, Stack, claims, now, rest_with_token, signing_input, unauthorized,
};

/// Each token is signed by the right key unless its row says otherwise, so the check rejects it and not the
/// signature.
#[tokio::test]
async fn every_attack_is_unauthorized_without_a_kms_call() {
    let stack = Stack::start("RSA_2048", &[]).await;
    let valid = stack.token_with(&json!({}));
    assert_eq!(stack.outcome(&rest_with_token(&valid)).await, ("Allow", "Allowed".into(), 1));
    let (plain, own) = (stack.header(), claims().to_string());
    let with = |changes: Value| {
        let mut header = plain.clone();
        header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        header.to_string()
    };
    let headed = |changes: Value| stack.sign(&with(changes), &own);
    let claimed = |claims: &str| stack.sign(&plain.to_string(), claims);
    let exp = |value: &str| claimed(&format!(r#"{{"iss":"{ISSUER}","exp":{value}}}"#));

    let mut rows: Vec<(String, String, &str)> = Vec::new();
    let mut row = |name: &str, token: String, reason| rows.push((name.to_owned(), token, reason));

    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        row(&format!("alg {alg}"), headed(json!({"alg": alg})), "UnsupportedAlgorithm");
        let unsigned = signing_input(&json!({"alg": alg}).to_string(), &own);
        row(&format!("alg {alg}, unsigned"), format!("{unsigned}."), "NotCompact");
        row(&format!("alg {alg}, two parts"), unsigned, "NotCompact");
    }
    row("alg is null", headed(json!({"alg": null})), "MalformedHeader");
    row("alg is an array", headed(json!({"alg": ["RS256"]})), "MalformedHeader");
    row("no alg", stack.sign(r#"{"typ":"JWT"}"#, &own), "MalformedHeader");

    let der = stack.public_key();
    let pem = PublicKey::from_spki(&der).unwrap().to_pem();
    for (name, secret) in [("DER", &*der), ("PEM", pem.as_bytes())] {
        for (alg, hash) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
        ] {
            let input = signing_input(&with(json!({"alg": alg})), &own);
            let tag = hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes());
            let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
            row(&format!("{alg} with the {name}"), token, "UnsupportedAlgorithm");
        }
    }

    let others = [
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "Ed25519",
        "ML-DSA-44",
        "ML-DSA-65",
        "ML-DSA-87",
    ];
    for alg in others {
        row(&format!("alg {alg}"), headed(json!({"alg": alg})), "WrongAlgorithm");
    }
    for algorithm in [Algorithm::Rs384, Algorithm::Ps256] {
        let input = signing_input(&with(json!({"alg": algorithm.name()})), &own);
        let signature = URL_SAFE_NO_PAD.encode(stack.sign_with(algorithm, &input));
        row(&format!("signed with {algorithm}"), format!("{input}.{signature}"), "WrongAlgorithm");
    }
    for alg in ["rs256", "RS256 ", "RS1", "Ed448", "ES512K", "ＲＳ256"] {
        row(&format!("alg {alg}"), headed(json!({"alg": alg})), "UnsupportedAlgorithm");
    }

    for (name, value) in [
        ("jwk", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/x5u")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
    ] {
        row(name, headed(json!({name: value})), "HeaderParameter");
    }
    row("b64 with crit", headed(json!({"b64": false, "crit": ["b64"]})), "HeaderParameter");

    let kids = [
        "arn:aws:kms:us-east-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab".to_owned(),
        format!("arn:aws:kms:us-east-1:000000000000:key/{}", stack.key),
        ALIAS.to_owned(),
        "../../../../dev/null".to_owned(),
        "' OR '1'='1".to_owned(),
        "'; DROP TABLE keys; --".to_owned(),
        format!("{}\0", stack.key),
        format!("{} ", stack.key),
        stack.key.to_uppercase(),
        String::new(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ];
    for kid in &kids {
        row(&format!("kid {kid:?}"), headed(json!({"kid": kid})), "UnknownKey");
    }
    row("kid is a number", headed(json!({"kid": 1})), "MalformedHeader");

    let twice = format!(r#"{{"alg":"RS256","alg":"RS256","kid":"{}"}}"#, stack.key);
    row("alg twice", stack.sign(&twice, &own), "MalformedHeader");
    let escaped = format!(r#"{{"alg":"RS256","\u0061lg":"none","kid":"{}"}}"#, stack.key);
    row("alg twice, escaped", stack.sign(&escaped, &own), "MalformedHeader");
    let expiry = now() + 600;
    let twice = format!(r#"{{"iss":"{ISSUER}","exp":1,"exp":{expiry}}}"#);
    row("exp twice", claimed(&twice), "MalformedClaims");
    let deep = format!(r#"{{"iss":"{ISSUER}","exp":{expiry},"a":[{{"b":1,"b":2}}]}}"#);
    row("nested member twice", claimed(&deep), "MalformedClaims");
    let bomb = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        claimed(&format!(r#"{{"iss":"{ISSUER}","exp":{expiry},"a":{open}{close}}}"#))
    };
    row("nesting too deep", bomb(16), "MalformedClaims");
    row("nesting bomb", bomb(2000), "MalformedClaims");
    row("claims are an array", claimed("[]"), "MalformedClaims");
    row("claims with a byte order mark", claimed(&format!("\u{feff}{own}")), "MalformedClaims");
    row("text after the claims", claimed(&format!("{own}{own}")), "MalformedClaims");

    row("exp is a string", exp(&format!("\"{expiry}\"")), "MalformedClaims");
    row("exp is negative", exp("-1"), "MalformedClaims");
    row("exp 1e400", exp("1e400"), "MalformedClaims");
    row("exp NaN", exp("NaN"), "MalformedClaims");
    row("exp is null", exp("null"), "MalformedClaims");
    row("exp in the past", exp("1"), "Expired");
    row("no exp", claimed(&format!(r#"{{"iss":"{ISSUER}"}}"#)), "NoExpiry");
    let changed = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claimed(&claims.to_string())
    };
    row("nbf in the future", changed("nbf", (now() + 60).into()), "NotYetValid");
    row("iat in the future", changed("iat", (now() + 60).into()), "IssuedInFuture");
    row("iat is a string", changed("iat", "1".into()), "MalformedClaims");
    row("wrong issuer", changed("iss", "https://issuer.example/".into()), "Issuer");
    row("iss is an array", changed("iss", json!([ISSUER])), "MalformedClaims");
    row("issuer with a homoglyph", changed("iss", "https://іssuer.example".into()), "Issuer");
    row("unexpected audience", changed("aud", "another-api".into()), "Audience");
    row("wrong type", headed(json!({"typ": "at+jwt"})), "TokenType");
    row("type JOSE", headed(json!({"typ": "JOSE"})), "TokenType");

    let (head, signature) = valid.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    row("padding", format!("{valid}="), "MalformedEncoding");
    row("padding inside", valid.replacen('.', "=.", 1), "MalformedEncoding");
    row("standard base64 alphabet", format!("{head}.+/{}", &signature[2..]), "MalformedEncoding");
    let last = signature.chars().last().unwrap();
    let trailing = char::from(u8::try_from(last).unwrap() + 1);
    let trailing = format!("{head}.{}{trailing}", &signature[..signature.len() - 1]);
    row("trailing bits", trailing, "MalformedEncoding");
    for (name, inserted) in [
        ("space", ' '),
        ("tab", '\t'),
        ("line feed", '\n'),
        ("NUL", '\0'),
        ("zero width space", '\u{200b}'),
    ] {
        row(&format!("{name} at the end"), format!("{valid}{inserted}"), "MalformedEncoding");
        row(
            &format!("{name} inside"),
            valid.replacen('.', &format!("{inserted}."), 1),
            "MalformedEncoding",
        );
    }
    row("letter homoglyph", valid.replacen('e', "е", 1), "MalformedEncoding");
    row("full stop homoglyph", valid.replacen('.', "．", 1), "NotCompact");
    let mut flipped = raw.clone();
    flipped[100] ^= 1;
    let flipped = format!("{head}.{}", URL_SAFE_NO_PAD.encode(flipped));
    row("one bit of the signature flipped", flipped, "InvalidSignature");
    let other = changed("sub", "another-user".into());
    let mixed = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    row("claims with the signature of other claims", mixed, "InvalidSignature");
    row(
        "signature too short",
        format!("{head}.{}", URL_SAFE_NO_PAD.encode(&raw[1..])),
        "InvalidSignature",
    );
    let longer = URL_SAFE_NO_PAD.encode([&raw[..], &[0]].concat());
    row("signature too long", format!("{head}.{longer}"), "InvalidSignature");
    row("JWE", format!("{valid}.AAAA.AAAA"), "NotCompact");
    row(
        "JSON serialization",
        json!({"payload": "e30", "signatures": []}).to_string(),
        "NotCompact",
    );
    row("only dots", "..".into(), "NotCompact");
    row("Bearer twice", format!("Bearer {valid}"), "MalformedEncoding");
    row("comma-joined", format!("{valid}, Bearer {valid}"), "NotCompact");
    row("comma-joined without a space", format!("{valid},Bearer"), "MalformedEncoding");

    let of_bytes = |bytes: usize| {
        let token = |padding: usize| {
            let mut claims = claims();
            claims["a"] = "x".repeat(padding).into();
            claimed(&claims.to_string())
        };
        let padding = (bytes - token(0).len()) * 3 / 4;
        let fitting = (padding.saturating_sub(4)..padding + 4).map(token);
        fitting.into_iter().find(|token| token.len() == bytes)
    };
    // Unpadded base64 has no text of length 1 modulo 4, so not every token length exists.
    let long = (8193..8197).find_map(of_bytes).unwrap();
    row("over 8 KiB", long, "TokenTooLong");
    row(
        "8 KiB + 1, signature of zeros",
        format!("{head}.{}", "A".repeat(8192 - head.len())),
        "TokenTooLong",
    );
    row("16 KiB + 1, no dots", "A".repeat(16 * 1024 + 1), "TokenTooLong");
    row("long header", headed(json!({"x": "x".repeat(2000)})), "TokenTooLong");
    row("long context claims", changed("sub", "s".repeat(3100).into()), "ClaimsTooLong");

    // The first unknown key id loads the other two keys of the ring, and the first forged signature makes the
    // authorizer verify with the public key. After these two requests, no row causes a KMS call.
    let unknown = rest_with_token(&headed(json!({"kid": "unknown"})));
    assert_eq!(stack.outcome(&unknown).await, ("Unauthorized", "UnknownKey".into(), 3));
    let (_, signature) = valid.rsplit_once('.').unwrap();
    let other = signing_input(&plain.to_string(), &own.replace('}', r#","a":1}"#));
    let forged = stack.outcome(&rest_with_token(&format!("{other}.{signature}"))).await;
    assert_eq!(forged, ("Unauthorized", "InvalidSignature".into(), 1));
    for (name, token, reason) in rows {
        assert_eq!(stack.outcome(&rest_with_token(&token)).await, unauthorized(reason), "{name}");
    }

    // A token of the maximum length is accepted.
    let longest = (8189..8193).rev().find_map(of_bytes).unwrap();
    assert_eq!(stack.outcome(&rest_with_token(&longest)).await, ("Allow", "Allowed".into(), 1));
}

#[tokio::test]
async fn invalid_ecdsa_signatures_are_rejected() {
    let stack = Stack::start("ECC_NIST_P256", &[]).await;
    let header = json!({"alg": "ES256", "kid": stack.key}).to_string();
    let input = signing_input(&header, &claims().to_string());
    let valid = stack.sign_with(Algorithm::Es256, &input);
    let token = |signature: &[u8]| {
        rest_with_token(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    };
    assert_eq!(stack.outcome(&token(&valid)).await, ("Allow", "Allowed".into(), 1));
    let (r, s) = valid.split_at(32);
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (zero, maximum) = ([0; 32], [0xff; 32]);
    let der = Curve::P256.to_der(&valid).unwrap();
    let rows: [(&str, Vec<u8>); 9] = [
        ("r is zero", [&zero, s].concat()),
        ("s is zero", [r, &zero].concat()),
        ("both are zero", vec![0; 64]),
        ("r equals the order", [&order, s].concat()),
        ("s equals the order", [r, &order].concat()),
        ("r exceeds the order", [&maximum, s].concat()),
        ("s exceeds the order", [r, &maximum].concat()),
        ("DER", der),
        ("only r", r.to_vec()),
    ];
    for (name, signature) in rows {
        assert_eq!(
            stack.outcome(&token(&signature)).await,
            unauthorized("InvalidSignature"),
            "{name}"
        );
    }
}
