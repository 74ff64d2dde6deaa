use std::collections::HashSet;

use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr, operators},
};

use super::{
    ExpressionError,
    cost::{CLAIMS, is_text, literal_pattern},
    evaluation::VARIABLES,
    functions::FUNCTIONS,
    limits::MAX_DEPTH,
    regex,
};

/// Finds what would fail or be slow in a request: unknown variables and functions, invalid regular expressions, nested
/// loops. It keeps the first error of each kind.
#[derive(Default)]
pub(crate) struct ExpressionChecker {
    unknown_variable: Option<String>,
    unknown_function: Option<String>,
    pattern_error: Option<ExpressionError>,
    loop_error: Option<ExpressionError>,
    is_too_deep: bool,
    depth: usize,
}

impl ExpressionChecker {
    /// The most important error. `None`: the expression is accepted.
    pub(crate) fn into_error(self) -> Option<ExpressionError> {
        let variable = self.unknown_variable.map(ExpressionError::Variable);
        let function = self.unknown_function.map(ExpressionError::Function);
        self.is_too_deep
            .then_some(ExpressionError::TooDeep)
            .or(variable)
            .or(function)
            .or(self.pattern_error)
            .or(self.loop_error)
    }

    /// Checks an expression. `bound` has the variables of the loops around it.
    pub(crate) fn visit<'a>(&mut self, expression: &'a IdedExpr, bound: &HashSet<&'a str>) {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.is_too_deep = true;
        } else {
            self.visit_parts(expression, bound);
        }
        self.depth -= 1;
    }

    fn visit_parts<'a>(&mut self, expression: &'a IdedExpr, bound: &HashSet<&'a str>) {
        match &expression.expr {
            Expr::Ident(name) => {
                let is_known = VARIABLES.contains(&&**name) || TYPES.contains(&&**name);
                if !is_known && !bound.contains(&**name) {
                    self.unknown_variable.get_or_insert_with(|| name.clone());
                }
            }
            Expr::Call(call) => {
                // The names of operators have other characters: `_&&_`.
                let is_operator = !call.func_name.chars().all(|c| c.is_alphanumeric() || c == '_');
                if !is_operator && !FUNCTIONS.contains(&&*call.func_name) {
                    self.unknown_function.get_or_insert_with(|| call.func_name.clone());
                }
                if call.func_name == "matches" {
                    let error = match literal_pattern(call) {
                        None => Some(ExpressionError::ComputedPattern),
                        Some(pattern) => regex::compile(pattern).err().map(ExpressionError::from),
                    };
                    self.pattern_error = self.pattern_error.take().or(error);
                }
                call.target.iter().for_each(|target| self.visit(target, bound));
                call.args.iter().for_each(|argument| self.visit(argument, bound));
            }
            Expr::Comprehension(comprehension) => {
                if !bound.is_empty() {
                    self.loop_error.get_or_insert(ExpressionError::Nested);
                }
                self.visit(&comprehension.iter_range, bound);
                self.visit(&comprehension.accu_init, bound);
                let mut inner = bound.clone();
                inner.extend([&*comprehension.iter_var, &*comprehension.accu_var]);
                inner.extend(comprehension.iter_var2.as_deref());
                let mapped = mapped_element(&comprehension.loop_step, &comprehension.accu_var);
                if mapped.is_some_and(|element| is_whole_collection(element, &inner)) {
                    self.loop_error.get_or_insert(ExpressionError::ListInMap);
                }
                for part in
                    [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result]
                {
                    self.visit(part, &inner);
                }
            }
            Expr::List(list) => list.elements.iter().for_each(|item| self.visit(item, bound)),
            Expr::Map(map) => {
                self.visit_entries(map.entries.iter().map(|entry| &entry.expr), bound);
            }
            Expr::Struct(structure) => {
                self.visit_entries(structure.entries.iter().map(|entry| &entry.expr), bound);
            }
            Expr::Select(select) => self.visit(&select.operand, bound),
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn visit_entries<'a>(
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

/// The value that `map` or `filter` appends to its result for an element.
fn mapped_element<'a>(step: &'a IdedExpr, accumulator: &str) -> Option<&'a IdedExpr> {
    let Expr::Call(call) = &step.expr else { return None };
    match (&*call.func_name, call.args.as_slice()) {
        (operators::CONDITIONAL, [_, step, _]) => mapped_element(step, accumulator),
        (operators::ADD, [result, IdedExpr { expr: Expr::List(list), .. }]) => {
            let appends = matches!(&result.expr, Expr::Ident(name) if name == accumulator);
            list.elements.first().filter(|_| appends)
        }
        _ => None,
    }
}

/// Whether the value can be a list or a map that does not come from the element: a literal, a loop, or a whole claim.
fn is_whole_collection(expression: &IdedExpr, bound: &HashSet<&str>) -> bool {
    match &expression.expr {
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Comprehension(_) => true,
        Expr::Ident(name) => name == CLAIMS && !bound.contains(CLAIMS),
        Expr::Select(select) => !select.test && is_whole_collection(&select.operand, bound),
        Expr::Call(call) => {
            let indexes = [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT];
            let parts = match &*call.func_name {
                operators::CONDITIONAL => call.args.get(1..),
                operators::ADD if call.args.iter().any(is_text) => None,
                operators::ADD | "dyn" => Some(&*call.args),
                name if indexes.contains(&name) => call.args.get(..1),
                _ => None,
            };
            parts.unwrap_or_default().iter().any(|part| is_whole_collection(part, bound))
        }
        Expr::Literal(_) | Expr::Unspecified => false,
    }
}

/// The names of the types of CEL, which `type(…)` is compared with.
const TYPES: [&str; 9] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"];
