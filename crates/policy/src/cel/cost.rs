//! An upper bound for the cost of an expression, in instructions, from its text and the sizes of the claims that it
//! reads. `cargo xtask bench instructions` compares the bound with the instructions that are spent.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators},
};

use super::regex;

/// The size of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// The value itself with all elements and members in it.
    pub(crate) values: u64,
    /// The bytes of text in all of them.
    pub(crate) text: u64,
}

impl Size {
    const ONE: Self = Self { values: 1, text: 0 };

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            values: self.values.saturating_add(other.values),
            text: self.text.saturating_add(other.text),
        }
    }

    fn times(self, count: u64) -> Self {
        Self { values: self.values.saturating_mul(count), text: self.text.saturating_mul(count) }
    }

    pub(crate) fn larger(self, other: Self) -> Self {
        Self { values: self.values.max(other.values), text: self.text.max(other.text) }
    }

    fn cost(self, per_value: u64, per_byte: u64) -> u64 {
        let text = self.text.saturating_mul(per_byte);
        self.values.saturating_mul(per_value).saturating_add(text)
    }

    fn copy_cost(self) -> u64 {
        self.cost(COPY, TEXT)
    }
}

/// The sizes of the claims that an expression can read.
pub(crate) trait ClaimSizes {
    /// The size of the claim with this name.
    fn claim(&self, name: &str) -> Size;
    /// The size of all claims together.
    fn all(&self) -> Size;
}

/// The maximum cost of an expression with claims of these sizes, in instructions.
pub(crate) fn cost(expression: &IdedExpr, sizes: &dyn ClaimSizes) -> u64 {
    Estimator { sizes, bound: Vec::new() }.estimate(expression).cost
}

/// The cost of an expression, and the size of its value.
#[derive(Clone, Copy)]
struct Estimate {
    cost: u64,
    size: Size,
}

impl Estimate {
    fn new(cost: u64, size: Size) -> Self {
        Self { cost, size }
    }
}

struct Estimator<'a> {
    sizes: &'a dyn ClaimSizes,
    /// The variables of the loops around the expression, with the sizes of their values.
    bound: Vec<(&'a str, Size)>,
}

