//! The most expensive access rules and tokens that the authorizer accepts, found by a search over random
//! expressions and claims.

use serde_json::{Map, Value, json};

/// Rules with expensive conditions, and claims for which they are evaluated.
pub struct ExpensiveRules {
    pub name: &'static str,
    /// The setting `ACCESS_RULES`, or the content of its file. A file can have more rules, but the budget of a request
    /// limits the cost of their evaluation.
    pub rules: String,
    /// The claims of a token, up to almost the longest one.
    pub claims: Value,
}

/// All cases.
pub fn all() -> Vec<ExpensiveRules> {
    let condition = |name, expression: &str, count, claims| ExpensiveRules {
        name,
        rules: rules(expression, count),
        claims,
    };
    let object = |members: usize| {
        let members = (0..members).map(|n| (format!("k{n}"), json!(1)));
        members.collect::<Map<_, _>>()
    };
    let text = "a".repeat(1000);
    vec![
        condition("large claims", "claims.t == N", 30, json!({"a": object(560)})),
        condition("copies in errors", "N < claims.a", 40, json!({"a": object(280)})),
        condition("copies in maps", "{claims.a: N}", 40, json!({"a": object(280)})),
        condition("loop", "claims.a.all(r, r != N)", 40, json!({"a": vec![1; 400]})),
        condition(
            "loop over text",
            "claims.a.exists(r, r == 'N')",
            40,
            json!({"a": vec!["r"; 280]}),
        ),
        condition("short loops", "claims.a.all(r, r != N)", 40, json!({"a": vec![1; 40]})),
        condition(
            "loop with an error for each element",
            "claims.a.exists(r, N < claims.t)",
            40,
            json!({"a": vec![1; 100], "t": ["r"]}),
        ),
        condition(
            "list in a list",
            "(claims.a in claims.b) == N",
            40,
            json!({"a": vec![1; 60], "b": vec![1; 60]}),
        ),
        condition(
            "doubled lists",
            "[claims.a].map(r, r + r).map(r, r + r).map(r, r + r) == N",
            30,
            json!({"a": vec![1; 20]}),
        ),
        condition(
            "numbers in long text",
            "claims.a.exists(r, int(claims.t) == N)",
            40,
            json!({"a": vec![1; 60], "t": "0".repeat(4000)}),
        ),
        condition(
            "search in long text",
            "claims.a.exists(r, claims.t.contains(claims.u) && true == N)",
            40,
            json!({"a": vec![1; 60], "t": "a".repeat(3000), "u": "a".repeat(1400) + "b"}),
        ),
        condition(
            "conversions of long text",
            "claims.a.exists(r, string(bytes(claims.t)) == 'N')",
            40,
            json!({"a": vec![1; 60], "t": "ä".repeat(2500)}),
        ),
        condition("literal pattern", "claims.t.matches('aaaaaaaaaN')", 40, json!({"t": text})),
        condition("pattern", "claims.t.matches('(a?){9}N')", 40, json!({"t": text})),
        condition(
            "pattern in a loop",
            "claims.a.exists(r, r.matches('[a-z]+N'))",
            40,
            json!({"a": vec!["aaaaaaaa"; 100]}),
        ),
    ]
}

/// Rules with an expression in which the number of the rule replaces `N`: equal expressions would be evaluated
/// only once.
fn rules(expression: &str, count: usize) -> String {
    let rule = |n: usize| {
        let when = expression.replace('N', &n.to_string());
        json!({"route": format!("GET /{n}"), "when": when})
    };
    json!((0..count).map(rule).collect::<Vec<_>>()).to_string()
}
