//! The uses of items of other modules, with their places.

use std::collections::BTreeMap;

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::{
    Attribute, Block, Expr, ExprCall, ExprPath, ImplItem, Item, ItemMod, ItemUse, Macro, Path,
    Stmt, TraitItem,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{
    modules::{self, Crate, Id, Import, Segments},
    resolve::written,
};

/// The modules with separate files that depend on each other: from, to, and the reference.
pub(super) type References = BTreeMap<(Id, Id), Reference>;

/// The first place where one module uses another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) line: usize,
    /// The declaration or the path, as it is written.
    pub(super) text: String,
}

/// Every use of another module's items.
pub(super) fn references(whole: &Crate) -> References {
    let mut found = References::new();
    for (id, module) in whole.modules.iter().enumerate() {
        let mut visitor = Visitor { whole, module: id, of_file: module.of_file, found: &mut found };
        // Imports first: they are the clearest reference.
        let (imports, others): (Vec<_>, Vec<_>) =
            module.items.iter().partition(|item| matches!(item, Item::Use(_)));
        imports.into_iter().chain(others).for_each(|item| visitor.visit_item(item));
    }
    found
}

struct Visitor<'a> {
    whole: &'a Crate,
    module: Id,
    of_file: Id,
    found: &'a mut References,
}

impl Visitor<'_> {
    fn path(&mut self, path: &Segments, line: usize, text: &str) {
        for defined_in in self.whole.resolve(self.module, path).defined_in {
            self.reference(defined_in, line, text);
        }
    }

    fn reference(&mut self, defined_in: Id, line: usize, text: &str) {
        let Some(target) = self.whole.modules.get(defined_in) else { return };
        if target.of_file != self.of_file {
            let reference = Reference { line, text: text.to_owned() };
            self.found.entry((self.of_file, target.of_file)).or_insert(reference);
        }
    }

    /// Finds the paths of at least so many segments in what only a macro can parse.
    fn tokens(&mut self, tokens: TokenStream, shortest: usize) {
        let mut segments = Segments::new();
        let mut line = 0;
        let mut separator = 0;
        let mut is_member = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if segments.is_empty() || separator == 2 => {
                    if segments.is_empty() {
                        line = modules::line(name.span());
                    }
                    segments.push(name.to_string());
                    separator = 0;
                }
                TokenTree::Punct(mark)
                    if mark.as_char() == ':'
                        && !segments.is_empty()
                        && (separator == 0 && mark.spacing() == Spacing::Joint
                            || separator == 1) =>
                {
                    separator += 1;
                }
                token => {
                    self.finish(&mut segments, line, shortest, is_member);
                    separator = 0;
                    is_member = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '.');
                    match token {
                        TokenTree::Group(group) => self.tokens(group.stream(), shortest),
                        TokenTree::Ident(name) => {
                            line = modules::line(name.span());
                            segments.push(name.to_string());
                        }
                        _ => {}
                    }
                }
            }
        }
        self.finish(&mut segments, line, shortest, is_member);
    }

    fn finish(&mut self, segments: &mut Segments, line: usize, shortest: usize, is_member: bool) {
        let path = std::mem::take(segments);
        if path.len() >= shortest && !is_member {
            self.path(&path, line, &written(&path));
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !modules::is_test(modules::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => item.attrs.as_slice(),
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !modules::is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes = match item {
            TraitItem::Const(item) => item.attrs.as_slice(),
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !modules::is_test(attributes) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        // Imports first here too.
        let is_import = |statement: &&Stmt| matches!(statement, Stmt::Item(Item::Use(_)));
        let (imports, others): (Vec<_>, Vec<_>) = block.stmts.iter().partition(is_import);
        imports.into_iter().chain(others).for_each(|statement| self.visit_stmt(statement));
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for Import { path, is_glob, line, .. } in modules::imports(item) {
            let declaration = if modules::is_re_export(item) { "pub use" } else { "use" };
            let all = if is_glob { "::*" } else { "" };
            let text = format!("{declaration} {}{all}", written(&path));
            for defined_in in self.whole.resolve(self.module, &path).defined_in {
                // A module that only passes on what its children define does not depend on them.
                let passes_on =
                    modules::is_re_export(item) && self.whole.is_below(defined_in, self.module);
                if !passes_on {
                    self.reference(defined_in, line, &text);
                }
            }
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            let segments: Segments =
                path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.path(&segments, modules::line(path.span()), &written(&segments));
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_path(&mut self, expression: &'ast ExprPath) {
        // A single word in small letters is a local variable, unless it is called.
        let word = expression.path.get_ident().map(ToString::to_string);
        if word.is_none_or(|word| word.starts_with(|first: char| first.is_uppercase())) {
            visit::visit_expr_path(self, expression);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func {
            self.visit_path(&function.path);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone(), 1);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // Documentation is not a list.
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone(), 2);
        }
    }
}
