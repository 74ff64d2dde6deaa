//! The evaluation of expressions over the claims of one token, within a budget.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    sync::Arc,
};

use cel::{
    Context, IdedExpr,
    common::{
        types::{
            CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
        },
        value::Val,
    },
};
use jwt::Claims;
use serde_json::{Map, Value};

use super::{
    cost::{CLAIMS, ClaimSizes, Size, cost},
    functions::ENV,
};

/// The variables that an expression can use.
pub(crate) const VARIABLES: [&str; 1] = [CLAIMS];

/// The claims of one token, with the budget and the results that its conditions share.
pub(crate) struct EvaluationContext<'a> {
    claims: ClaimSource<'a>,
    variables: OnceCell<Variables<'a>>,
    /// The remaining budget, initially [`BUDGET`], in instructions.
    remaining_budget: Cell<u64>,
    is_over_budget: Cell<bool>,
    /// The results of the expressions so far, by their texts.
    results: RefCell<HashMap<&'a str, Result<bool, OverBudget>>>,
}

/// An expression was not evaluated, because its cost exceeds the remaining budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverBudget;

/// The source of the claims.
#[derive(Clone, Copy)]
pub(crate) enum ClaimSource<'a> {
    /// A token of our own issuer.
    Token(&'a Claims),
    /// An assertion of a trusted issuer.
    Members(&'a Map<String, Value>),
}

impl<'a> From<&'a Claims> for ClaimSource<'a> {
    fn from(claims: &'a Claims) -> Self {
        Self::Token(claims)
    }
}

impl<'a> From<&'a Map<String, Value>> for ClaimSource<'a> {
    fn from(members: &'a Map<String, Value>) -> Self {
        Self::Members(members)
    }
}

/// The claims as values of CEL, with their sizes.
struct Variables<'a> {
    context: Context<'a, 'a>,
    sizes: HashMap<&'a str, Size>,
    all: Size,
}

impl<'a> EvaluationContext<'a> {
    pub(crate) fn new(claims: impl Into<ClaimSource<'a>>) -> Self {
        Self {
            claims: claims.into(),
            variables: OnceCell::new(),
            remaining_budget: Cell::new(BUDGET),
            is_over_budget: Cell::default(),
            results: RefCell::default(),
        }
    }

    /// Whether an expression is true for the claims. `false` if its evaluation fails.
    pub(crate) fn evaluate(&self, text: &'a str, parsed: &IdedExpr) -> Result<bool, OverBudget> {
        let known = self.results.borrow().get(text).copied();
        known.unwrap_or_else(|| {
            let result = self.spend_budget(parsed).map(|()| self.is_true(parsed));
            self.results.borrow_mut().insert(text, result);
            result
        })
    }

    /// The value of an expression that is a string, a whole number, a boolean, or a list of these. `None` if it has
    /// another type or its evaluation fails.
    pub(crate) fn value(&self, parsed: &IdedExpr) -> Result<Option<Value>, OverBudget> {
        self.spend_budget(parsed)?;
        Ok(match cel::Value::resolve(parsed, &self.variables().context) {
            Ok(cel::Value::List(items)) => items.iter().map(scalar).collect(),
            Ok(value) => scalar(&value),
            Err(_) => None,
        })
    }

    /// A claim that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        match self.claims {
            ClaimSource::Token(claims) => claims.text(name),
            ClaimSource::Members(members) => members.get(name).and_then(Value::as_str),
        }
    }

    /// Takes the cost of the expression from the budget.
    fn spend_budget(&self, parsed: &IdedExpr) -> Result<(), OverBudget> {
        let cost = cost(parsed, self.variables());
        let Some(remaining) = self.remaining_budget.get().checked_sub(cost) else {
            self.is_over_budget.set(true);
            return Err(OverBudget);
        };
        self.remaining_budget.set(remaining);
        Ok(())
    }

    /// Whether an expression was not evaluated because it would have exceeded the budget.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.is_over_budget.get()
    }

    fn is_true(&self, parsed: &IdedExpr) -> bool {
        let result = cel::Value::resolve_val(parsed, &self.variables().context);
        result
            .is_ok_and(|value| value.downcast_ref::<CelBool>().is_some_and(|value| *value.inner()))
    }

    fn variables(&self) -> &Variables<'a> {
        self.variables.get_or_init(|| {
            let (mut sizes, mut all) = (HashMap::new(), Size::default());
            let mut members = HashMap::new();
            let mut add = |name: &'a str, value: &'a Value| {
                let (value, size) = cel_value(value);
                sizes.insert(name, size);
                all = all.plus(size).plus(text_size(name));
                members.insert(CelMapKey::String(name.into()), value);
            };
            match self.claims {
                ClaimSource::Token(claims) => {
                    claims.iter().for_each(|(name, value)| add(name, value));
                }
                ClaimSource::Members(members) => {
                    members.iter().for_each(|(name, value)| add(name, value));
                }
            }
            let mut context = Context::with_env(Arc::clone(&ENV));
            context.add_variable_as_val(CLAIMS, Box::new(CelMap::from(members)));
            Variables { context, sizes, all }
        })
    }
}

impl ClaimSizes for Variables<'_> {
    fn claim(&self, name: &str) -> Size {
        self.sizes.get(name).copied().unwrap_or_default()
    }

    fn all(&self) -> Size {
        self.all
    }
}