impl<'a> Estimator<'a> {
    fn estimate(&mut self, expression: &'a IdedExpr) -> Estimate {
        match &expression.expr {
            Expr::Literal(literal) => Estimate::new(LITERAL, literal_size(literal)),
            Expr::Ident(name) => {
                let size = self.bound_size(name).unwrap_or_else(|| self.sizes.all());
                Estimate::new(NODE, size)
            }
            Expr::Select(select) if self.is_claims(&select.operand) => {
                let size = if select.test { Size::ONE } else { self.sizes.claim(&select.field) };
                Estimate::new(NODE + SELECT, size)
            }
            Expr::Select(select) => {
                let operand = self.estimate(&select.operand);
                let size = if select.test { Size::ONE } else { operand.size };
                Estimate::new(operand.cost.saturating_add(SELECT), size)
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => self.collection(list.elements.iter()),
            Expr::Map(map) => {
                let entries = map.entries.iter().map(|entry| &entry.expr);
                self.collection(entries.flat_map(entry_parts))
            }
            Expr::Struct(structure) => {
                let entries = structure.entries.iter().map(|entry| &entry.expr);
                self.collection(entries.flat_map(entry_parts))
            }
            Expr::Unspecified => Estimate::new(NODE, Size::ONE),
        }
    }

    fn bound_size(&self, name: &str) -> Option<Size> {
        let bound = self.bound.iter().rev().find(|(bound, _)| *bound == name);
        bound.map(|(_, size)| *size)
    }

    fn is_claims(&self, expression: &IdedExpr) -> bool {
        is_claims(expression) && self.bound_size(CLAIMS).is_none()
    }

    /// A list or a map. It has copies of its parts.
    fn collection(&mut self, parts: impl Iterator<Item = &'a IdedExpr>) -> Estimate {
        let (mut cost, mut size) = (FUNCTION, Size::ONE);
        for part in parts {
            let part = self.estimate(part);
            cost = cost.saturating_add(part.cost).saturating_add(part.size.copy_cost());
            size = size.plus(part.size);
        }
        Estimate::new(cost, size)
    }

    fn call(&mut self, call: &'a CallExpr) -> Estimate {
        // The names of operators have other characters: `_&&_`.
        let is_function = call.func_name.starts_with(char::is_alphabetic);
        let mut cost = if is_function { FUNCTION } else { OPERATOR };
        let mut sizes = Vec::with_capacity(3);
        for part in call.target.as_deref().into_iter().chain(&call.args) {
            let part = self.estimate(part);
            cost = cost.saturating_add(part.cost);
            sizes.push(part.size);
        }
        let all = sizes.iter().fold(Size::default(), |all, size| all.plus(*size));
        let argument = sizes.first().copied().unwrap_or_default();
        let first = match indexed_claim(call) {
            Some(name) if self.bound_size(CLAIMS).is_none() => self.sizes.claim(name),
            _ => argument,
        };
        let text = Size { values: 1, text: all.text };
        let (own_cost, size) = match &*call.func_name {
            operators::CONDITIONAL => {
                let branches = sizes.iter().skip(1);
                (0, branches.fold(Size::ONE, |largest, size| largest.larger(*size)))
            }
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                (0, Size::ONE)
            }
            operators::NOT_STRICTLY_FALSE | "type" => (0, Size::ONE),
            "size" | "startsWith" | "endsWith" => (all.cost(0, COUNT), Size::ONE),
            // The comparison of a number with another type is an error with a copy of the value.
            operators::EQUALS | operators::NOT_EQUALS => (all.copy_cost(), Size::ONE),
            operators::IN => {
                let list = sizes.get(1).copied().unwrap_or_default();
                let each = COMPARE.saturating_add(first.copy_cost());
                (list.values.saturating_mul(each).saturating_add(list.copy_cost()), Size::ONE)
            }
            "contains" => (all.cost(0, SEARCH), Size::ONE),
            "matches" => (Self::matches_cost(call, all), Size::ONE),
            // A fraction as the index is an error with a copy of the list.
            operators::INDEX => match call.args.get(1).map(|index| &index.expr) {
                Some(Expr::Literal(LiteralValue::String(_) | LiteralValue::Int(_))) => (0, first),
                _ => (all.copy_cost(), first),
            },
            operators::ADD if call.args.iter().any(is_text) => (all.copy_cost(), text),
            operators::ADD => (all.copy_cost(), all),
            operators::OPT_INDEX | operators::OPT_SELECT => (all.copy_cost(), first),
            "bool" | "double" | "int" | "uint" => (all.cost(COPY, PARSE), Size::ONE),
            "string" => {
                (all.cost(COPY, PARSE), Size { text: text.text.max(LONGEST_NUMBER), ..text })
            }
            "dyn" => (0, first),
            // The errors of the other functions have copies of their arguments.
            _ => (all.copy_cost(), text),
        };
        Estimate::new(cost.saturating_add(own_cost), size)
    }

    fn matches_cost(call: &CallExpr, all: Size) -> u64 {
        literal_pattern(call).and_then(regex::cost).map_or(u64::MAX, |cost| {
            cost.fixed.saturating_add(all.text.saturating_mul(cost.per_byte))
        })
    }

    /// A loop over a list. How the values of the list are distributed over its elements is not known. No part of the
    /// cost of a round grows faster than the square of the size of the element. So the cost is at most that of rounds
    /// over elements of one value each, plus that of one round over an element with all values.
    fn comprehension(&mut self, comprehension: &'a ComprehensionExpr) -> Estimate {
        let range = self.estimate(&comprehension.iter_range);
        let start = self.estimate(&comprehension.accu_init);
        let rounds = range.size.values.max(1);
        let smallest = Size { values: 1, text: range.size.text.div_ceil(rounds) };
        let round = self.round(comprehension, smallest);
        let largest = self.round(comprehension, range.size);
        let costs = [FUNCTION, range.cost, start.cost, largest.cost];
        let once = costs.into_iter().fold(0, u64::saturating_add);
        let size = if returns_list(comprehension) {
            // Each round appends a list of one element. That list itself is not part of the result.
            let appended = Size { values: round.size.values.saturating_sub(1), ..round.size };
            appended.times(rounds).plus(Size::ONE)
        } else {
            Size::ONE
        };
        Estimate::new(round.cost.saturating_mul(rounds).saturating_add(once), size)
    }

