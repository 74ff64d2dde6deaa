use std::collections::HashSet;

use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr, operators},
};

use super::{
    ExpressionError,
    cost::{is_text, literal_pattern},
    regex,
};

/// Finds what would fail or cost too much when a request comes: unknown variables and functions, invalid
/// regular expressions, nested loops.
#[derive(Default)]
pub(crate) struct ExpressionChecker {
    variable: Option<String>,
    function: Option<String>,
    pattern: Option<ExpressionError>,
    in_loop: Option<ExpressionError>,
    deep: bool,
    depth: usize,
}

impl ExpressionChecker {
    /// The most important error, if there is one.
    pub(crate) fn into_error(self) -> Option<ExpressionError> {
        let variable = self.variable.map(ExpressionError::Variable);
        let function = self.function.map(ExpressionError::Function);
        self.deep
            .then_some(ExpressionError::TooDeep)
            .or(variable)
            .or(function)
            .or(self.pattern)
            .or(self.in_loop)
    }

    /// Checks an expression in which these names are bound.
    pub(crate) fn visit<'a>(&mut self, expression: &'a IdedExpr, bound: &HashSet<&'a str>) {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.deep = true;
        } else {
            self.visit_inner(expression, bound);
        }
        self.depth -= 1;
    }

    fn visit_inner<'a>(&mut self, expression: &'a IdedExpr, bound: &HashSet<&'a str>) {
        match &expression.expr {
            Expr::Ident(name) => {
                let known = name == "claims" || TYPES.contains(&&**name);
                if !known && !bound.contains(&**name) {
                    self.variable.get_or_insert_with(|| name.clone());
                }
            }
            Expr::Call(call) => {
                // An operator's name has something else in it: `_&&_`.
                let operator = !call.func_name.chars().all(|c| c.is_alphanumeric() || c == '_');
                if !operator && !FUNCTIONS.contains(&&*call.func_name) {
                    self.function.get_or_insert_with(|| call.func_name.clone());
                }
                if call.func_name == "matches" {
                    let error = match literal_pattern(call) {
                        None => Some(ExpressionError::ComputedPattern),
                        Some(pattern) => regex::compile(pattern)
                            .is_err()
                            .then(|| ExpressionError::Regex(pattern.to_owned())),
                    };
                    self.pattern = self.pattern.take().or(error);
                }
                call.target.iter().for_each(|target| self.visit(target, bound));
                call.args.iter().for_each(|argument| self.visit(argument, bound));
            }
            Expr::Comprehension(loops) => {
                if !bound.is_empty() {
                    self.in_loop.get_or_insert(ExpressionError::Nested);
                }
                self.visit(&loops.iter_range, bound);
                self.visit(&loops.accu_init, bound);
                let mut inner = bound.clone();
                inner.extend([&*loops.iter_var, &*loops.accu_var]);
                inner.extend(loops.iter_var2.as_deref());
                let mapped = mapped_element(&loops.loop_step, &loops.accu_var);
                if mapped.is_some_and(|element| is_list(element, &inner)) {
                    self.in_loop.get_or_insert(ExpressionError::ListInMap);
                }
                for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
                    self.visit(part, &inner);
                }
            }
            Expr::List(list) => list.elements.iter().for_each(|item| self.visit(item, bound)),
            Expr::Map(map) => self.entries(map.entries.iter().map(|entry| &entry.expr), bound),
            Expr::Struct(of) => self.entries(of.entries.iter().map(|entry| &entry.expr), bound),
            Expr::Select(select) => self.visit(&select.operand, bound),
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entries<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a EntryExpr>,
        bound: &HashSet<&'a str>,
    ) {
        for entry in entries {
            match entry {
                EntryExpr::StructField(field) => self.visit(&field.value, bound),
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, bound);
                    self.visit(&entry.value, bound);
                }
            }
        }
    }
}

/// What `map` and `filter` append to their result for each element.
fn mapped_element<'a>(step: &'a IdedExpr, accumulator: &str) -> Option<&'a IdedExpr> {
    let Expr::Call(call) = &step.expr else { return None };
    match (&*call.func_name, call.args.as_slice()) {
        (operators::CONDITIONAL, [_, step, _]) => mapped_element(step, accumulator),
        (operators::ADD, [so_far, IdedExpr { expr: Expr::List(list), .. }]) => {
            let appends = matches!(&so_far.expr, Expr::Ident(name) if name == accumulator);
            list.elements.first().filter(|_| appends)
        }
        _ => None,
    }
}

/// Whether this is a list or a map, or a claim that can be one: not of the element, but whole.
fn is_list(expression: &IdedExpr, bound: &HashSet<&str>) -> bool {
    match &expression.expr {
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Comprehension(_) => true,
        Expr::Ident(name) => name == "claims" && !bound.contains("claims"),
        Expr::Select(select) => !select.test && is_list(&select.operand, bound),
        Expr::Call(call) => {
            let indexes = [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT];
            let parts = match &*call.func_name {
                operators::CONDITIONAL => call.args.get(1..),
                operators::ADD if call.args.iter().any(is_text) => None,
                operators::ADD | "dyn" => Some(&*call.args),
                name if indexes.contains(&name) => call.args.get(..1),
                _ => None,
            };
            parts.unwrap_or_default().iter().any(|part| is_list(part, bound))
        }
        Expr::Literal(_) | Expr::Unspecified => false,
    }
}

/// Each level takes its part of the stack when the expression is evaluated.
const MAX_DEPTH: usize = 48;
const TYPES: [&str; 9] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"];
const FUNCTIONS: [&str; 13] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];
