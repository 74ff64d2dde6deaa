use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, IdedExpr, Program,
    common::ast::{EntryExpr, Expr},
};
use jwt::Claims;
use serde_json::Value;

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
pub(crate) struct Expression {
    text: String,
    program: Program,
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
    /// The expression is too long or too deep.
    #[error("when has at most 1024 characters, and brackets at most 16 deep")]
    TooLong,
    /// It is not one of the language.
    #[error("when is not an expression of CEL: {0}")]
    Syntax(String),
    /// There is no such variable.
    #[error("when knows no {0}; the claims are in claims, as in claims.sub")]
    Variable(String),
    /// There is no such function.
    #[error("when knows no function {0}")]
    Function(String),
}

impl Condition {
    pub(crate) fn scope(name: String) -> Result<Self, ConditionError> {
        let fits = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
        let valid = !name.is_empty() && name.chars().all(fits);
        if valid { Ok(Self::Scope(name)) } else { Err(ConditionError::Scope) }
    }

    pub(crate) fn when(text: String) -> Result<Self, ConditionError> {
        let depth = |(now, most): (i32, i32), c| {
            let now = now + i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
            (now, most.max(now))
        };
        // The parser goes as deep as it is led to.
        if text.len() > MAX_CHARS || text.chars().fold((0, 0), depth).1 > MAX_DEPTH {
            return Err(ConditionError::TooLong);
        }
        let program = ENV.compile(&text).map_err(|errors| {
            let first = errors.errors.first().map(|error| error.msg.clone());
            ConditionError::Syntax(first.unwrap_or_default())
        })?;
        let mut names = Names::default();
        names.read(program.expression(), &HashSet::new());
        match (names.variable, names.function) {
            (Some(name), _) => Err(ConditionError::Variable(name)),
            (None, Some(name)) => Err(ConditionError::Function(name)),
            (None, None) => Ok(Self::When(Expression { text, program })),
        }
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
                let result = expression.program.execute(subject.context());
                matches!(result, Ok(cel::Value::Bool(true)))
            }
        }
    }

    /// Whether both are true of the same tokens, as far as their text tells.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any) => true,
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

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
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

/// What an expression speaks of and nobody knows: a slip of the pen, which would otherwise be found
/// when a request comes.
#[derive(Default)]
struct Names {
    variable: Option<String>,
    function: Option<String>,
}

impl Names {
    fn read<'a>(&mut self, expression: &'a IdedExpr, bound: &HashSet<&'a str>) {
        match &expression.expr {
            Expr::Ident(name) => {
                let known = name == "claims" || TYPES.contains(&&**name);
                if !known && !bound.contains(&**name) {
                    self.variable.get_or_insert_with(|| name.clone());
                }
            }
            Expr::Call(call) => {
                let operator = !call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
                if !operator && !FUNCTIONS.contains(&&*call.func_name) {
                    self.function.get_or_insert_with(|| call.func_name.clone());
                }
                call.target.iter().for_each(|target| self.read(target, bound));
                call.args.iter().for_each(|argument| self.read(argument, bound));
            }
            Expr::Comprehension(loops) => {
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

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

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
const MAX_CHARS: usize = 1024;
const MAX_DEPTH: i32 = 16;