    /// One round of a loop over an element of this size.
    fn round(&mut self, comprehension: &'a ComprehensionExpr, element: Size) -> Estimate {
        // `map` and `filter` do not copy their result again for each element.
        let returns_list = returns_list(comprehension);
        let result_size = if returns_list { Size::default() } else { Size::ONE };
        self.bound.push((&comprehension.accu_var, result_size));
        self.bound.push((&comprehension.iter_var, element));
        let condition = self.estimate(&comprehension.loop_cond);
        let step = self.estimate(&comprehension.loop_step);
        let result = self.estimate(&comprehension.result);
        self.bound.truncate(self.bound.len().saturating_sub(2));
        let appended = if returns_list { step.size.copy_cost() } else { 0 };
        let costs = [LOOP, element.copy_cost(), condition.cost, step.cost, appended, result.cost];
        Estimate::new(costs.into_iter().fold(0, u64::saturating_add), step.size)
    }
}

/// The variable with the claims of the token, a map.
pub(crate) const CLAIMS: &str = "claims";

/// Whether this is the variable `claims`.
pub(crate) fn is_claims(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name == CLAIMS)
}

/// The claim that `claims['name']`, `claims[?'name']` or `claims.?name` reads.
pub(crate) fn indexed_claim(call: &CallExpr) -> Option<&str> {
    let indexes = [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT];
    match call.args.as_slice() {
        [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }]
            if is_claims(operand) && indexes.contains(&&*call.func_name) =>
        {
            Some(name.inner())
        }
        _ => None,
    }
}

/// Whether `+` with this operand can only join text or add numbers, and not join lists.
pub(crate) fn is_text(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Literal(_) => true,
        Expr::Call(call) if call.func_name == operators::ADD => call.args.iter().any(is_text),
        Expr::Call(call) => call.func_name == "string",
        _ => false,
    }
}

/// The pattern of a call of `matches`, if it is a string literal.
pub(crate) fn literal_pattern(call: &CallExpr) -> Option<&str> {
    match call.args.last().map(|pattern| &pattern.expr) {
        Some(Expr::Literal(LiteralValue::String(pattern))) => Some(pattern.inner()),
        _ => None,
    }
}

/// Whether the result of the loop is a list: `map` and `filter`.
fn returns_list(comprehension: &ComprehensionExpr) -> bool {
    matches!(comprehension.accu_init.expr, Expr::List(_))
}

fn literal_size(literal: &LiteralValue) -> Size {
    let text = match literal {
        LiteralValue::String(text) => text.inner().len(),
        LiteralValue::Bytes(bytes) => bytes.inner().len(),
        _ => 0,
    };
    Size { values: 1, text: u64::try_from(text).unwrap_or(u64::MAX) }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The most digits of a number as text.
const LONGEST_NUMBER: u64 = 350;

// Costs in instructions of the deployed function, rounded up. `cargo xtask bench instructions` checks the sums.

/// A literal.
const LITERAL: u64 = 100;
/// Any other leaf of the expression.
const NODE: u64 = 500;
/// The selection of a member.
const SELECT: u64 = 3000;
/// An operator.
const OPERATOR: u64 = 1000;
/// A function, a macro, a list or a map.
const FUNCTION: u64 = 2200;
/// A round of a loop.
const LOOP: u64 = 800;
/// The copy of a value.
const COPY: u64 = 1200;
/// The comparison of an element in `in`.
const COMPARE: u64 = 700;
/// A byte of text that is copied.
const TEXT: u64 = 1;
/// A byte of text in `size`, `startsWith` and `endsWith`.
const COUNT: u64 = 4;
/// A byte of text that is converted from or to a number.
const PARSE: u64 = 40;
/// A byte of text in `contains`.
const SEARCH: u64 = 40;
