//! The modules of a crate: their items, imports and files.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use proc_macro2::Span;
use syn::{
    Attribute, Ident, Item, ItemMod, ItemUse, Meta, Token, UseTree, Visibility,
    punctuated::Punctuated, spanned::Spanned, visit::Visit,
};

use crate::error::Error;

/// The index of a module in [`Crate::modules`].
pub(super) type Id = usize;

/// The segments of a path.
pub(super) type Segments = Vec<String>;

/// All modules of one crate. The first is its root.
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
}

/// A module, in its own file or within the file of another.
pub(super) struct Module {
    /// Its names below the crate's root.
    pub(super) path: Segments,
    pub(super) file: PathBuf,
    pub(super) parent: Option<Id>,
    /// The module whose file this one is in: itself, if it has its own.
    pub(super) of_file: Id,
    pub(super) names: HashMap<String, Vec<Binding>>,
    /// The paths that are imported whole.
    pub(super) globs: Vec<Segments>,
    /// Everything but tests and child modules.
    pub(super) items: Vec<Item>,
}

/// The meaning of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// An item that is defined in this module.
    Item(Id),
    Module(Id),
    Import(Segments),
}

/// One path of a `use` declaration.
pub(super) struct Import {
    pub(super) path: Segments,
    /// The name that it is given; none for `*` and `_`.
    pub(super) name: Option<String>,
    pub(super) is_glob: bool,
    pub(super) line: usize,
}

impl Crate {
    /// Reads a crate from the file of its root. `read` gives the text of a file that exists.
    pub(super) fn load(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Result<Self, Error> {
        let mut loaded = Self { modules: Vec::new() };
        let text = read(root).unwrap_or_default();
        let folder = root.parent().unwrap_or(Path::new(""));
        let items = parse(root, &text)?;
        let place = Place { file: root.to_owned(), folder: folder.to_owned() };
        loaded.add(None, &[], &place, items, true, read)?;
        Ok(loaded)
    }

    fn add(
        &mut self,
        parent: Option<Id>,
        path: &[String],
        place: &Place,
        items: Vec<Item>,
        has_own_file: bool,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<Id, Error> {
        let id = self.modules.len();
        let above = parent.and_then(|parent| self.modules.get(parent));
        let of_file = above.filter(|_| !has_own_file).map_or(id, |parent| parent.of_file);
        let mut module = Module {
            path: path.to_vec(),
            file: place.file.clone(),
            parent,
            of_file,
            names: HashMap::new(),
            globs: Vec::new(),
            items: Vec::new(),
        };
        let mut children = Vec::new();
        let mut exported = Vec::new();
        for item in items.into_iter().filter(|item| !is_test(attributes(item))) {
            match item {
                Item::Mod(child) => children.push(child),
                Item::Use(item) => {
                    module.import(&item);
                    module.items.push(Item::Use(item));
                }
                item => {
                    if let Some(name) = name(&item) {
                        if exports_macro(&item) {
                            exported.push(name.to_string());
                        }
                        module.define(name.to_string(), Binding::Item(id));
                    }
                    // Imports within functions: their names are known in the whole module, which is
                    // more than the compiler knows and as much as is needed.
                    let mut local = LocalImports(&mut module);
                    local.visit_item(&item);
                    module.items.push(item);
                }
            }
        }
        self.modules.push(module);
        for child in children {
            let name = child.ident.to_string();
            let path = [path, std::slice::from_ref(&name)].concat();
            let (place, has_own_file, items) = match place.child(&child, read)? {
                (place, Some(items)) => (place, true, items),
                (place, None) => (place, false, child.content.unwrap_or_default().1),
            };
            let child = self.add(Some(id), &path, &place, items, has_own_file, read)?;
            self.define(id, name, Binding::Module(child));
        }
        for name in exported {
            self.define(0, name, Binding::Item(id));
        }
        Ok(id)
    }

    fn define(&mut self, module: Id, name: String, binding: Binding) {
        if let Some(module) = self.modules.get_mut(module) {
            module.define(name, binding);
        }
    }
}

impl Module {
    fn define(&mut self, name: String, binding: Binding) {
        let bindings = self.names.entry(name).or_default();
        if !bindings.contains(&binding) {
            bindings.push(binding);
        }
    }

    fn import(&mut self, item: &ItemUse) {
        for Import { path, name, is_glob, .. } in imports(item) {
            if is_glob {
                self.globs.push(path);
            } else if let Some(name) = name {
                self.define(name, Binding::Import(path));
            }
        }
    }
}

/// The folder in which the child modules of a module are searched.
struct Place {
    file: PathBuf,
    folder: PathBuf,
}

impl Place {
    /// The place of a child, and its items if it has its own file.
    fn child(
        &self,
        child: &ItemMod,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<(Self, Option<Vec<Item>>), Error> {
        let name = child.ident.to_string();
        let folder = self.folder.join(name.trim_start_matches("r#"));
        if child.content.is_some() {
            return Ok((Self { file: self.file.clone(), folder }, None));
        }
        let candidates = [folder.with_extension("rs"), folder.join("mod.rs")];
        let found = candidates.into_iter().find_map(|file| read(&file).map(|text| (file, text)));
        let Some((file, text)) = found else {
            let place = self.file.display();
            return Err(Error::Check(format!("{place}: module `{name}` has no file")));
        };
        let items = parse(&file, &text)?;
        Ok((Self { file, folder }, Some(items)))
    }
}

/// The line of the source file, from 1.
pub(super) fn line(span: Span) -> usize {
    span.start().line
}

/// The paths of a `use` declaration. Those that begin with `::` name other crates and are left out.
pub(super) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut all = Vec::new();
    if item.leading_colon.is_none() {
        flatten(&item.tree, &mut Vec::new(), &mut all);
    }
    all
}

/// Whether other modules see what is imported.
pub(super) fn is_re_export(item: &ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}

/// Whether an item is compiled for tests only.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<Meta>().is_ok_and(|condition| requires_test(&condition))
    })
}

/// The attributes of an item.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn parse(file: &Path, text: &str) -> Result<Vec<Item>, Error> {
    let parsed = syn::parse_file(text).map_err(|source| Error::Syntax {
        path: file.to_owned(),
        line: line(source.span()),
        source,
    })?;
    Ok(parsed.items)
}

fn flatten(tree: &UseTree, before: &mut Segments, all: &mut Vec<Import>) {
    let mut add = |path: Segments, name, is_glob| {
        all.push(Import { path, name, is_glob, line: line(tree.span()) });
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, all);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            add(before.clone(), before.last().cloned(), false);
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            add([before.as_slice(), std::slice::from_ref(&name)].concat(), Some(name), false);
        }
        UseTree::Rename(rename) => {
            let name = Some(rename.rename.to_string()).filter(|name| name != "_");
            let mut path = before.clone();
            if rename.ident != "self" {
                path.push(rename.ident.to_string());
            }
            add(path, name, false);
        }
        UseTree::Glob(_) => add(before.clone(), None, true),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before, all);
            }
        }
    }
}

fn requires_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(requires_test)),
        _ => false,
    }
}

fn exports_macro(item: &Item) -> bool {
    matches!(item, Item::Macro(_))
        && attributes(item).iter().any(|attribute| attribute.path().is_ident("macro_export"))
}

fn name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::TraitAlias(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// Collects the imports within functions.
struct LocalImports<'a>(&'a mut Module);

impl<'ast> Visit<'ast> for LocalImports<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.0.import(item);
    }
}