/// A claim as a value of CEL, with its size. A number becomes an integer if it is one.
fn cel_value(value: &Value) -> (Box<dyn Val + '_>, Size) {
    let one = text_size("");
    match value {
        Value::Null => (Box::new(CelNull), one),
        Value::Bool(value) => (Box::new(CelBool::from(*value)), one),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => (Box::new(CelInt::from(number)), one),
            (None, Some(number)) => (Box::new(CelUInt::from(number)), one),
            (None, None) => (Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))), one),
        },
        Value::String(text) => (Box::new(CelString::from(&**text)), text_size(text)),
        Value::Array(items) => {
            let (mut list, mut size) = (Vec::with_capacity(items.len()), one);
            for item in items {
                let (item, item_size) = cel_value(item);
                list.push(item);
                size = size.plus(item_size);
            }
            (Box::new(CelList::from(list)), size)
        }
        Value::Object(members) => {
            let (mut map, mut size) = (HashMap::with_capacity(members.len()), one);
            for (name, member) in members {
                let (member, member_size) = cel_value(member);
                map.insert(CelMapKey::String((&**name).into()), member);
                size = size.plus(member_size).plus(text_size(name));
            }
            (Box::new(CelMap::from(map)), size)
        }
    }
}

/// A value of CEL that a claim can have.
fn scalar(value: &cel::Value) -> Option<Value> {
    match value {
        cel::Value::String(text) => Some(Value::from(text.as_str())),
        cel::Value::Int(number) => Some(Value::from(*number)),
        cel::Value::UInt(number) => Some(Value::from(*number)),
        cel::Value::Bool(value) => Some(Value::from(*value)),
        _ => None,
    }
}

fn text_size(text: &str) -> Size {
    Size { values: 1, text: u64::try_from(text.len()).unwrap_or(u64::MAX) }
}

/// The maximum cost of all expressions of one request, in instructions. It bounds the time of a decision; see
/// docs/src/access-rules.md.
pub(crate) const BUDGET: u64 = 20_000_000;

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::cel::expression::{Expression, parse};

    /// Verified claims.
    fn claims(members: &Value) -> Claims {
        struct AcceptAll;
        impl jwt::Verifier for AcceptAll {
            type Error = ();
            async fn verify(
                &self,
                _: &jwt::SignedParts<'_>,
            ) -> Result<Result<(), jwt::Rejection>, ()> {
                Ok(Ok(()))
            }
        }
        let mut members = members.clone();
        members["exp"] = 2.into();
        let part = |text: &str| base64::Engine::encode(&URL_SAFE_NO_PAD, text);
        let token = format!("{}.{}.YQ", part(r#"{"alg":"RS256"}"#), part(&members.to_string()));
        let validation = jwt::Validation::new(None, None);
        let token = jwt::UnverifiedToken::parse(&token).unwrap();
        let candidate = token.screen(&validation, jwt::UnixTime::from_seconds(1)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(candidate.confirm(&AcceptAll)).unwrap().unwrap()
    }

    fn when(text: &str) -> Expression {
        Expression::new(text.to_owned()).unwrap()
    }

    #[test]
    fn expression_beyond_the_budget_is_false() {
        let list = |count: usize| claims(&json!({"a": vec![1; count], "s": "x"}));
        let (short, long) = (list(32), list(500));
        // Each has its own text, so no result is reused.
        let loops: Vec<Expression> =
            (0..30).map(|at| when(&format!("claims.a.all(x, x != {})", at + 2))).collect();
        let open = |claims: &Claims| {
            let context = EvaluationContext::new(claims);
            let open = loops.iter().filter(|expression| expression.is_true(&context)).count();
            (open, context.is_over_budget())
        };
        assert_eq!(open(&short), (30, false));
        let (within_budget, is_over_budget) = open(&long);
        assert!((1..10).contains(&within_budget) && is_over_budget, "{within_budget}");
        let (cheap, negated) =
            (when("1 in claims.a && claims.s == 'x'"), when("!claims.a.all(x, x in claims.a)"));
        let context = EvaluationContext::new(&long);
        assert!(loops.iter().any(|expression| !expression.is_true(&context)));
        // An expression within the remaining budget is still evaluated.
        assert!(cheap.is_true(&context));
        // An expression that is not evaluated is false, also if it starts with a negation.
        assert!(!negated.is_true(&context));
    }

    #[test]
    fn expression_with_the_same_text_is_evaluated_once() {
        let claims = claims(&json!({"a": vec![1; 100]}));
        let (one, same) = (when("claims.a.all(x, x == 1)"), when("claims.a.all(x, x == 1)"));
        let context = EvaluationContext::new(&claims);
        assert!(one.is_true(&context));
        let remaining = context.remaining_budget.get();
        assert!(remaining < BUDGET);
        assert!(same.is_true(&context));
        assert_eq!(context.remaining_budget.get(), remaining);
    }

    #[test]
    fn size_of_a_claim_counts_its_values_and_text() {
        let claims = claims(&json!({"a": [1, "ab", {"k": [null]}], "b": vec![1; 9], "c": "abc"}));
        let context = EvaluationContext::new(&claims);
        for (name, values, text) in [("a", 7, 3), ("b", 10, 0), ("c", 1, 3), ("d", 0, 0)] {
            assert_eq!(context.variables().claim(name), Size { values, text }, "{name}");
        }
        assert_eq!(context.variables().all(), Size { values: 23, text: 12 });
    }

    #[test]
    fn cost_depends_only_on_the_claims_that_are_read() {
        let claims = claims(&json!({"a": [1, 2], "large": vec![1; 900], "n": "a"}));
        let context = EvaluationContext::new(&claims);
        let cost = |text: &str| cost(&parse(text).unwrap(), context.variables());
        let (small, large) = (cost("claims.a.all(x, x == 1)"), cost("claims.large.all(x, x == 1)"));
        assert!(small * 100 < large, "{small} {large}");
        let (one, other) = (cost("claims['a'].all(x, x == 1)"), cost("claims.all(x, x == '')"));
        assert!(one < 2 * small && large < 2 * other, "{one} {other}");
    }
}
