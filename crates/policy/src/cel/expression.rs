use std::{collections::HashSet, fmt};

use cel::{
    IdedExpr,
    common::ast::{Expr, LiteralValue, operators},
    parser::PrattParser,
};
use serde_json::Value;

use super::{
    ExpressionError,
    checker::ExpressionChecker,
    cost::{ClaimSizes, Size, cost},
    evaluation::{BUDGET, EvaluationContext, OverBudget},
    limits::{MAX_BYTES, ORDINARY_ELEMENTS},
};

/// A CEL expression over the variable `claims` that has passed all checks.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    text: String,
    parsed: IdedExpr,
}

impl Expression {
    /// Parses and checks an expression.
    pub(crate) fn new(text: String) -> Result<Self, ExpressionError> {
        if text.len() > MAX_BYTES {
            return Err(ExpressionError::TooLong);
        }
        let parsed = parse(&text)?;
        let mut checker = ExpressionChecker::default();
        checker.visit(&parsed, &HashSet::new());
        if let Some(error) = checker.into_error() {
            return Err(error);
        }
        if cost(&parsed, &OrdinaryToken) > BUDGET {
            return Err(ExpressionError::TooExpensive);
        }
        Ok(Self { text, parsed })
    }

    /// Whether the expression is true for the claims. `false` if its evaluation fails, or if its cost exceeds the
    /// remaining budget.
    pub(crate) fn is_true<'a>(&'a self, context: &EvaluationContext<'a>) -> bool {
        self.evaluate(context).unwrap_or(false)
    }

    /// Whether the expression is true for the claims. `false` if its evaluation fails.
    ///
    /// # Errors
    /// If its cost exceeds the remaining budget.
    pub(crate) fn evaluate<'a>(
        &'a self,
        context: &EvaluationContext<'a>,
    ) -> Result<bool, OverBudget> {
        context.evaluate(&self.text, &self.parsed)
    }

    /// The value of the expression for the claims: a string, a whole number, a boolean, or a list of these. `None` if it
    /// has another type or its evaluation fails.
    ///
    /// # Errors
    /// If its cost exceeds the remaining budget.
    pub(crate) fn value(
        &self,
        context: &EvaluationContext<'_>,
    ) -> Result<Option<Value>, OverBudget> {
        context.value(&self.parsed)
    }

    /// The literal prefix of the value, and whether it is the whole value. It is empty if the expression does not start
    /// with a string literal.
    pub(crate) fn literal_start(&self) -> (&str, bool) {
        let mut expression = &self.parsed;
        let mut is_whole = true;
        loop {
            match &expression.expr {
                Expr::Literal(LiteralValue::String(text)) => return (text.inner(), is_whole),
                Expr::Call(call) if call.func_name == operators::ADD => {
                    let Some(first) = call.args.first() else { return ("", false) };
                    (expression, is_whole) = (first, false);
                }
                _ => return ("", false),
            }
        }
    }
}

/// Two expressions are equal if their texts are equal.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The claims of an ordinary token. An expression that is too expensive for them is refused.
struct OrdinaryToken;

impl ClaimSizes for OrdinaryToken {
    fn claim(&self, _: &str) -> Size {
        ORDINARY_CLAIM
    }

    fn all(&self) -> Size {
        ORDINARY_CLAIM
    }
}

/// Parses the text.
pub(crate) fn parse(text: &str) -> Result<IdedExpr, ExpressionError> {
    let parser = PrattParser::new().enable_optional_syntax(true).enable_ident_escape_syntax(true);
    parser.parse(text).map_err(|errors| {
        let first = errors.errors.first().map(|error| error.msg.as_str());
        // Some messages of the parser are dumps of its data structures.
        let message =
            first.filter(|message| !message.contains(['{', '\n']) && message.len() <= 200);
        ExpressionError::Syntax(message.unwrap_or("it cannot be parsed").to_owned())
    })
}

