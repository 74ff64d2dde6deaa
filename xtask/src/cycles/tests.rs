use std::path::Path;

use super::{Cycle, Edge, Reference, check};

struct Row {
    name: &'static str,
    /// The names of the files below `src`, and what they contain.
    files: &'static [(&'static str, &'static str)],
    /// The modules of each cycle, with what closes each edge.
    cycles: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row {
        name: "none",
        files: &[
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "pub struct B;"),
        ],
        cycles: &[],
    },
    Row {
        name: "of two",
        files: &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "use crate::a::A; pub struct B; fn f(_: A) {}"),
        ],
        cycles: &["a: use crate::b::B; b: use crate::a::A"],
    },
    Row {
        name: "of three",
        files: &[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "use crate::c::C; pub struct B(C);"),
            ("c.rs", "use crate::a; pub struct C(a::A);"),
        ],
        cycles: &["a: use crate::b::B; b: use crate::c::C; c: a::A"],
    },
    Row {
        name: "through a re-export",
        files: &[
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::{B, B as Other};"),
            ("a.rs", "use crate::Other; pub struct A(Other);"),
            ("b.rs", "pub struct B; fn f(_: crate::A) {}"),
        ],
        cycles: &["a: use crate::Other; b: crate::A"],
    },
    Row {
        name: "through a re-export of everything",
        files: &[
            ("lib.rs", "mod a; mod b; pub use a::*;"),
            ("a.rs", "use crate::b::*; pub struct A(B);"),
            ("b.rs", "pub struct B; fn f(_: crate::A) {}"),
        ],
        cycles: &["a: B; b: crate::A"],
    },
    Row {
        name: "through super",
        files: &[
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; use b::B; pub struct A(B);"),
            ("a/b.rs", "pub struct B; fn f(_: super::A) {}"),
        ],
        cycles: &["a: use b::B; a::b: super::A"],
    },
    Row {
        name: "between siblings through super",
        files: &[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; mod c;"),
            ("a/b.rs", "use super::c::C; pub struct B(C);"),
            ("a/c.rs", "use super::b; pub struct C; fn f(_: b::B) {}"),
        ],
        cycles: &["a::b: use super::c::C; a::c: b::B"],
    },
    Row {
        name: "a parent that only re-exports its child",
        files: &[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; pub use self::b::B; pub struct A;"),
            ("a/b.rs", "use super::A; pub struct B(A);"),
        ],
        cycles: &[],
    },
    Row {
        name: "a parent that uses what it re-exports",
        files: &[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; pub use self::b::B; pub struct A; fn f() -> Option<B> { None }"),
            ("a/b.rs", "use super::A; pub struct B(A);"),
        ],
        cycles: &["a: B; a::b: use super::A"],
    },
    Row {
        name: "with the root",
        files: &[
            ("lib.rs", "mod a; fn f() { a::f(); } pub(crate) struct Root;"),
            ("a.rs", "pub fn f() { let _ = crate::Root; }"),
        ],
        cycles: &["crate: a::f; a: crate::Root"],
    },
    Row {
        name: "in tests and documentation",
        files: &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            (
                "b.rs",
                "/// See [`crate::a::A`].\npub struct B;
                 #[cfg(test)] use crate::a::A;
                 impl B { #[cfg(all(test, unix))] fn f(_: crate::a::A) {} }
                 #[cfg(test)] mod tests { use crate::a::A; }
                 #[test] fn f() { let _: crate::a::A; }",
            ),
        ],
        cycles: &[],
    },
    Row {
        name: "in macros and attributes",
        files: &[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "pub fn f() { println!(\"{}\", crate::b::g()); }"),
            ("b.rs", "use crate::c::C; pub fn g() -> u8 { 0 }"),
            ("c.rs", "#[error(\"{}\", crate::a::f())] pub struct C;"),
        ],
        cycles: &["a: crate::b::g; b: use crate::c::C; c: crate::a::f"],
    },
    Row {
        name: "in a module without a file and in a function",
        files: &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub mod inner { pub struct A; } fn f() { use crate::b; b::g(); }"),
            ("b.rs", "pub fn g() { let _ = crate::a::inner::A; }"),
        ],
        cycles: &["a: b::g; b: crate::a::inner::A"],
    },
    Row {
        name: "a module and a function of one name",
        files: &[
            ("lib.rs", "mod f; mod b; pub use f::f;"),
            ("f.rs", "use crate::b::B; pub fn f(_: B) {}"),
            ("b.rs", "use crate::f; pub struct B; fn g() { f(B); }"),
        ],
        cycles: &["f: use crate::b::B; b: use crate::f"],
    },
    Row {
        name: "names of other crates and local variables",
        files: &[
            ("lib.rs", "mod a; mod b; pub use b::run;"),
            ("a.rs", "use ::b::B; use serde::a; pub fn f(b: u8) -> u8 { b }"),
            ("b.rs", "use crate::a::f; pub fn run() { let a = f(0); drop(a); }"),
        ],
        cycles: &[],
    },
];

/// The cycles of a crate of these files, each as its modules and the reasons of its edges.
fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    let read = |file: &Path| {
        let found = files.iter().find(|(name, _)| Path::new("src").join(name) == file);
        found.map(|(_, text)| (*text).to_owned())
    };
    let (_, cycles) = check(Path::new("src/lib.rs"), false, &read).unwrap();
    let text = |Cycle(edges): Cycle| {
        let edges = edges.iter().map(|edge| format!("{}: {}", edge.module, edge.reference.text));
        edges.collect::<Vec<_>>().join("; ")
    };
    cycles.into_iter().map(text).collect()
}

#[test]
fn cycles_are_found_in_every_form_of_use() {
    let mut failed = Vec::new();
    for Row { name, files, cycles: expected } in ROWS {
        let found = cycles(files);
        if found != *expected {
            failed.push(format!("{name}: {found:#?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn cycle_names_crate_modules_and_lines() {
    let edge = |module: &str, file: &str, line, text: &str| Edge {
        module: module.into(),
        file: file.into(),
        reference: Reference { line, text: text.into() },
    };
    let cycle = Cycle(vec![
        edge("a", "crates/x/src/a.rs", 3, "use crate::b::B"),
        edge("b::c", "crates/x/src/b/c.rs", 5, "crate::a::A"),
    ]);
    let expected = "cycle in crates/x: a -> b::c -> a\n  crates/x/src/a.rs:3: use crate::b::B\n  \
                    crates/x/src/b/c.rs:5: crate::a::A";
    assert_eq!(cycle.to_string(), expected);
}

#[test]
fn module_without_a_file_is_an_error() {
    let read = |file: &Path| (file == Path::new("src/lib.rs")).then(|| "mod a;".to_owned());
    let error = check(Path::new("src/lib.rs"), false, &read).unwrap_err();
    assert_eq!(error.to_string(), "src/lib.rs: module `a` has no file");
}
