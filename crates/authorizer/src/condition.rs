use std::{collections::HashSet, fmt};

use cel::{IdedExpr, parser::PrattParser};

use crate::{
    cost::{Size, Sizes, cost},
    evaluation::{BUDGET, Subject},
    slips::Slips,
};

/// What a token must have for a rule to let it through.
#[derive(Debug)]
pub(crate) enum Condition {
    /// Nothing: any good token.
    Any,
    /// This in its `scope` (RFC 6749 section 3.3).
    Scope(String),
    /// Claims of which this is true.
    When(Expression),
}

/// An expression of the Common Expression Language, over `claims`.
#[derive(Debug)]
pub(crate) struct Expression {
    text: String,
    parsed: IdedExpr,
}

/// Why a condition is not one that a rule can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Not one scope.
    #[error("scope is the name of one scope, of printable characters without spaces, \" and \\")]
    Scope,
    /// `any` is there and not true.
    #[error("any can be true and nothing else")]
    Any,
    /// Not exactly one of the three.
    #[error("a rule has exactly one of scope, when and any")]
    Several,
    /// The expression is too long.
    #[error("when has at most 1024 characters")]
    TooLong,
    /// A chain or a nest that the stack may be too small for.
    #[error("when has at most 48 levels, one in the other")]
    TooDeep,
    /// A loop within a loop, which a token with long lists would make slow.
    #[error("when has no all, exists, map or filter within another; use in for the inner one")]
    Nested,
    /// It is not one of the language.
    #[error("when is not an expression of CEL: {0}")]
    Syntax(String),
    /// There is no such variable.
    #[error("when knows no {0}; the claims are in claims, as in claims.sub")]
    Variable(String),
    /// There is no such function.
    #[error("when knows no function {0}")]
    Function(String),
    /// The pattern of `matches` is not written in the expression.
    #[error("the pattern of matches in a when must be a string literal, as in matches('^team-')")]
    ComputedPattern,
    /// A `map` with a list, a map or a whole claim for each element.
    #[error(
        "the second argument of map in a when must not be a list, a map or a whole claim; use one \
         value of the element"
    )]
    ListInMap,
    /// It costs too much for an ordinary token.
    #[error(
        "when is too expensive for a token with lists of {LIST} elements; use fewer loops (all, \
         exists, map, filter), and in, startsWith, endsWith or contains instead of matches",
        LIST = ORDINARY.values - 1
    )]
    TooExpensive,
    /// What `matches` is given is no regular expression.
    #[error("when has a regular expression that is none: {0}")]
    Regex(String),
}

impl Condition {
    pub(crate) fn scope(name: String) -> Result<Self, ConditionError> {
        let fits = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
        let valid = !name.is_empty() && name.chars().all(fits);
        if valid { Ok(Self::Scope(name)) } else { Err(ConditionError::Scope) }
    }

    pub(crate) fn when(text: String) -> Result<Self, ConditionError> {
        if text.len() > MAX_CHARS {
            return Err(ConditionError::TooLong);
        }
        let parsed = parse(&text)?;
        let mut slips = Slips::default();
        slips.read(&parsed, &HashSet::new());
        if let Some(error) = slips.first() {
            return Err(error);
        }
        if cost(&parsed, &Ordinary) > BUDGET {
            return Err(ConditionError::TooExpensive);
        }
        Ok(Self::When(Expression { text, parsed }))
    }

    /// Whether it is true of these claims. An expression that fails on them is not, nor one that
    /// would cost more than the other expressions have left of [`BUDGET`].
    pub(crate) fn holds<'a>(&'a self, subject: &Subject<'a>) -> bool {
        match self {
            Self::Any => true,
            Self::Scope(name) => {
                let scopes = subject.claims.text("scope").unwrap_or_default();
                scopes.split(' ').any(|scope| scope == name)
            }
            Self::When(expression) => subject.evaluate(&expression.text, &expression.parsed),
        }
    }

    /// Whether both ask the same of a token, as far as their text tells.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scope(one), Self::Scope(other)) => one == other,
            (Self::When(one), Self::When(other)) => one.text == other.text,
            _ => false,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => write!(f, "any"),
            Self::Scope(name) => write!(f, "scope {name}"),
            Self::When(expression) => write!(f, "when {}", expression.text),
        }
    }
}

