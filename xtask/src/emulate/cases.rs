//! The events, their functions and the expected responses.

use std::collections::BTreeSet;

use serde_json::Value;

/// A file in `events/`.
pub(super) struct EventFile {
    pub(super) name: &'static str,
    /// The function, by its name in the template.
    pub(super) function: &'static str,
    pub(super) is_expected: fn(&Value) -> bool,
}

pub(super) const AUTHORIZER: &str = "Authorizer";

/// Every file in `events/`.
pub(super) const EVENTS: [EventFile; 9] = [
    EventFile { name: "authorize-expired.json", function: AUTHORIZER, is_expected: is_refused },
    EventFile { name: "authorize-http-api.json", function: AUTHORIZER, is_expected: is_refused },
    EventFile { name: WITHOUT_TOKEN, function: AUTHORIZER, is_expected: is_refused },
    EventFile { name: "authorize-token.json", function: AUTHORIZER, is_expected: is_refused },
    EventFile { name: "authorize-websocket.json", function: AUTHORIZER, is_expected: is_refused },
    EventFile { name: "issue-invoke.json", function: "Issuer", is_expected: is_token },
    EventFile { name: "issue-jwks.json", function: "Issuer", is_expected: is_key_set_response },
    EventFile { name: "issue-post-token.json", function: "Issuer", is_expected: is_token_response },
    EventFile { name: "rotate.json", function: "Rotator", is_expected: is_rotation },
];

/// The one event for the authorizer that has no place for a token.
const WITHOUT_TOKEN: &str = "authorize-no-credentials.json";

/// The events that are sent with a good token too.
pub(super) fn with_token() -> impl Iterator<Item = &'static EventFile> {
    EVENTS.iter().filter(|file| file.function == AUTHORIZER && file.name != WITHOUT_TOKEN)
}

/// The files that have no case, and the cases that have no file.
pub(super) fn unmatched(files: &BTreeSet<String>) -> Vec<String> {
    let cases: BTreeSet<String> = EVENTS.iter().map(|file| file.name.to_owned()).collect();
    files.symmetric_difference(&cases).cloned().collect()
}

/// An event with the answer that it must get.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) function: &'static str,
    pub(super) is_expected: fn(&Value) -> bool,
    pub(super) event: String,
}

impl Case {
    /// The text of a file, as it is.
    pub(super) fn of_file(file: &EventFile, event: String) -> Self {
        let EventFile { name, function, is_expected } = *file;
        Self { name: name.to_owned(), function, is_expected, event }
    }

    /// An event with a good token in it.
    pub(super) fn with_token(name: String, event: String) -> Self {
        // The shipped access rules open every route with a path, and no route with only a name.
        let is_expected = if event.contains("\"$connect\"") { is_forbidden } else { is_allowed };
        Self { name, function: AUTHORIZER, is_expected, event }
    }

    /// Prints whether the answer is the expected one, and returns that.
    pub(super) fn check(&self, place: &str, answer: &Value) -> bool {
        let is_good = (self.is_expected)(answer);
        if is_good {
            println!("ok    {place} {}", self.name);
        } else {
            println!("WRONG {place} {}: {answer}", self.name);
        }
        is_good
    }
}

/// A policy that allows the caller of the tests.
pub(super) fn is_allowed(answer: &Value) -> bool {
    let effect = answer.pointer("/policyDocument/Statement/0/Effect");
    effect.is_some_and(|effect| effect == "Allow") && answer["principalId"] == "test-user"
}

/// The answer that API Gateway turns into 401.
fn is_refused(answer: &Value) -> bool {
    answer["errorMessage"] == "Unauthorized"
}

/// A policy for the caller of the tests that allows nothing.
fn is_forbidden(answer: &Value) -> bool {
    let statements = answer.pointer("/policyDocument/Statement").and_then(Value::as_array);
    let is_deny = |statement: &Value| statement["Effect"] == "Deny";
    answer["principalId"] == "test-user"
        && statements.is_some_and(|all| !all.is_empty() && all.iter().all(is_deny))
}

fn is_token(answer: &Value) -> bool {
    let token = answer["access_token"].as_str().unwrap_or_default();
    token.matches('.').count() == 2 && answer["expires_in"] == 900
}

fn is_token_response(answer: &Value) -> bool {
    is_response(answer, is_token)
}

fn is_key_set_response(answer: &Value) -> bool {
    is_response(answer, |body| body.pointer("/keys/0/alg").is_some_and(|alg| alg == "RS256"))
}

/// A 200 response for API Gateway with such a body.
fn is_response(answer: &Value, is_expected: fn(&Value) -> bool) -> bool {
    let body = answer["body"].as_str().unwrap_or_default();
    answer["statusCode"] == 200
        && serde_json::from_str(body).is_ok_and(|body: Value| is_expected(&body))
}

fn is_rotation(answer: &Value) -> bool {
    answer["next"] == "prepare"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn expectation(name: &str) -> fn(&Value) -> bool {
        EVENTS.iter().find(|file| file.name == name).unwrap().is_expected
    }

    /// A name, an expectation, an answer, and whether it is as expected.
    type Row = (&'static str, fn(&Value) -> bool, Value, bool);

    #[test]
    fn only_expected_answers_are_good() {
        let allowed = json!({
            "principalId": "test-user",
            "policyDocument": {"Statement": [{"Effect": "Allow"}]},
        });
        let denied = json!({
            "principalId": "test-user",
            "policyDocument": {"Statement": [{"Effect": "Deny"}]},
        });
        let token = json!({"access_token": "a.b.c", "expires_in": 900});
        let response =
            |status: u16, body: &Value| json!({"statusCode": status, "body": body.to_string()});
        let keys = json!({"keys": [{"alg": "RS256"}]});
        let rows: [Row; 12] = [
            ("401", is_refused, json!({"errorMessage": "Unauthorized"}), true),
            ("a fault", is_refused, json!({"errorMessage": "timeout"}), false),
            ("Allow", is_allowed, allowed, true),
            ("Deny", is_allowed, denied, false),
            ("no policy", is_allowed, json!({}), false),
            ("no policy, forbidden", is_forbidden, json!({}), false),
            ("a token", is_token, token.clone(), true),
            ("half a token", is_token, json!({"access_token": "a.b", "expires_in": 900}), false),
            ("200", expectation("issue-post-token.json"), response(200, &token), true),
            ("503", expectation("issue-post-token.json"), response(503, &token), false),
            ("keys", expectation("issue-jwks.json"), response(200, &keys), true),
            ("a rotation", expectation("rotate.json"), json!({"next": "prepare"}), true),
        ];
        let failed = rows.iter().filter(|(_, check, answer, expected)| check(answer) != *expected);
        assert_eq!(failed.map(|(name, ..)| *name).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn every_file_needs_a_case() {
        let mut files: BTreeSet<String> = EVENTS.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(unmatched(&files), Vec::<String>::new());
        files.remove("rotate.json");
        files.insert("new.json".into());
        assert_eq!(unmatched(&files), ["new.json", "rotate.json"]);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
        let names = std::fs::read_dir(root).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(unmatched(&names.collect()), Vec::<String>::new());
    }

    #[test]
    fn events_with_a_place_for_a_token_are_sent_with_one() {
        let names: Vec<_> = with_token().map(|file| file.name).collect();
        let expected = ["expired", "http-api", "token", "websocket"];
        assert_eq!(names, expected.map(|name| format!("authorize-{name}.json")));
    }
}
