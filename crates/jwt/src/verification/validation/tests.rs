use std::time::Duration;

use super::*;
use crate::Claims;

const NOW: UnixTime = UnixTime::from_seconds(1_000_000);

fn validation(audiences: &[&str], leeway: u64) -> Validation {
    Validation::new(
        Some("us".into()),
        Some(audiences.iter().map(|&audience| audience.into()).collect()),
    )
    .with_leeway(Duration::from_secs(leeway))
}

fn read_and_check(text: &str, validation: &Validation) -> Result<(), Rejection> {
    validation.check_claims(&Claims::read(text.as_bytes())?, NOW)
}

#[test]
fn token_outside_of_its_times_is_refused() {
    let at = UnixTime::from_seconds;
    let rows = [
        ("exp is the next second", r#""exp":1000001"#, 0, Ok(())),
        ("exp is a fraction of a second ahead", r#""exp":1000000.1"#, 0, Ok(())),
        ("exp is now", r#""exp":1000000"#, 0, Err(Rejection::Expired { at: at(1_000_000) })),
        ("exp within the leeway", r#""exp":999941"#, 60, Ok(())),
        (
            "exp at the end of the leeway",
            r#""exp":999940"#,
            60,
            Err(Rejection::Expired { at: at(999_940) }),
        ),
        ("exp is missing", r#""iat":1000000"#, 0, Err(Rejection::NoExpiry)),
        ("exp is null", r#""exp":null"#, 0, Err(Rejection::Claims)),
        ("exp is a string", r#""exp":"1000001""#, 0, Err(Rejection::Claims)),
        ("exp is negative", r#""exp":-1"#, 0, Err(Rejection::Claims)),
        ("exp is out of range", r#""exp":1e400"#, 0, Err(Rejection::Claims)),
        ("nbf is now", r#""exp":2000000,"nbf":1000000"#, 0, Ok(())),
        (
            "nbf is the next second",
            r#""exp":2000000,"nbf":1000001"#,
            0,
            Err(Rejection::NotYetValid { from: at(1_000_001) }),
        ),
        (
            "nbf is a fraction of a second ahead",
            r#""exp":2000000,"nbf":1000000.5"#,
            0,
            Err(Rejection::NotYetValid { from: at(1_000_001) }),
        ),
        ("nbf within the leeway", r#""exp":2000000,"nbf":1000060"#, 60, Ok(())),
        ("nbf is a string", r#""exp":2000000,"nbf":"0""#, 0, Err(Rejection::Claims)),
        ("iat is now", r#""exp":2000000,"iat":1000000"#, 0, Ok(())),
        (
            "iat is the next second",
            r#""exp":2000000,"iat":1000001"#,
            0,
            Err(Rejection::IssuedInFuture { at: at(1_000_001) }),
        ),
        ("iat within the leeway", r#""exp":2000000,"iat":1000060"#, 60, Ok(())),
        ("iat is an object", r#""exp":2000000,"iat":{}"#, 0, Err(Rejection::Claims)),
    ];
    for (name, times, leeway, expected) in rows {
        let text = format!(r#"{{"iss":"us",{times}}}"#);
        assert_eq!(read_and_check(&text, &validation(&[], leeway)), expected, "{name}");
    }
}

#[test]
fn leeway_of_exp_is_separate() {
    let validation = validation(&[], 60).with_expiry_leeway(Duration::ZERO);
    let expired = Rejection::Expired { at: NOW };
    let rows = [
        ("exp is now", r#""exp":1000000"#, Err(expired)),
        ("exp is the next second", r#""exp":1000001"#, Ok(())),
        ("nbf and iat within the leeway", r#""exp":2000000,"nbf":1000060,"iat":1000060"#, Ok(())),
    ];
    for (name, times, expected) in rows {
        let text = format!(r#"{{"iss":"us",{times}}}"#);
        assert_eq!(read_and_check(&text, &validation), expected, "{name}");
    }
}

#[test]
fn token_over_the_maximum_age_is_refused() {
    let validation = validation(&[], 60).with_max_age(Duration::from_mins(5));
    let too_old = |at| Err(Rejection::TooOld { at: UnixTime::from_seconds(at) });
    let rows = [
        ("iat is now", r#""iat":1000000"#, Ok(())),
        ("iat is a fraction within the age", r#""iat":999700.5"#, Ok(())),
        ("iat at the end of the age", r#""iat":999700"#, too_old(999_700)),
        ("iat is zero", r#""iat":0"#, too_old(0)),
        ("iat is missing", r#""nbf":1000000"#, Err(Rejection::NoIssueTime)),
        ("iat is null", r#""iat":null"#, Err(Rejection::Claims)),
    ];
    for (name, times, expected) in rows {
        let text = format!(r#"{{"iss":"us","exp":2000000,{times}}}"#);
        assert_eq!(read_and_check(&text, &validation), expected, "{name}");
    }
}

#[test]
fn token_that_expires_too_late_is_refused() {
    let validation = validation(&[], 60).with_max_remaining(Duration::from_hours(1));
    let too_late = |at| Err(Rejection::ExpiresTooLate { at: UnixTime::from_seconds(at) });
    let rows = [
        ("in an hour", r#""exp":1003600"#, Ok(())),
        ("a second later", r#""exp":1003601"#, too_late(1_003_601)),
        ("in the year 9999", r#""exp":253402300799"#, too_late(253_402_300_799)),
    ];
    for (name, times, expected) in rows {
        let text = format!(r#"{{"iss":"us",{times}}}"#);
        assert_eq!(read_and_check(&text, &validation), expected, "{name}");
    }
}

#[test]
fn several_audiences_are_refused_if_one_is_required() {
    let validation = validation(&["a", "b"], 0).with_single_audience();
    let refused = Err(Rejection::Audience);
    let rows = [
        (r#""a""#, Ok(())),
        (r#"["b"]"#, Ok(())),
        (r#"["a","b"]"#, refused),
        (r#"["a","a"]"#, refused),
        (r#"["a","x"]"#, refused),
        ("[]", refused),
        (r#""x""#, refused),
    ];
    for (aud, expected) in rows {
        let text = format!(r#"{{"iss":"us","exp":2000000,"aud":{aud}}}"#);
        assert_eq!(read_and_check(&text, &validation), expected, "{aud}");
    }
}

#[test]
fn token_of_another_issuer_or_audience_is_refused() {
    let rows: [(&str, &str, &[&str], _); 15] = [
        ("expected issuer", r#""iss":"us""#, &[], Ok(())),
        ("other issuer", r#""iss":"them""#, &[], Err(Rejection::Issuer)),
        ("issuer with a space at its end", r#""iss":"us ""#, &[], Err(Rejection::Issuer)),
        ("iss is missing", r#""sub":"us""#, &[], Err(Rejection::Issuer)),
        ("iss is an array", r#""iss":["us"]"#, &[], Err(Rejection::Claims)),
        ("sub is a number", r#""iss":"us","sub":1"#, &[], Err(Rejection::Claims)),
        ("jti is a number", r#""iss":"us","jti":1"#, &[], Err(Rejection::Claims)),
        ("expected audience", r#""iss":"us","aud":"a""#, &["a", "b"], Ok(())),
        ("one of two audiences is expected", r#""iss":"us","aud":["x","b"]"#, &["a", "b"], Ok(())),
        ("unexpected audience", r#""iss":"us","aud":["x"]"#, &["a", "b"], Err(Rejection::Audience)),
        ("aud is an empty array", r#""iss":"us","aud":[]"#, &["a"], Err(Rejection::Audience)),
        ("aud is missing", r#""iss":"us""#, &["a"], Err(Rejection::Audience)),
        (
            "aud without accepted audiences",
            r#""iss":"us","aud":"a""#,
            &[],
            Err(Rejection::Audience),
        ),
        ("aud is null", r#""iss":"us","aud":null"#, &[], Err(Rejection::Claims)),
        ("number in aud", r#""iss":"us","aud":["a",1]"#, &["a"], Err(Rejection::Claims)),
    ];
    for (name, members, audiences, expected) in rows {
        let text = format!(r#"{{"exp":2000000,{members}}}"#);
        assert_eq!(read_and_check(&text, &validation(audiences, 0)), expected, "{name}");
    }
}

#[test]
fn checks_that_are_off_are_skipped() {
    let unchecked = Validation { issuer: None, audiences: None, ..validation(&[], 0) };
    for members in [r#""iss":"them""#, r#""aud":"x""#, r#""aud":[]"#, r#""sub":"a""#] {
        assert_eq!(read_and_check(&format!(r#"{{"exp":2000000,{members}}}"#), &unchecked), Ok(()));
    }
    assert_eq!(read_and_check(r#"{"exp":2000000,"iss":1}"#, &unchecked), Err(Rejection::Claims));
}