/// A token with [`ORDINARY`] claims: an expression that is too expensive for it is refused.
struct Ordinary;

impl Sizes for Ordinary {
    fn claim(&self, _: &str) -> Size {
        ORDINARY
    }

    fn all(&self) -> Size {
        ORDINARY
    }
}

pub(crate) fn parse(text: &str) -> Result<IdedExpr, ConditionError> {
    let parser = PrattParser::new().enable_optional_syntax(true).enable_ident_escape_syntax(true);
    parser.parse(text).map_err(|errors| {
        let first = errors.errors.first().map(|error| error.msg.as_str());
        // The parser's own words where they are for people, and not for its makers.
        let words = first.filter(|words| !words.contains(['{', '\n']) && words.len() <= 200);
        ConditionError::Syntax(words.unwrap_or("it cannot be read").to_owned())
    })
}

const MAX_CHARS: usize = 1024;
/// A list of 32 elements with 32 bytes each.
const ORDINARY: Size = Size { values: 33, text: 1024 };

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc};

    use proptest::{
        prelude::*,
        sample::{Index, select},
        test_runner::TestRunner,
    };

    use cel::Context;
    use regex_lite::Regex;

    use super::*;
    use crate::evaluation::ENV;

    #[test]
    fn expressions() {
        let variable = |name: &str| Err(ConditionError::Variable(name.into()));
        let function = |name: &str| Err(ConditionError::Function(name.into()));
        let regex = |pattern: &str| Err(ConditionError::Regex(pattern.into()));
        let (longest, deep) = (format!("true{}", " ".repeat(1020)), "(".repeat(500));
        let longer = format!("{longest} ");
        let rows = [
            ("claims.sub == 'a'", Ok(())),
            ("has(claims.a) && claims.a.all(x, x > 0)", Ok(())),
            ("claims.a.filter(x, x > 0).exists(x, x == claims.b)", Ok(())),
            ("{'a': claims.a}.a == type(1) || type(claims.b) == string", Ok(())),
            ("claims.a ? -int(claims.b) in [1, 2] : !claims.c", Ok(())),
            ("claims.sub.matches('((((((((((((((((((a))))))))))))))))))')", Ok(())),
            ("claim.sub == 'a'", variable("claim")),
            ("claims.a.all(x, x > 0) && x == 1", variable("x")),
            ("claims.a.exists(x, x == y)", variable("y")),
            ("{'a': claim.a, claims.b: 1}.a == 1", variable("claim")),
            ("size({claim.a: 1}) == 1", variable("claim")),
            ("[claims.a, b][0] == 1", variable("b")),
            ("A{b: c} == 1", variable("c")),
            ("claims.sub.startWith('a')", function("startWith")),
            ("claims.sub.startsWith(lower('A'))", function("lower")),
            ("_a(claims)", function("_a")),
            ("claims.a.all(x, claims.b.exists(y, x == y))", Err(ConditionError::Nested)),
            ("claims.a.all(x, x in claims.b)", Ok(())),
            (&*longest, Ok(())),
            (&*longer, Err(ConditionError::TooLong)),
            ("claims.sub.matches('^[a-z]+$') || matches(claims.sub, 'A')", Ok(())),
            ("claims.sub.matches(claims.pattern)", Err(ConditionError::ComputedPattern)),
            ("claims.sub.matches('(')", regex("(")),
            ("true || matches(claims.sub, '[z-a]')", regex("[z-a]")),
            ("claims.sub.matches('(x{0,200}){0,200}y')", regex("(x{0,200}){0,200}y")),
            ("claims.sub.matches('\\\\p{Greek}')", regex("\\p{Greek}")),
        ];
        for (text, expected) in rows {
            assert_eq!(Condition::when(text.to_owned()).map(|_| ()), expected, "{text}");
        }
        for text in
            [&*deep, "", "claims.sub ==", "claims.sub = 'a'", "if claims.a", "claims.a claims.b"]
        {
            let condition = Condition::when(text.to_owned());
            assert!(matches!(condition, Err(ConditionError::Syntax(_))), "{text}");
        }
        let Err(ConditionError::Syntax(words)) = Condition::when("claims.sub =".into()) else {
            panic!("not an expression")
        };
        assert!(words.contains('='), "the parser's own words: {words}");
    }

    fn refused(text: &str) -> Option<ConditionError> {
        Condition::when(text.to_owned()).err()
    }

    #[test]
    fn ordinary_expressions_are_accepted() {
        let rows = [
            "'x' in claims.roles",
            "claims.roles.exists(r, r == 'admin')",
            "claims.groups.exists(g, g.matches('^team-'))",
            "claims.items.all(i, i.startsWith('a'))",
            "claims.email.endsWith('@example.com')",
            "claims.email.matches('^[a-z0-9.]+(-[a-z0-9.]+)*@example\\\\.com$')",
            "claims.tenant == 'a' && claims.level > 3",
            "has(claims.a)",
            "claims.roles.exists(r, r in claims.allowed)",
            "claims.roles.exists(r, r == 'admin-' + claims.tenant)",
            "claims.roles.filter(r, r.startsWith('a')).size() > 1",
            "claims.items.map(i, i.name).exists(n, n == 'a')",
            "claims.items.map(i, i + '-' + claims.tenant).exists(n, n == 'a')",
            "claims.a.exists_one(x, x == 1) || claims.b.all(x, x != 2) || claims.c.exists(x, x > 3)",
        ];
        for text in rows {
            assert_eq!(refused(text), None, "{text}");
        }
    }

    #[test]
    fn pattern_from_the_token_is_refused() {
        for text in [
            "claims.sub.matches(claims.pattern)",
            "matches('a', claims.pattern)",
            "claims.sub.matches('^' + claims.tenant)",
            "claims.patterns.exists(p, claims.sub.matches(p))",
            "claims.sub.matches()",
        ] {
            assert_eq!(refused(text), Some(ConditionError::ComputedPattern), "{text}");
        }
    }

    #[test]
    fn map_to_lists_is_refused() {
        for text in [
            "claims.roles.map(r, claims.roles).size() == 1",
            "claims.roles.map(r, claims['roles']).size() == 1",
            "claims.roles.map(r, claims).size() == 1",
            "claims.roles.map(r, [r]).size() == 1",
            "claims.roles.map(r, {'a': r}).size() == 1",
            "claims.roles.map(r, r != 'a', claims.roles).size() == 1",
            "claims.roles.map(r, r == 'a' ? 'b' : claims.roles).size() == 1",
            "claims.roles.map(r, r + claims.roles).size() == 1",
            "claims.roles.map(r, dyn(claims.?roles)).size() == 1",
        ] {
            assert_eq!(refused(text), Some(ConditionError::ListInMap), "{text}");
        }
    }

    #[test]
    fn expression_that_is_too_expensive_is_refused() {
        let doubled = "claims.a".to_owned() + &".map(x, x + x)".repeat(20) + " == []";
        let copies = ["claims.a.exists(x, claims.b < claims.c)"; 8].join(" || ");
        for text in [
            &*doubled,
            &*copies,
            "claims.a.exists(x, claims.text.matches('[a-z]+-admin'))",
            "claims.text.matches('(a?){100}b')",
        ] {
            assert_eq!(refused(text), Some(ConditionError::TooExpensive), "{text}");
        }
    }

    /// A test's thread has a quarter of the stack that a function has.
    #[test]
    fn deep_expressions_are_refused_or_end() {
        let texts = |times: usize| {
            let deep = |start: &str, middle: &str, end: &str| {
                [&start.repeat(times), middle, &end.repeat(times)].concat()
            };
            [
                deep("[", "1", "]"),
                deep("{1:", "1", "}"),
                deep("size(", "1", ")"),
                deep("1==1?2:", "1", ""),
                deep("", "claims", ".a"),
                deep("", "claims", "[0]"),
                deep("1+", "1", ""),
            ]
        };
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_from_value("claims", HashMap::<String, cel::Value>::new());
        for text in texts(40) {
            // Some have no value: what counts is that this comes to an end.
            let _ = cel::Value::resolve(&parse(&text).unwrap(), &context);
            assert_ne!(Condition::when(text).err(), Some(ConditionError::TooDeep));
        }
        for text in texts(60).into_iter().chain(texts(90)) {
            assert!(Condition::when(text.clone()).is_err(), "{text}");
        }
        // Of these the parser makes one, or a tree that is not deep.
        for text in [
            "!".repeat(1016) + "true",
            "-".repeat(1000) + "claims.a",
            "true&&".repeat(170) + "true",
        ] {
            assert!(Condition::when(text.clone()).is_ok(), "{text}");
        }
    }

    /// The library's other parser, which is the older one, is the judge.
    #[test]
    fn both_parsers_read_the_same() {
        const OPERATORS: [&str; 14] =
            ["||", "&&", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", " in "];
        let atom = prop_oneof![
            Just("claims.a".to_owned()),
            Just("claims['b']".to_owned()),
            Just("x".to_owned()),
            Just("true".to_owned()),
            Just("null".to_owned()),
            any::<i16>().prop_map(|number| number.to_string()),
            any::<u8>().prop_map(|number| format!("{number}u")),
            any::<i16>().prop_map(|number| format!("{:.2}", f64::from(number) / 7.0)),
            "[a-z\\\\n ]{0,4}".prop_map(|text| format!("'{text}'")),
            "[a-z]{0,4}".prop_map(|text| format!("r\"{text}\"")),
        ];
        let expression = atom.prop_recursive(4, 24, 3, |inner| {
            let (one, pair) = (inner.clone(), (inner.clone(), inner.clone()));
            prop_oneof![
                (pair.clone(), select(&OPERATORS[..]))
                    .prop_map(|((a, b), operator)| format!("{a} {operator} {b}")),
                (pair.clone(), one.clone()).prop_map(|((a, b), c)| format!("{a} ? {b} : {c}")),
                one.clone().prop_map(|a| format!("({a})")),
                one.clone().prop_map(|a| format!("!{a}")),
                one.clone().prop_map(|a| format!("-{a}")),
                one.clone().prop_map(|a| format!("size({a})")),
                one.prop_map(|a| format!("has(claims.b.c) && {a}")),
                pair.clone().prop_map(|(a, b)| format!("[{a}, {b}][0]")),
                pair.clone().prop_map(|(a, b)| format!("{{{a}: {b}}}")),
                pair.clone().prop_map(|(a, b)| format!("claims.c.exists(x, {a} == {b})")),
                pair.prop_map(|(a, b)| format!("claims.c.map(x, {a}).all(y, {b})")),
            ]
        });
        // A character in the wrong place: both say so, or neither.
        let slip = (expression.clone(), any::<Index>(), select(&b"()[]{}.,!?:&|='\"-+x "[..]));
        let slip = slip.prop_map(|(mut text, at, slip)| {
            text.insert(at.index(text.len() + 1), char::from(slip));
            text
        });
        let (number, signs) =
            (Regex::new(r"id: \d+").unwrap(), Regex::new(r"-\s*!|!\s*-").unwrap());
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        TestRunner::new(config)
            .run(&prop_oneof![expression, slip], |text| {
                // Nodes are numbered, by each parser as it likes.
                let shape =
                    |parsed: IdedExpr| number.replace_all(&format!("{parsed:?}"), "").into_owned();
                let ours = parse(&text).ok().map(shape);
                let theirs = ENV.parser().parse(&text).ok().map(shape);
                // `-!a` and `!-1` are of no type: however they are read, they are never true.
                if !signs.is_match(&text) {
                    prop_assert_eq!(ours, theirs, "{}", text);
                }
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn scopes() {
        let rows = [
            ("orders:read", true),
            ("https://api.example/orders", true),
            ("", false),
            ("a b", false),
            ("a\"", false),
            ("a\\", false),
            ("ä", false),
        ];
        for (name, expected) in rows {
            assert_eq!(Condition::scope(name.to_owned()).is_ok(), expected, "{name}");
        }
    }
}
