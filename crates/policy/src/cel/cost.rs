//! What an expression costs at most: an estimate in instructions, from its text and the size of the
//! claims that it reads. `cargo xtask bench instructions` compares the estimates' bound with what is
//! spent.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators},
};

use super::regex;

/// How much a value has in it: itself and all elements and members, and the bytes of their text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) values: u64,
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

    fn at(self, per_value: u64, per_byte: u64) -> u64 {
        let text = self.text.saturating_mul(per_byte);
        self.values.saturating_mul(per_value).saturating_add(text)
    }

    fn copied(self) -> u64 {
        self.at(COPY, TEXT)
    }
}

/// How large the claims are that an expression reads.
pub(crate) trait Sizes {
    /// The claim of this name.
    fn claim(&self, name: &str) -> Size;
    /// All claims together.
    fn all(&self) -> Size;
}

/// What evaluating an expression costs at most with claims of these sizes, in instructions.
pub(crate) fn cost(expression: &IdedExpr, sizes: &dyn Sizes) -> u64 {
    Estimator { sizes, bound: Vec::new() }.expression(expression).cost
}

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
    sizes: &'a dyn Sizes,
    /// The variables of loops.
    bound: Vec<(&'a str, Size)>,
}

impl<'a> Estimator<'a> {
    fn expression(&mut self, expression: &'a IdedExpr) -> Estimate {
        match &expression.expr {
            Expr::Literal(literal) => Estimate::new(LITERAL, literal_size(literal)),
            Expr::Ident(name) => {
                let size = self.bound(name).unwrap_or_else(|| self.sizes.all());
                Estimate::new(NODE, size)
            }
            Expr::Select(select) if self.is_claims(&select.operand) => {
                let size = if select.test { Size::ONE } else { self.sizes.claim(&select.field) };
                Estimate::new(NODE + SELECT, size)
            }
            Expr::Select(select) => {
                let operand = self.expression(&select.operand);
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

    fn bound(&self, name: &str) -> Option<Size> {
        let bound = self.bound.iter().rev().find(|(bound, _)| *bound == name);
        bound.map(|(_, size)| *size)
    }

    fn is_claims(&self, expression: &IdedExpr) -> bool {
        is_claims(expression) && self.bound("claims").is_none()
    }

    /// A list or a map: it has copies in it.
    fn collection(&mut self, parts: impl Iterator<Item = &'a IdedExpr>) -> Estimate {
        let (mut cost, mut size) = (FUNCTION, Size::ONE);
        for part in parts {
            let part = self.expression(part);
            cost = cost.saturating_add(part.cost).saturating_add(part.size.copied());
            size = size.plus(part.size);
        }
        Estimate::new(cost, size)
    }

    fn call(&mut self, call: &'a CallExpr) -> Estimate {
        // An operator's name has something else in it: `_&&_`.
        let is_function = call.func_name.starts_with(char::is_alphabetic);
        let mut cost = if is_function { FUNCTION } else { OPERATOR };
        let mut sizes = Vec::with_capacity(3);
        for part in call.target.as_deref().into_iter().chain(&call.args) {
            let part = self.expression(part);
            cost = cost.saturating_add(part.cost);
            sizes.push(part.size);
        }
        let all = sizes.iter().fold(Size::default(), |all, size| all.plus(*size));
        let whole = sizes.first().copied().unwrap_or_default();
        let first = match indexed_claim(call) {
            Some(name) if self.bound("claims").is_none() => self.sizes.claim(name),
            _ => whole,
        };
        let text = Size { values: 1, text: all.text };
        let (more, size) = match &*call.func_name {
            operators::CONDITIONAL => {
                let branches = sizes.iter().skip(1);
                (0, branches.fold(Size::ONE, |largest, size| largest.larger(*size)))
            }
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                (0, Size::ONE)
            }
            operators::NOT_STRICTLY_FALSE | "type" => (0, Size::ONE),
            "size" | "startsWith" | "endsWith" => (all.at(0, COUNT), Size::ONE),
            // A number that is compared with another type makes an error, which has a copy in it.
            operators::EQUALS | operators::NOT_EQUALS => (all.copied(), Size::ONE),
            operators::IN => {
                let list = sizes.get(1).copied().unwrap_or_default();
                let each = COMPARE.saturating_add(first.copied());
                (list.values.saturating_mul(each).saturating_add(list.copied()), Size::ONE)
            }
            "contains" => (all.at(0, SEARCH), Size::ONE),
            "matches" => (Self::matched(call, all), Size::ONE),
            // The error about a fraction has a copy of the list in it.
            operators::INDEX => match call.args.get(1).map(|index| &index.expr) {
                Some(Expr::Literal(LiteralValue::String(_) | LiteralValue::Int(_))) => (0, first),
                _ => (all.copied(), first),
            },
            operators::ADD if call.args.iter().any(is_text) => (all.copied(), text),
            operators::ADD => (all.copied(), all),
            operators::OPT_INDEX | operators::OPT_SELECT => (all.copied(), first),
            "bool" | "double" | "int" | "uint" => (all.at(COPY, PARSE), Size::ONE),
            "string" => (all.at(COPY, PARSE), Size { text: text.text.max(LONGEST_NUMBER), ..text }),
            "dyn" => (0, first),
            // The errors of the others have copies in them.
            _ => (all.copied(), text),
        };
        Estimate::new(cost.saturating_add(more), size)
    }

    fn matched(call: &CallExpr, all: Size) -> u64 {
        literal_pattern(call).and_then(regex::cost).map_or(u64::MAX, |cost| {
            cost.fixed.saturating_add(all.text.saturating_mul(cost.per_byte))
        })
    }

    /// No part of a body's cost grows faster than the square of the element's size. So a list costs
    /// at most what it costs with one value in each element, and what one element costs that has all
    /// values in it.
    fn comprehension(&mut self, comprehension: &'a ComprehensionExpr) -> Estimate {
        let range = self.expression(&comprehension.iter_range);
        let start = self.expression(&comprehension.accu_init);
        let rounds = range.size.values.max(1);
        let smallest = Size { values: 1, text: range.size.text.div_ceil(rounds) };
        let round = self.round(comprehension, smallest);
        let largest = self.round(comprehension, range.size);
        let costs = [FUNCTION, range.cost, start.cost, largest.cost];
        let once = costs.into_iter().fold(0, u64::saturating_add);
        let size = if is_list(comprehension) {
            // Without the list around the element that is appended.
            let appended = Size { values: round.size.values.saturating_sub(1), ..round.size };
            appended.times(rounds).plus(Size::ONE)
        } else {
            Size::ONE
        };
        Estimate::new(round.cost.saturating_mul(rounds).saturating_add(once), size)
    }

    /// One round of a loop, for an element of this size.
    fn round(&mut self, comprehension: &'a ComprehensionExpr, element: Size) -> Estimate {
        // What `map` and `filter` have appended so far is not copied again for each element.
        let is_list = is_list(comprehension);
        let so_far = if is_list { Size::default() } else { Size::ONE };
        self.bound.push((&comprehension.accu_var, so_far));
        self.bound.push((&comprehension.iter_var, element));
        let condition = self.expression(&comprehension.loop_cond);
        let step = self.expression(&comprehension.loop_step);
        let result = self.expression(&comprehension.result);
        self.bound.truncate(self.bound.len().saturating_sub(2));
        let appended = if is_list { step.size.copied() } else { 0 };
        let costs = [LOOP, element.copied(), condition.cost, step.cost, appended, result.cost];
        Estimate::new(costs.into_iter().fold(0, u64::saturating_add), step.size)
    }
}

/// Whether the loop is one of `map` or `filter`.
fn is_list(comprehension: &ComprehensionExpr) -> bool {
    matches!(comprehension.accu_init.expr, Expr::List(_))
}

pub(crate) fn is_claims(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name == "claims")
}

/// The claim that `claims['name']`, `claims[?'name']` or `claims.?name` reads.
pub(crate) fn indexed_claim(call: &CallExpr) -> Option<&str> {
    let indexes = [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT];
    match call.args.as_slice() {
        [of, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }]
            if is_claims(of) && indexes.contains(&&*call.func_name) =>
        {
            Some(name.inner())
        }
        _ => None,
    }
}

/// Whether only text can be added to it.
pub(crate) fn is_text(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Literal(_) => true,
        Expr::Call(call) if call.func_name == operators::ADD => call.args.iter().any(is_text),
        Expr::Call(call) => call.func_name == "string",
        _ => false,
    }
}

/// The pattern that `matches` is called with, if it is written there.
pub(crate) fn literal_pattern(call: &CallExpr) -> Option<&str> {
    match call.args.last().map(|pattern| &pattern.expr) {
        Some(Expr::Literal(LiteralValue::String(pattern))) => Some(pattern.inner()),
        _ => None,
    }
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

/// No number has more digits.
const LONGEST_NUMBER: u64 = 350;

// In instructions of the deployed function, rounded up.
const LITERAL: u64 = 100;
const NODE: u64 = 500;
const SELECT: u64 = 3000;
const OPERATOR: u64 = 1000;
const FUNCTION: u64 = 2200;
const LOOP: u64 = 800;
const COPY: u64 = 1200;
const COMPARE: u64 = 700;
const TEXT: u64 = 1;
const COUNT: u64 = 4;
const PARSE: u64 = 40;
const SEARCH: u64 = 40;
