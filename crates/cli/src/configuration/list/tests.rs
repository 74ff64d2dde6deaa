use super::*;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

fn problems(content: Content, text: &str) -> Vec<String> {
    let checked = check_list(content, text, NOW);
    let line = |Located { position: Position { line, column }, severity, text }| {
        let severity = if severity == Severity::Warning { "warning: " } else { "" };
        format!("{line}:{column}: {severity}{text}")
    };
    checked.problems.into_iter().map(line).collect()
}

/// Checks that there are exactly these problems, of each the beginning.
fn assert_problems(name: &str, content: Content, text: &str, expected: &[&str]) {
    let found = problems(content, text);
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
    assert!(fits, "{name}: {found:#?}\nexpected {expected:#?}");
}

#[test]
fn every_problem_of_access_rules_is_reported_at_its_rule() {
    let rows: [(&str, &str, &[&str]); 17] = [
        ("valid", r#"[{"route": "GET /a", "any": true}]"#, &[]),
        ("empty file", " \n", &["1:1: has no value, write `[{"]),
        ("null", "null\n", &["1:1: has no value, write `[{"]),
        ("no rules", "\n[]", &["2:1: has no rules: add one"]),
        ("half a file", "[\n  {\"route\"", &["2:10: not JSON: EOF while parsing an object"]),
        ("an object", "{}", &["1:1: must be a JSON list"]),
        (
            "several elements",
            "[\n  {\"route\": \"GET /a\"},\n  7, {\"route\": \"GET /b/\", \"any\": true},\n  \
             {\"route\": \"GET /c\", \"when\": \"claim.sub == 'a'\"},\n  {\"rout\": \"GET /d\"}\n]",
            &[
                "2:3: rule 1: a rule must have exactly one of `scope`, `when` and `any`",
                "3:3: rule 2: must be a JSON object",
                "3:6: rule 3: the path of `route` must not end with `/`",
                "4:3: rule 4: invalid `when`: unknown variable `claim`",
                "5:3: rule 5: unknown field `rout`",
            ],
        ),
        (
            "repeated member",
            "[\n  {\"route\": \"GET /a\",\n   \"any\": true, \"any\": true}]",
            &["3:28: rule 1: a member name is repeated"],
        ),
        (
            "repeated member after text that is not ASCII",
            "[{\"ä\": \"ä\", \"ä\": 1}]",
            &["1:19: rule 1: a member name is repeated"],
        ),
        (
            "each duplicate",
            "[{\"route\": \"GET /a\", \"any\": true},\n{\"route\": \"GET /a\", \"scope\": \"s\"},\n\
             {\"route\": \"GET /{x}/b\", \"any\": true},\n{\"route\": \"GET /{y}/b\", \"any\": true}]",
            &[
                "2:1: has two rules for the same routes, `GET /a` and `GET /a`",
                "4:1: has two rules for the same routes, `GET /{x}/b` and `GET /{y}/b`",
            ],
        ),
        (
            "each ambiguous pair, and an invalid rule",
            "[{\"route\": \"GET /*/a/*\", \"any\": true},\n{\"route\": \"GET /*/b/*\", \"any\": true},\n\
             {\"route\": \"get /c\", \"any\": true}]",
            &[
                "2:1: has two rules that match some of the same routes",
                "3:1: rule 3: the method of `route` must be",
            ],
        ),
        (
            "rules that no policy can express",
            "[{\"route\": \"GET /a/{id}\", \"scope\": \"a\"},\n {\"route\": \"GET /a/{id}/b\", \"scope\": \"b\"}]",
            &["2:2: has rules that no IAM policy can express: the wildcard for `{name}`"],
        ),
        (
            "rules that no policy can express, within each other",
            "[{\"route\": \"GET /*\", \"scope\": \"a\"},\n{\"route\": \"GET /a/*\", \"scope\": \"b\"},\n\
             {\"route\": \"GET /a/c\", \"scope\": \"c\"}]",
            &["3:1: has rules that no IAM policy can express: if `GET /*` and `GET /a/c` are open"],
        ),
        (
            "warning",
            "[{\"route\": \"GET /*\", \"scope\": \"a\"},\n{\"route\": \"GET /a/*\", \"scope\": \"b\"}]",
            &["2:1: warning: GET /a/* does not match GET /a itself"],
        ),
        (
            "levels",
            r#"[{"route": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}]"#,
            &["1:26: rule 1: a member name is repeated, a string or number is invalid, or"],
        ),
        ("a number out of range", "[{\"route\": 1e999}]", &["1:16: rule 1: a member name is"]),
        ("a token in place of a rule", "[\"eyJ.x\"]", &["1:2: rule 1: must be a JSON object"]),
    ];
    for (name, text, expected) in rows {
        assert_problems(name, Content::AccessRules, text, expected);
        let is_valid = problems(Content::AccessRules, text)
            .iter()
            .all(|problem| problem.contains(": warning: "));
        assert_eq!(is_valid, text.parse::<AccessRules>().is_ok(), "{name}");
    }
}

#[test]
fn rules_that_are_too_many_for_a_policy_are_reported_once() {
    for count in [129, 300] {
        let rules: Vec<_> =
            (0..count).map(|n| json!({"route": format!("GET /{n}"), "any": true})).collect();
        let text = json!(rules).to_string();
        assert_problems(
            "many",
            Content::AccessRules,
            &text,
            &["1:1: needs an IAM policy of up to"],
        );
    }
}

#[test]
fn every_problem_of_an_issuance_policy_is_reported_at_its_rule() {
    let rows: [(&str, &str, &[&str]); 4] = [
        ("valid", r#"[{"caller": "*"}]"#, &[]),
        ("no rules", "[]", &[]),
        ("null", "null", &["1:1: has no value, write `[]`"]),
        (
            "several rules",
            "[{\"caller\": \"role/a\"},\n{\"caller\": \"*\", \"max_lifetime\": 0},\n{\"subject\": \"a\"}, {\"caller\": \"*\"}]",
            &[
                "1:2: rule 1: `caller` must be `*`, `invoke`, or the ARN",
                "2:1: rule 2: `max_lifetime` must be from 1 second",
                "3:1: rule 3: missing field `caller`",
            ],
        ),
    ];
    for (name, text, expected) in rows {
        assert_problems(name, Content::IssuanceRules, text, expected);
        assert_eq!(expected.is_empty(), text.parse::<IssuancePolicy>().is_ok(), "{name}");
    }
}

#[test]
fn trusted_issuer_that_is_there_twice_is_reported_at_its_second_entry() {
    let text = "[{\"issuer\": \"https://ci.example\"},\n{\"issuer\": \"https://other.example\"},\n {\"issuer\": \"https://CI.example/\"}]";
    let expected = "3:2: trusted issuers 1 and 3 have names that are equal";
    assert_problems("twice", Content::TrustedIssuers, text, &[expected]);
}

#[test]
fn every_problem_of_revocations_is_reported_at_its_entry() {
    let rows: [(&str, &str, &[&str]); 5] = [
        ("valid", r#"[{"iss": "us", "jti": "1", "exp": 1800000000}]"#, &[]),
        ("empty file", "", &["1:1: has no value, write `[]`"]),
        (
            "several entries",
            "[{\"iss\": \"us\"},\n{\"iss\": \"us\", \"jti\": \"1\", \"exp\": 1800000000000}, {\"jti\": 1}]",
            &[
                "1:2: revocation 1 must have `iss` and `jti`, or `iss`, `sub` and `issued_before`",
                "2:1: revocation 2: `exp` must be in seconds since 1970",
                "2:50: revocation 3: a member has an invalid value",
            ],
        ),
        (
            "an expired one",
            "[{\"iss\": \"us\", \"jti\": \"1\"},\n{\"iss\": \"us\", \"jti\": \"2\", \"exp\": 1799999699}]",
            &["2:1: warning: the tokens of revocation 2 have expired: `countersign revoke`"],
        ),
        (
            "expired ones and a problem",
            "[{\"iss\": \"us\", \"jti\": \"1\", \"exp\": 1},\n{\"iss\": \"us\", \"jti\": \"2\", \"exp\": 2},\n{}]",
            &[
                "1:2: warning: the tokens of revocation 1 and 1 more have expired",
                "3:1: revocation 3: missing field `iss`",
            ],
        ),
    ];
    for (name, text, expected) in rows {
        assert_problems(name, Content::Revocations, text, expected);
    }
    let entries = |count| json!(vec![json!({"iss": "us", "jti": "1"}); count]).to_string();
    assert_problems("10,000", Content::Revocations, &entries(10_000), &[]);
    let problem = "1:1: has 10001 revocations, but at most 10000 are allowed";
    assert_problems("10,001", Content::Revocations, &entries(10_001), &[problem]);
    let text = entries(10_001).replacen("iss", "is", 1);
    let other = "1:2: revocation 1: unknown field";
    assert_problems("10,001, and an invalid one", Content::Revocations, &text, &[problem, other]);
}