/// The size of each claim of the ordinary token: a list of 32 elements with 32 bytes each.
const ORDINARY_CLAIM: Size = Size { values: ORDINARY_ELEMENTS + 1, text: 1024 };

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
    use crate::cel::{RegexError, functions::ENV};

    #[test]
    fn expression_is_accepted_or_refused_with_its_reason() {
        let variable = |name: &str| Err(ExpressionError::Variable(name.into()));
        let function = |name: &str| Err(ExpressionError::Function(name.into()));
        let regex =
            |pattern: &str| Err(ExpressionError::Regex(RegexError::Unsupported(pattern.into())));
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
            ("claims.a.all(x, claims.b.exists(y, x == y))", Err(ExpressionError::Nested)),
            ("claims.a.all(x, x in claims.b)", Ok(())),
            (&*longest, Ok(())),
            (&*longer, Err(ExpressionError::TooLong)),
            ("claims.sub.matches('^[a-z]+$') || matches(claims.sub, 'A')", Ok(())),
            ("claims.sub.matches(claims.pattern)", Err(ExpressionError::ComputedPattern)),
            ("claims.sub.matches('(')", regex("(")),
            ("true || matches(claims.sub, '[z-a]')", regex("[z-a]")),
            ("claims.sub.matches('(x{0,200}){0,200}y')", regex("(x{0,200}){0,200}y")),
            ("claims.sub.matches('\\\\p{Greek}')", regex("\\p{Greek}")),
        ];
        for (text, expected) in rows {
            assert_eq!(Expression::new(text.to_owned()).map(|_| ()), expected, "{text}");
        }
        for text in
            [&*deep, "", "claims.sub ==", "claims.sub = 'a'", "if claims.a", "claims.a claims.b"]
        {
            let condition = Expression::new(text.to_owned());
            assert!(matches!(condition, Err(ExpressionError::Syntax(_))), "{text}");
        }
        let Err(ExpressionError::Syntax(message)) = Expression::new("claims.sub =".into()) else {
            panic!("the expression is accepted")
        };
        assert!(message.contains('='), "the message of the parser: {message}");
    }

    fn refused(text: &str) -> Option<ExpressionError> {
        Expression::new(text.to_owned()).err()
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
    fn computed_pattern_is_refused() {
        for text in [
            "claims.sub.matches(claims.pattern)",
            "matches('a', claims.pattern)",
            "claims.sub.matches('^' + claims.tenant)",
            "claims.patterns.exists(p, claims.sub.matches(p))",
            "claims.sub.matches()",
        ] {
            assert_eq!(refused(text), Some(ExpressionError::ComputedPattern), "{text}");
        }
    }

    #[test]
    fn map_with_lists_as_results_is_refused() {
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
            assert_eq!(refused(text), Some(ExpressionError::ListInMap), "{text}");
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
            assert_eq!(refused(text), Some(ExpressionError::TooExpensive), "{text}");
        }
    }

    /// The thread of a test has a quarter of the stack of a function.
    #[test]
    fn deep_expressions_are_refused_or_evaluated() {
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
            // The result does not matter: the evaluation must not overflow the stack.
            let _ = cel::Value::resolve(&parse(&text).unwrap(), &context);
            assert_ne!(Expression::new(text).err(), Some(ExpressionError::TooDeep));
        }
        for text in texts(60).into_iter().chain(texts(90)) {
            assert!(Expression::new(text.clone()).is_err(), "{text}");
        }
        // The parser reduces these to a tree that is not deep.
        for text in [
            "!".repeat(1016) + "true",
            "-".repeat(1000) + "claims.a",
            "true&&".repeat(170) + "true",
        ] {
            assert!(Expression::new(text.clone()).is_ok(), "{text}");
        }
    }

    /// The older parser of the crate `cel` is the reference.
    #[test]
    fn both_parsers_agree() {
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
        // An inserted character: either both parsers refuse the text, or neither does.
        let mistyped = (expression.clone(), any::<Index>(), select(&b"()[]{}.,!?:&|='\"-+x "[..]));
        let mistyped = mistyped.prop_map(|(mut text, at, inserted)| {
            text.insert(at.index(text.len() + 1), char::from(inserted));
            text
        });
        let (number, signs) =
            (Regex::new(r"id: \d+").unwrap(), Regex::new(r"-\s*!|!\s*-").unwrap());
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        TestRunner::new(config)
            .run(&prop_oneof![expression, mistyped], |text| {
                // The parsers number the nodes differently.
                let shape =
                    |parsed: IdedExpr| number.replace_all(&format!("{parsed:?}"), "").into_owned();
                let ours = parse(&text).ok().map(shape);
                let theirs = ENV.parser().parse(&text).ok().map(shape);
                // `-!a` and `!-1` have no valid type: they are never true, however they are parsed.
                if !signs.is_match(&text) {
                    prop_assert_eq!(ours, theirs, "{}", text);
                }
                Ok(())
            })
            .unwrap();
    }
}
