//! Which types a change makes other ones.

use super::*;

fn digest(items: &str, of_type: &str) -> u64 {
    Types::read(items, &[]).digest(of_type)
}

#[test]
fn a_table_of_many_numbers_is_read_in_no_time() {
    let numbers = "1, ".repeat(60_000);
    let begun = std::time::Instant::now();
    let types = |last: &str| {
        let items = format!("const T: [u8; 60000] = [{numbers}{last}];\nstruct A([u8; T[0] as usize]);");
        digest(&items, "A")
    };
    assert_eq!(types("2"), types("2,"));
    assert_ne!(types("2"), types("3"));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_type_is_what_its_definitions_say() {
    let items = "struct B { x: i32 }\nstruct H { b: B }\nuse std::rc::Rc;\nfn f(b: B) -> i32 { 1 }\ntype M = Vec<H>;\n\
        const N: usize = 3;\nstruct A { x: [u8; N] }\ntrait T { type Out; }\nimpl T for i32 { type Out = B; }\n\
        struct G<X: T>(X::Out);\nmod m { pub struct P(super::B); }\nuse m::P as Q;";
    let other = items.replace("x: i32", "x: f32");
    for of_type in [
        "B",
        "H",
        "Vec<Option<H>>",
        "M",
        "std::boxed::Box<dyn Fn(B)>",
        "fn(&B)",
        "G<i32>",
        "m::P",
        "Q",
    ] {
        assert_ne!(digest(items, of_type), 0, "{of_type}");
        assert_ne!(digest(items, of_type), digest(&other, of_type), "{of_type}");
    }
    for of_type in ["A", "Vec<f32>", "Rc<i32>"] {
        assert_eq!(digest(items, of_type), digest(&other, of_type), "{of_type}");
    }
    assert_ne!(digest(items, "A"), digest(&items.replace("= 3", "= 4"), "A"));
    assert_eq!(digest(items, "Vec<f64>"), 0);
}

/// The same word is not the same thing: of what a trait or a module calls its own no other's name speaks.
#[test]
fn a_name_that_means_something_else_within_does_not_matter() {
    let items = "struct Mat<const N: usize>([f64; N]);\nstruct Pair<T> { a: T }\nmod geo { pub struct Point(pub f64); pub struct Line(Point, Point); }\n\
        trait Model { type Params; fn own(&self) -> Self::Params; }\nstruct Holds { all: Box<dyn Model<Params = Vec<f64>>> }";
    let more = format!(
        "{items}\nconst N: usize = 100;\ntype T = f32;\nstruct Point {{ x: u8 }}\nstruct Params;\nstruct Item;\nstruct Output;\nstruct Instant;"
    );
    for of_type in [
        "Mat<2>",
        "Pair<i32>",
        "geo::Line",
        "Vec<geo::Point>",
        "Holds",
        "std::boxed::Box<dyn Model<Params = std::vec::Vec<f64>>>",
        "Box<dyn Iterator<Item = u32>>",
        "std::pin::Pin<Box<dyn std::future::Future<Output = u8>>>",
        "std::time::Instant",
    ] {
        assert_eq!(digest(items, of_type), digest(&more, of_type), "{of_type}");
    }
    // A macro that imports is no definition of what stands in the library beside it.
    let made =
        "mod jook_made_1 { uses!(); use std::collections::BTreeSet; }".replace("jook_made_", made::MODULE);
    let map = "std::collections::HashMap<&str, i32>";
    assert_eq!(digest("", map), digest(&made, map));
    // Where it does mean the other one, it matters.
    let items = "struct Point { x: u8 }\nmod geo { use super::Point; pub struct Line(Point); mod inner { use super::super::*; pub struct A(Point); } }\n\
        struct Pair<T> { a: T, b: geo::T }\nmod std { pub struct Instant(crate::Point); }";
    let other = items.replace("x: u8", "x: u16");
    for of_type in ["geo::Line", "std::Instant", "geo::inner::A"] {
        assert_ne!(digest(items, of_type), digest(&other, of_type), "{of_type}");
    }
}

#[test]
fn what_no_layout_depends_on_does_not_matter() {
    let items = "struct B { x: i32 }\nmod m { pub struct P; pub fn f() -> i32 { 1 } }\ntrait T { fn t(&self) -> i32 { 2 } }";
    for (from, to) in [
        ("struct B {", "/// A.\n#[derive(Debug, Clone)] struct B { // b\n"),
        ("{ 1 }", "{ 3 }"),
        ("{ 2 }", "{ 4 }"),
        ("struct B", "struct Unrelated(u8); impl B { fn f() {} } struct B"),
        ("{ x: i32 }", "{\n    pub x: i32,\n}"),
        ("struct B", "pub struct B"),
        ("struct B", "mod k { pub struct C; }\nuse k::*;\nstruct B"),
        ("struct B", "use m::P;\nstruct B"),
        ("struct B", "use m::P as _;\nstruct B"),
    ] {
        let other = items.replace(from, to);
        for of_type in ["B", "m::P", "Box<dyn T>"] {
            assert_eq!(digest(items, of_type), digest(&other, of_type), "{to}: {of_type}");
        }
    }
    let method = items.replace("fn t", "fn s(&self); fn t");
    assert_ne!(digest(items, "Box<dyn T>"), digest(&method, "Box<dyn T>"));
    let order = items.replace("{ x: i32 }", "{ y: u8, x: i32 }");
    assert_ne!(digest(items, "B"), digest(&order, "B"));
}

#[test]
fn an_impl_added_later_matters_where_its_types_are_asked_for() {
    let items = "use std::iter::Peekable;\nuse std::rc::Rc;\nuse std::iter::Peekable as Vec2;\nstruct C(u8);\n\
        struct H { all: Vec<Rc<C>>, at: std::time::Duration, f: Box<dyn Fn(C) -> u8> }\nstruct G<T> { of: T }\n\
        struct A<T: Iterator>(T::Item);\nstruct P(Peekable<C>);\ntrait N { fn name(&self) -> String; }\n\
        enum E { One([u8; C::LONG]), Two }\nmacro_rules! m { () => {} }\n";
    let iterates = format!(
        "{items}impl Iterator for C {{ type Item = u8; fn next(&mut self) -> Option<u8> {{ None }} }}"
    );
    for of_type in [
        "C",
        "H",
        "G<C>",
        "Vec<C>",
        "Rc<G<C>>",
        "std::collections::HashMap<C, (C, [C; 2])>",
        "Box<dyn N>",
        "fn(&C)",
    ] {
        assert_eq!(digest(items, of_type), digest(&iterates, of_type), "{of_type}");
    }
    for of_type in [
        "A<C>",
        "P",
        "Peekable<C>",
        "std::iter::Peekable<C>",
        "Vec2<C>",
        "E",
        "Option<<C as Iterator>::Item>",
        "std::borrow::Cow<C>",
        "Box<dyn Iterator<Item = C>>",
    ] {
        assert_ne!(digest(items, of_type), digest(&iterates, of_type), "{of_type}");
    }
}

#[test]
fn a_function_that_has_a_types_name_changes_no_type() {
    let items = "struct A { x: f64, n: [u8; long()] }\nconst fn long() -> usize { 3 }";
    for more in ["\nfn f64() {}", "\nfn A() {}"] {
        for of_type in ["A", "f64"] {
            assert_eq!(
                digest(items, of_type),
                digest(&format!("{items}{more}"), of_type),
                "{more}"
            );
        }
    }
    assert_ne!(digest(items, "A"), digest(&items.replace('3', "4"), "A"));
}

#[test]
fn what_is_made_of_a_file_changes_with_it() {
    let file = std::env::temp_dir().join(format!("jook-types-file-{}.rs", std::process::id()));
    let path = file.display();
    for items in [
        format!("mod inc {{ include!(\"{path}\"); }}\nstruct H(inc::E);"),
        format!("#[path = \"{path}\"] mod inc;\nstruct H(inc::E);"),
    ] {
        let of = |source: &str| {
            std::fs::write(&file, source).unwrap();
            [
                digest(&items, "inc::E"),
                digest(&items, "Vec<H>"),
                digest(&items, "u8"),
            ]
        };
        let (one, other) = (of("pub struct E(u8);"), of("pub struct E(u16);"));
        assert!(
            one[0] != other[0] && one[1] != other[1] && one[2] == other[2],
            "{items}"
        );
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn an_import_as_a_whole_counts_for_what_it_may_bring() {
    let items = "mod k { pub struct C(u8); }\nuse k::*;\nuse std::rc::Rc;\nstruct B { x: Rc<i32> }\n\
        struct H { c: C }\nstruct G<T>(T);\nstruct U((u8,));";
    let other = items.replace("C(u8)", "C(u16)");
    for (of_type, same) in [
        ("C", false),
        ("Vec<C>", false),
        ("H", false),
        ("G<C>", false),
        ("B", true),
        ("Rc<i32>", true),
        ("G<u8>", true),
        (
            "std::collections::HashMap<u8, Box<dyn Fn(&'static str) -> u8>>",
            true,
        ),
    ] {
        assert_eq!(
            digest(items, of_type) == digest(&other, of_type),
            same,
            "{of_type}"
        );
    }
    assert_ne!(digest(items, "U"), digest(&items.replace("(u8,)", "(u8)"), "U"));
}

#[test]
fn what_may_hold_anything_is_known() {
    let items = "use std::any::Any;\ntrait Layer { fn as_any(&self) -> &dyn std::any::Any; }\ntrait Tower: Layer {}\n\
        trait Plain { fn f(&self); }\ntrait Own: Any { fn f(&self); }\nstruct Holder { inner: Box<dyn Any + Send> }\n\
        enum Deep { A(Holder), B }\nstruct Net { layers: Vec<Box<dyn Tower>> }\nstruct Few<T: Any>(T);\nstruct Anyone(u8);";
    let types = Types::read(items, &[]);
    for of_type in [
        "Box<dyn Any>",
        "Vec<std::rc::Rc<dyn std::any::Any + Send>>",
        "Box<dyn Layer>",
        "Box<dyn Tower>",
        "Box<dyn Own>",
        "Holder",
        "Vec<Deep>",
        "Net",
    ] {
        assert!(types.hides(of_type), "{of_type}");
    }
    for of_type in ["Box<dyn Plain>", "Few<u8>", "Vec<Anyone>", "i32"] {
        assert!(!types.hides(of_type), "{of_type}");
    }
}

#[test]
fn the_library_of_an_added_crate_counts() {
    let folder = std::env::temp_dir().join(format!("jook-types-{}", std::process::id()));
    std::fs::write(&folder, "one").unwrap();
    let crates = vec![("shapes".to_owned(), folder.clone())];
    let of = |items: &str, of_type: &str| Types::read(items, &crates).digest(of_type);
    let named = |of_type| {
        [
            of("", of_type),
            of("use shapes::Circle;", of_type),
            of("use shapes::*;", of_type),
        ]
    };
    let (direct, imported) = (of("", "shapes::Circle"), named("Circle"));
    assert!(direct != 0 && imported[0] == 0 && imported[1] != 0 && imported[2] != 0);
    std::fs::write(&folder, "three").unwrap();
    assert_ne!(of("", "shapes::Circle"), direct);
    assert_ne!(named("Circle")[1..], imported[1..]);
    std::fs::remove_file(folder).unwrap();
}

#[test]
fn what_may_change_behind_a_shared_reference_is_seen_through_the_notebooks_own_types() {
    let items = "struct Pot { rice: Arc<Grains> }\nstruct Grains(std::sync::RwLock<u8>);\nstruct Plain(Vec<f64>);\n\
        struct Cell { x: i32 }\ntype Board = Vec<Cell>;";
    let types = Types::read(items, &[]);
    for moving in [
        "std::sync::Mutex<f64>",
        "Arc<std::sync::atomic::AtomicU64>",
        "Vec<Pot>",
        "Slider<f64>",
    ] {
        assert!(types.may_change(moving), "{moving}");
    }
    for fixed in [
        "Vec<Plain>",
        "Arc<Vec<f64>>",
        "Board",
        "Box<dyn Fn(f64) -> f64>",
        "DataFrame",
    ] {
        assert!(!types.may_change(fixed), "{fixed}");
    }
}

#[test]
fn the_way_to_a_macro_is_nothing_that_it_makes() {
    let made = "mod evcxr_made_0000000000000001 { use super::*; crx::tl! { static T: u32; } }\npub use evcxr_made_0000000000000001::*;";
    let crates = [("crx".to_owned(), PathBuf::from("/nowhere"))];
    let of = |items: &str| Types::read(items, &crates).digest("std::sync::Arc<crx::Cx>");
    assert_eq!(of(""), of(made));
    assert_ne!(digest(made, "T"), 0);
}
