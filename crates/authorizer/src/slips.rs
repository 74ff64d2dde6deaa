use std::collections::HashSet;

use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr, LiteralValue},
};

use crate::{ConditionError, condition::regex};

/// What an expression speaks of and nobody knows: a slip of the pen, which would otherwise be found
/// when a request comes.
#[derive(Default)]
pub(crate) struct Slips {
    variable: Option<String>,
    function: Option<String>,
    regex: Option<String>,
    nested: bool,
    deep: bool,
    depth: usize,
}

impl Slips {
    /// The first that matters.
    pub(crate) fn first(self) -> Option<ConditionError> {
        let variable = self.variable.map(ConditionError::Variable);
        let function = self.function.map(ConditionError::Function);
        let regex = self.regex.map(ConditionError::Regex);
        self.deep
            .then_some(ConditionError::TooDeep)
            .or(variable)
            .or(function)
            .or(regex)
            .or(self.nested.then_some(ConditionError::Nested))
    }

    /// Looks at an expression in which these names are bound.
    pub(crate) fn read<'a>(&mut self, expression: &'a IdedExpr, bound: &HashSet<&'a str>) {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.deep = true;
        } else {
            self.look(expression, bound);
        }
        self.depth -= 1;
    }

    fn look<'a>(&mut self, expression: &'a IdedExpr, bound: &HashSet<&'a str>) {
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
                if call.func_name == "matches"
                    && let Some(Expr::Literal(LiteralValue::String(pattern))) =
                        call.args.last().map(|pattern| &pattern.expr)
                    && regex(pattern.inner()).is_err()
                {
                    self.regex.get_or_insert_with(|| pattern.inner().to_owned());
                }
                call.target.iter().for_each(|target| self.read(target, bound));
                call.args.iter().for_each(|argument| self.read(argument, bound));
            }
            Expr::Comprehension(loops) => {
                self.nested |= !bound.is_empty();
                self.read(&loops.iter_range, bound);
                self.read(&loops.accu_init, bound);
                let mut inner = bound.clone();
                inner.extend([&*loops.iter_var, &*loops.accu_var]);
                inner.extend(loops.iter_var2.as_deref());
                for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
                    self.read(part, &inner);
                }
            }
            Expr::List(list) => list.elements.iter().for_each(|item| self.read(item, bound)),
            Expr::Map(map) => self.entries(map.entries.iter().map(|entry| &entry.expr), bound),
            Expr::Struct(of) => self.entries(of.entries.iter().map(|entry| &entry.expr), bound),
            Expr::Select(select) => self.read(&select.operand, bound),
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
                EntryExpr::StructField(field) => self.read(&field.value, bound),
                EntryExpr::MapEntry(entry) => {
                    self.read(&entry.key, bound);
                    self.read(&entry.value, bound);
                }
            }
        }
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
