use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, ExecutionError, IdedExpr,
    common::types::{CelBool, CelString},
    parser::PrattParser,
};
use jwt::Claims;
use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

use crate::slips::Slips;

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
        slips.first().map_or(Ok(Self::When(Expression { text, parsed })), Err)
    }

    /// Whether it is true of these claims; an expression that fails on them is not.
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Scope(name) => {
                let scopes = subject.claims.text("scope").unwrap_or_default();
                scopes.split(' ').any(|scope| scope == name)
            }
            Self::When(expression) => {
                let result = cel::Value::resolve(&expression.parsed, subject.context());
                matches!(result, Ok(cel::Value::Bool(true)))
            }
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

/// The claims that conditions are asked about, made ready for expressions when one is there.
pub(crate) struct Subject<'a> {
    claims: &'a Claims,
    context: std::cell::OnceCell<Context<'static, 'static>>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(claims: &'a Claims) -> Self {
        Self { claims, context: std::cell::OnceCell::new() }
    }

    fn context(&self) -> &Context<'static, 'static> {
        self.context.get_or_init(|| {
            let members = self.claims.iter().map(|(name, value)| (name.to_owned(), cel(value)));
            let members: HashMap<String, cel::Value> = members.collect();
            let mut context = Context::with_env(Arc::clone(&ENV));
            context.add_variable_from_value("claims", members);
            context
        })
    }
}

/// A claim in the language's types: a number is an integer if it can be one.
fn cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => cel::Value::Int(number),
            (None, Some(number)) => cel::Value::UInt(number),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(cel).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), cel(value)));
            members.collect::<HashMap<String, cel::Value>>().into()
        }
    }
}

fn parse(text: &str) -> Result<IdedExpr, ConditionError> {
    let parser = PrattParser::new().enable_optional_syntax(true).enable_ident_escape_syntax(true);
    parser.parse(text).map_err(|errors| {
        let first = errors.errors.first().map(|error| error.msg.as_str());
        // The parser's own words where they are for people, and not for its makers.
        let words = first.filter(|words| !words.contains(['{', '\n']) && words.len() <= 200);
        ConditionError::Syntax(words.unwrap_or("it cannot be read").to_owned())
    })
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // The library's own brings all of Unicode with it: a quarter of the function.
    let global = cel::add_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>);
    let member =
        cel::add_member_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>);
    // Without them, an expression that has one is never true.
    debug_assert!(global.is_ok() && member.is_ok());
    Arc::new(env)
});

/// No larger than what a token of full length is matched with in some milliseconds: a pattern can be
/// a claim.
pub(crate) fn regex(pattern: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build()
}

fn matches(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    regex(pattern.inner())
        .map(|pattern| CelBool::from(pattern.is_match(text.inner())))
        .map_err(|error| ExecutionError::function_error("matches", error))
}

const MAX_CHARS: usize = 1024;
const REGEX_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::{
        prelude::*,
        sample::{Index, select},
        test_runner::TestRunner,
    };

    use super::*;

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
            ("claims.sub.matches(claims.pattern)", Ok(())),
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
            let Ok(Condition::When(expression)) = Condition::when(text.clone()) else {
                panic!("{text}")
            };
            // Some have no value: what counts is that this comes to an end.
            let _ = cel::Value::resolve(&expression.parsed, &context);
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
