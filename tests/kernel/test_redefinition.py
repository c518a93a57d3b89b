"""Cells that run again and definitions that change: what changed its type is lost with a word, all else stays."""

import pytest

from client import ok


def shown(cell):
    return ok(cell).contents("execute_result")[0]["data"]["text/plain"]


def lost(cell):
    """The variables that a cell, which went well, said it had lost."""
    lines = ok(cell).text("stderr").splitlines()
    return {line.split("`")[1] for line in lines if "was lost because its type was defined anew" in line}


def test_what_is_made_of_a_file_is_lost_with_its_file(module_kernel, tmp_path):
    file = tmp_path / "made.rs"
    for number, begin in enumerate([f'mod file{0} {{ include!("{file}"); }}', f'#[path = "{file}"] mod file{1};']):
        file.write_text("pub struct E { pub x: i32 }")
        ok(module_kernel.run(f"{begin}\nlet made{number}: file{number}::E = file{number}::E {{ x: 1065353216 }};"))
        assert shown(module_kernel.run(f"made{number}.x")) == "1065353216"
        file.write_text("pub struct E { pub x: f32, pub y: String }")
        cell = module_kernel.run(f"made{number}.x")
        assert cell.status == "error" and "a file or a crate that changed" in "\n".join(cell.reply["content"]["traceback"])


def test_a_function_named_as_a_type_costs_nothing(module_kernel):
    ok(module_kernel.run("let a15 = 1.5; let s15 = String::from(\"x\");"))
    assert lost(module_kernel.run("fn f64() -> u8 { 1 }\nfn String() -> u8 { 1 }")) == set()
    assert shown(module_kernel.run("(a15, s15.len())")) == "(1.5, 1)"


def test_a_crate_that_is_not_there_is_told_where_its_name_is_taken(module_kernel):
    ok(module_kernel.run("use std::sync::Barrier;\nstruct Regex16;"))
    for line in ["use tokio::sync::Barrier;", "use regex::Regex16;"]:
        cell = module_kernel.run(line)
        assert cell.status == "error" and line.split(":")[0].removeprefix("use ") in cell.reply["content"]["evalue"]
    assert shown(module_kernel.run("Barrier::new(1).wait().is_leader()")) == "true"


def test_an_impl_with_a_type_that_comes_later_costs_nothing(module_kernel):
    ok(module_kernel.run("#[derive(Clone, Copy)] struct A0 { n: u32 }\nlet a0 = A0 { n: 1 }; let all0 = vec![Some(a0)];"))
    add = "impl std::ops::Add for A0 { type Output = A0; fn add(self, o: A0) -> A0 { A0 { n: self.n + o.n } } }"
    assert lost(module_kernel.run(add)) == set()
    assert shown(module_kernel.run("(a0 + all0[0].unwrap()).n")) == "2"
    iterate = "impl Iterator for A0 { type Item = u32; fn next(&mut self) -> Option<u32> { self.n += 1; Some(self.n) } }"
    assert lost(module_kernel.run(iterate)) == set()
    ok(module_kernel.run("let peeked0 = { let mut it = a0.peekable(); it.peek(); it };"))
    # Who asks for the type is another one with it.
    other = iterate.replace("u32", "u8").replace("self.n)", "self.n as u8)")
    assert lost(module_kernel.run(other)) == {"peeked0"}
    assert shown(module_kernel.run("all0[0].unwrap().n")) == "1"


@pytest.mark.parametrize(
    ("first", "second", "gone"),
    [
        pytest.param(
            "struct A1 { x: u8 }\nlet v1 = vec![A1 { x: 7 }]; let b1 = Box::new(A1 { x: 1 }); let t1 = (1u8, A1 { x: 2 });\n"
            "let r1 = std::rc::Rc::new(std::cell::RefCell::new(Some(A1 { x: 3 }))); let n1 = 5;",
            "struct A1 { x: u8, y: String }",
            {"v1", "b1", "t1", "r1"},
            id="within",
        ),
        pytest.param(
            "enum E2 { A, B(u8) }\nstruct G2<T> { t: T }\ntype L2 = Vec<G2<E2>>;\n"
            "let l2: L2 = vec![G2 { t: E2::B(1) }]; let f2: fn(E2) -> u8 = |_| 1; let g2 = G2 { t: 1u8 };",
            "enum E2 { A(u64), B(u8) }",
            {"l2", "f2"},
            id="generic-alias-function",
        ),
        pytest.param(
            "mod m3 { pub mod inner { pub struct P(pub u8); } pub struct Q(pub inner::P); }\n"
            "let q3 = m3::Q(m3::inner::P(1)); let s3 = String::from(\"stays\");",
            "mod m3 { pub mod inner { pub struct P(pub u64); } pub struct Q(pub inner::P); }",
            {"q3"},
            id="module",
        ),
        pytest.param(
            "const N4: usize = 2;\nstruct R4 { all: [u8; N4] }\nlet r4 = R4 { all: [1, 2] }; let a4 = [1u8; 2];",
            "const N4: usize = 3;",
            {"r4"},
            id="constant",
        ),
        pytest.param(
            "trait O5 { type Out; }\nimpl O5 for u8 { type Out = u32; }\nstruct W5<T: O5>(T::Out);\nlet w5 = W5::<u8>(1);",
            "impl O5 for u8 { type Out = [u64; 40]; }",
            {"w5"},
            id="associated-type",
        ),
        pytest.param(
            "trait S6 { fn area(&self) -> f64; }\nstruct Q6(f64);\nimpl S6 for Q6 { fn area(&self) -> f64 { self.0 } }\n"
            "let s6: Vec<Box<dyn S6>> = vec![Box::new(Q6(2.0))]; let d6: Box<dyn std::fmt::Debug> = Box::new(5);",
            "trait S6 { fn name(&self) -> String { \"s\".into() } fn area(&self) -> f64; }",
            {"s6"},
            id="trait-object",
        ),
        pytest.param(
            "mod m12 { pub trait S12 { fn t(&self) -> u8 { 3 } } impl S12 for u8 {} pub fn make() -> Box<dyn S12> { Box::new(1u8) } }\n"
            "let s12 = m12::make();",
            "mod m12 { pub trait S12 { fn first(&self) -> String; fn t(&self) -> u8 { 3 } } }",
            {"s12"},
            id="trait-of-a-module",
        ),
        pytest.param(
            "use std::sync::atomic::AtomicU32 as N13;\n#[derive(Default)] struct S13 { n: N13, name: String }\n"
            "let s13 = S13::default(); let v13 = vec![N13::new(1)];",
            "use std::sync::atomic::AtomicU64 as N13;",
            {"s13", "v13"},
            id="import-from-elsewhere",
        ),
        pytest.param(
            "use std::collections::HashMap as M14;\nstruct H14(M14<u8, u8>);\nlet h14 = H14(M14::from([(1, 2)])); let k14 = 1;",
            "use std::collections::BTreeMap as M14;",
            {"h14"},
            id="import-within",
        ),
    ],
)
def test_what_changed_its_type_is_lost_with_a_word_and_nothing_else(module_kernel, first, second, gone):
    ok(module_kernel.run(first))
    assert lost(module_kernel.run(second)) == gone
    name = sorted(gone)[0]
    cell = module_kernel.run(f"size_of_val(&{name})")
    said = "\n".join(cell.reply["content"].get("traceback", []))
    assert cell.status == "error" and "its type was defined anew" in said
    # Told once.
    assert lost(module_kernel.run("1 + 1")) == set()


SAME = [
    "/// Documented.\n#[derive(Debug, Clone)]\nstruct K { a: u8, b: (u8, u16) }",
    "struct K {\n    a: u8,\n    b: (u8, u16), // as rustfmt has it\n}",
    "pub struct K { pub a: u8, pub b: (u8, u16) }",
    "impl K { fn sum(&self) -> u8 { self.a } }",
    "impl K { fn sum(&self) -> u8 { self.a + 1 } }",
    "use std::rc::Rc; use std::collections::HashMap;",
    "mod side { pub struct Unrelated; } use side::*;",
    "mod side { pub struct Unrelated(u8); pub fn new() {} }",
    "use geo::Point;",
    "use std::io::Write as _; use geo::Named as _;",
    "struct Other(u8);",
    "struct Other(u16);",
]


def test_what_did_not_change_its_type_stays(module_kernel):
    ok(
        module_kernel.run(
            "struct K { a: u8, b: (u8, u16) }\nmod geo { pub struct Point(pub u8); pub trait Named {} }\n"
            "let k = K { a: 1, b: (2, 3) }; let map: std::collections::HashMap<u8, std::rc::Rc<u8>> = Default::default();\n"
            "let count = std::sync::atomic::AtomicU8::new(4); let point = geo::Point(5);"
        )
    )
    for change in SAME:
        assert lost(module_kernel.run(change)) == set(), change
    assert shown(module_kernel.run("(k.a, k.b, k.sum(), map.len(), count, point.0)")) == "(1, (2, 3), 2, 0, 4, 5)"


def test_names_that_everybody_has_stay_the_librarys_in_what_was_kept_before(own_kernel):
    kernel = own_kernel
    ok(kernel.run(
        'let text = String::from("a"); let some = vec![Some(1u8)]; let double: Box<dyn Fn(f64) -> f64> = Box::new(|x| 2.0 * x);\n'
        'let mut failed: Result<u8, String> = Err("b".into());'
    ))
    assert lost(kernel.run("struct String(i32); enum Option { A } struct Box; trait Fn {} struct Vec; type Result = u8;")) == set()
    assert shown(kernel.run("(text.len(), some[0], double(2.0), failed.is_err())")) == "(1, Some(1), 4.0, true)"
    ok(kernel.run("failed = Ok(4);"))
    assert shown(kernel.run("(failed.clone(), 0)")) == "(Ok(4), 0)"
    # What is made now is of the notebook's own, and goes with it.
    ok(kernel.run("let own = String(4); let text = String(5);"))
    assert shown(kernel.run("(own.0, text.0)")) == "(4, 5)"
    assert lost(kernel.run("struct String(i64);")) == {"own", "text"}
    assert shown(kernel.run("(some[0], double(3.0))")) == "(Some(1), 6.0)"


def test_a_value_of_the_new_type_is_kept(module_kernel):
    ok(module_kernel.run("struct N7 { a: u8 }\nlet n7 = N7 { a: 1 };"))
    ok(module_kernel.run("struct N7 { a: u16, b: String }\nlet n7 = N7 { a: 300, b: \"new\".into() };"))
    assert shown(module_kernel.run("(n7.a, n7.b)")) == '(300, "new")'


ALL = """
macro_rules! twice { ($x:expr) => { $x * 2 } }
mod kinds { pub const A: u8 = 1; pub fn f() -> u8 { A } pub enum Q { X, Y } pub fn m() -> u8 { twice!(4) } }
use kinds::*;
use kinds::Q::*;
trait Area8 { const SIDES: u32; type Unit: Default; fn area(&self) -> u32; fn double(&self) -> u32 { twice!(self.area()) } }
#[derive(Clone, Debug, Default)] struct Circle8 { r: u32 }
impl Area8 for Circle8 { const SIDES: u32 = 0; type Unit = u8; fn area(&self) -> u32 { self.r } }
impl<T: Area8> Area8 for Vec<T> { const SIDES: u32 = 9; type Unit = u16; fn area(&self) -> u32 { self.iter().map(|x| x.area()).sum() } }
type Circles = Vec<Circle8>;
impl std::fmt::Display for Circle8 { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, "c{}", self.r) } }
impl From<u32> for Circle8 { fn from(r: u32) -> Self { Circle8 { r } } }
union Bits { a: u32, b: f32 }
static RUNS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
let c8 = Circle8::from(3); let all8: Circles = vec![c8.clone(), c8.clone()];
RUNS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
(f(), m(), all8.double(), c8.to_string(), matches!(X, Q::X), Circles::SIDES, RUNS.load(std::sync::atomic::Ordering::SeqCst))
"""


def test_a_cell_of_all_kinds_of_items_gives_the_same_again(module_kernel):
    results = [shown(module_kernel.run(ALL)) for _ in range(2)]
    assert results == ['(1, 8, 12, "c3", true, 9, 1)'] * 2
    assert shown(module_kernel.run("(c8.double(), RUNS.load(std::sync::atomic::Ordering::SeqCst))")) == "(6, 1)"


def test_impls_are_replaced_and_not_doubled(module_kernel):
    ok(module_kernel.run("struct I9;"))
    ok(module_kernel.run("impl I9 { fn a(&self) -> u8 { 1 } fn b(&self) -> u8 { 1 } }"))
    ok(module_kernel.run("impl I9 { fn b(&self) -> u8 { 2 } fn c(&self) -> u8 { 2 } }"))
    ok(module_kernel.run("impl From<u8> for I9 { fn from(_: u8) -> Self { I9 } }"))
    ok(module_kernel.run("impl From<u8> for I9 { fn from(_: u8) -> I9 { I9 } }"))
    assert shown(module_kernel.run("(I9::from(1).a(), I9.b(), I9.c())")) == "(1, 2, 2)"


STATICS = """
use std::sync::atomic::{AtomicU32, Ordering::SeqCst}; use std::sync::{LazyLock, Mutex, OnceLock};
static PLAIN: AtomicU32 = AtomicU32::new(0);
static mut RAW: u32 = 5;
static ONCE: OnceLock<String> = OnceLock::new();
static LAZY: LazyLock<Mutex<Vec<u32>>> = LazyLock::new(|| { println!("made"); Mutex::new(vec![]) });
static WORDS: &[&str] = &["a", "b"]; static ADD: fn(&u8) -> u8 = |x| x + 1;
fn next() -> u32 { static IN: AtomicU32 = AtomicU32::new(100); IN.fetch_add(1, SeqCst) }
struct Z10; impl Z10 { fn go() -> u32 { static S: AtomicU32 = AtomicU32::new(7); S.fetch_add(1, SeqCst) } }
mod keep { pub static M: std::sync::Mutex<u8> = std::sync::Mutex::new(3); }
fn of<T: 'static>() -> u32 { static G: AtomicU32 = AtomicU32::new(0); G.fetch_add(1, SeqCst) }
thread_local! { static LOCAL: std::cell::RefCell<Vec<&str>> = const { std::cell::RefCell::new(Vec::new()) }; }
"""
USE = """
PLAIN.fetch_add(1, SeqCst); unsafe { RAW += 1 }; ONCE.get_or_init(|| "one".into()); LAZY.lock().unwrap().push(1);
next(); Z10::go(); *keep::M.lock().unwrap() += 1; of::<u8>(); of::<u16>(); LOCAL.with_borrow_mut(|all| all.push("x"));
"""
READ = """
(PLAIN.load(SeqCst), unsafe { RAW }, ONCE.get(), LAZY.lock().unwrap().len(), WORDS.len(), ADD(&1), next(), Z10::go(),
 *keep::M.lock().unwrap(), of::<u32>(), LOCAL.with_borrow(|all| all.len()))
"""


def test_statics_last_until_their_cell_runs_again(module_kernel):
    ok(module_kernel.run(STATICS))
    assert ok(module_kernel.run(USE)).text() == "made\n"
    assert shown(module_kernel.run(READ)) == '(1, 6, Some("one"), 1, 2, 2, 101, 8, 4, 2, 1)'
    ok(module_kernel.run("static PLAIN: AtomicU32 = AtomicU32::new(50);"))
    assert shown(module_kernel.run("(PLAIN.load(SeqCst), ONCE.get())")) == '(50, Some("one"))'
    ok(module_kernel.run(STATICS))
    assert shown(module_kernel.run(READ)) == "(0, 5, None, 0, 2, 2, 100, 7, 3, 0, 0)"


NAMED = """
#[allow(unused, dead_code)] static ALLOWED: std::sync::Mutex<u8> = std::sync::Mutex::new(0);
#[used] static USED: std::sync::Mutex<u8> = std::sync::Mutex::new(0);
static Ωμ: std::sync::Mutex<u8> = std::sync::Mutex::new(0);
mod größen { pub static été: std::sync::Mutex<u8> = std::sync::Mutex::new(0); }
fn local17() -> u8 { #[expect(unused)] static unused: u8 = 1; static número: std::sync::Mutex<u8> = std::sync::Mutex::new(0); *número.lock().unwrap() += 1; *número.lock().unwrap() }
"""
NAMES = "ALLOWED, &USED, &Ωμ, &größen::été"


def test_statics_of_any_name_and_with_any_attribute_last(module_kernel):
    ok(module_kernel.run(NAMED))
    for _ in range(2):
        ok(module_kernel.run(f"for each in [&{NAMES}] {{ *each.lock().unwrap() += 1; }}\nlocal17();"))
    assert shown(module_kernel.run(f"([&{NAMES}].map(|each| *each.lock().unwrap()), local17())")) == "([2, 2, 2, 2], 3)"


def test_a_static_that_cannot_last_is_told_at_each_use(module_kernel):
    ok(module_kernel.run("macro_rules! count18 { () => {{ static M: std::sync::Mutex<u32> = std::sync::Mutex::new(0); *M.lock().unwrap() += 1; }} }"))
    ok(module_kernel.run("fn by_macro18() { count18!(); }\nfn without18() {}\n#[unsafe(no_mangle)] static SYMBOL18: u8 = 1;"))
    for use in ["by_macro18();", "let _ = SYMBOL18;"]:
        assert "begins anew in each cell" in ok(module_kernel.run(use)).text("stderr"), use
    assert ok(module_kernel.run("without18();")).text("stderr") == ""


def test_a_static_whose_type_changed_begins_anew_with_a_word(module_kernel):
    ok(module_kernel.run("struct P11(u8);\nstatic ALL11: std::sync::Mutex<Vec<P11>> = std::sync::Mutex::new(vec![]);"))
    ok(module_kernel.run("ALL11.lock().unwrap().push(P11(1));"))
    assert "the static `ALL11` begins anew" in ok(module_kernel.run("struct P11(String);")).text("stderr")
    assert shown(module_kernel.run("ALL11.lock().unwrap().len()")) == "0"


def test_a_cell_that_loses_what_it_uses_says_why(kernel):
    kernel.run("struct Losing(u8); let losing = Losing(1); let hidden: Box<dyn std::any::Any> = Box::new(Losing(2));")
    cell = kernel.run("struct Losing(u16); losing.0")
    assert cell.status == "error"
    assert "this cell, or a file or a crate that changed, defines the type of `losing` anew" in "\n".join(cell.reply["content"]["traceback"])
    cell = kernel.run("struct Losing(u16);")
    assert "a `downcast` finds none of the notebook's types in `hidden`" in cell.text("stderr")
    assert "`losing` was lost" in cell.text("stderr")


UNFIT = [
    pytest.param(
        ["struct U1(u32);", "fn u1() -> u32 {\n    U1(5).0\n}", "fn v1() -> u32 { u1() + 1 }"],
        "struct U1(u64);\nlet kept1 = U1(7);",
        {"fn u1": "expected `u32`, found `u64`", "fn v1": "it uses `fn u1`"},
        ["fn u1() -> u64 { U1(7).0 }", "fn v1() -> u64 { u1() + 1 }"],
        ("v1()", "8"),
        id="function",
    ),
    pytest.param(
        ["enum U2 { A(f64), B }", "fn u2(it: U2) -> f64 { match it { U2::A(a) => a, U2::B => 0.0 } }"],
        "enum U2 { A(f64), B, C }",
        {"fn u2": "not covered"},
        ["fn u2(it: U2) -> f64 { match it { U2::A(a) => a, _ => 9.0 } }"],
        ("u2(U2::C)", "9.0"),
        id="match",
    ),
    pytest.param(
        ["trait U3 { fn a(&self) -> u8; } struct S3; struct T3;", "impl U3 for S3 { fn a(&self) -> u8 { 1 } }\nimpl U3 for T3 { fn a(&self) -> u8 { 2 } }"],
        "trait U3 { fn a(&self) -> u8; fn b(&self) -> u8; }",
        {"impl U3 for S3": "missing: `b`", "impl U3 for T3": "missing: `b`"},
        ["impl U3 for S3 { fn a(&self) -> u8 { 1 } fn b(&self) -> u8 { 3 } }"],
        ("S3.a() + S3.b()", "4"),
        id="trait",
    ),
    pytest.param(
        ["macro_rules! u4 { () => { 1 } }", "fn v4() -> u8 { u4!() }\nfn w4() -> u8 { u4!() + v4() }"],
        "macro_rules! u4 { ($x:expr) => { $x } }",
        {"fn v4": "unexpected end", "fn w4": "unexpected end"},
        ["fn v4() -> u8 { u4!(4) }"],
        ("v4()", "4"),
        id="macro",
    ),
    pytest.param(
        ["mod u5 { pub fn f() -> u8 { 1 } pub struct P; }", "use u5::f as g5;\nuse u5::P;"],
        "mod u5 { pub fn f() -> u8 { 2 } }",
        {"use u5::P": "no `P` in `u5`"},
        [],
        ("g5()", "2"),
        id="import",
    ),
    pytest.param(
        ["struct U6(u8);", "impl std::fmt::Debug for U6 { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { f.write_str(\"own\") } }"],
        "#[derive(Debug)] struct U6(u8);",
        {"impl std::fmt::Debug for U6": "has one, too"},
        [],
        ('format!("{:?}", U6(1))', "U6(1)"),
        id="derive",
    ),
]


@pytest.mark.parametrize(("cells", "change", "aside", "mended", "end"), UNFIT)
def test_what_does_not_fit_any_more_is_set_aside_with_a_word(module_kernel, cells, change, aside, mended, end):
    for cell in cells:
        ok(module_kernel.run(cell))
    told = [line for line in ok(module_kernel.run(change)).text("stderr").splitlines() if "is set aside" in line]
    assert sorted(line.split("`")[1] for line in told) == sorted(aside)
    for item, why in aside.items():
        (line,) = [line for line in told if line.startswith(f"note: `{item}`")]
        assert why in line and "of cell [" in line, line
    for cell in mended:
        ok(module_kernel.run(cell))
    assert shown(module_kernel.run(end[0])) == end[1]


def test_nothing_is_set_aside_by_a_cell_that_is_refused(module_kernel):
    ok(module_kernel.run("struct X7(u8);"))
    ok(module_kernel.run("fn x7() -> u8 {\n    X7(5).0\n}"))
    for cell in ["struct X7(u16);\nlet no: u8 = \"no\";", "struct X7(u16);\nlet uses = x7();"]:
        cell = module_kernel.run(cell)
        assert cell.status == "error" and cell.text("stderr") == ""
    said = "\n".join(cell.reply["content"]["traceback"])
    assert "line 2 of cell [" in said and "define both in one cell" in said
    assert shown(module_kernel.run("x7()")) == "5"
    ok(module_kernel.run("struct X7(u16);"))
    cell = module_kernel.run("x7()")
    assert cell.status == "error" and "has set `fn x7` aside" in "\n".join(cell.reply["content"]["traceback"])


def test_an_impl_that_goes_with_the_type_of_its_cell_is_told(module_kernel):
    ok(module_kernel.run("trait G8 { fn g(&self) -> u8; }\nstruct H8; impl G8 for H8 { fn g(&self) -> u8 { 1 } }"))
    said = ok(module_kernel.run("trait G8 { fn g(&self) -> u8; fn h(&self) -> u8 { self.g() + 1 } }")).text("stderr")
    assert "`impl G8 for H8` went with `G8`" in said
    ok(module_kernel.run("impl G8 for H8 { fn g(&self) -> u8 { 1 } }"))
    assert shown(module_kernel.run("H8.h()")) == "2"


def test_variables_of_any_pattern_replace_others(module_kernel):
    ok(module_kernel.run("let a9 = 1u8; let b9 = \"b\"; let c9 = 'c';"))
    ok(module_kernel.run("let [a9, .., mut b9] = [3, 4, 5]; let &(c9, _) = &(2.5, 1); b9 += a9;"))
    assert shown(module_kernel.run("(a9, b9, c9)")) == "(3, 8, 2.5)"


def test_what_hides_behind_a_trait_or_a_type_of_the_notebooks_is_told(module_kernel):
    ok(
        module_kernel.run(
            "trait Layer10 { fn as_any(&self) -> &dyn std::any::Any; }\ntrait Quiet10 { fn q(&self) -> u8; }\nstruct Holder10 { inner: Box<dyn std::any::Any> }"
        )
    )
    dense = (
        "struct Dense10 { w: f32FIELD }\nimpl Layer10 for Dense10 { fn as_any(&self) -> &dyn std::any::Any { self } }\n"
        "impl Quiet10 for Dense10 { fn q(&self) -> u8 { 1 } }"
    )
    ok(module_kernel.run(dense.replace("FIELD", "")))
    ok(module_kernel.run("let net10: Vec<Box<dyn Layer10>> = vec![Box::new(Dense10 { w: 1.0 })]; let held10 = Holder10 { inner: Box::new(5u8) };"))
    ok(module_kernel.run("let quiet10: Box<dyn Quiet10> = Box::new(Dense10 { w: 1.0 });"))
    said = ok(module_kernel.run(dense.replace("FIELD", ", b: f32") + "\nlet new10: Box<dyn std::any::Any> = Box::new(1u8);")).text("stderr")
    for name in ["net10", "held10"]:
        assert f"a `downcast` finds none of the notebook's types in `{name}`" in said
    assert "new10" not in said and "quiet10" not in said
    assert shown(module_kernel.run("(net10[0].as_any().is::<Dense10>(), quiet10.q())")) == "(false, 1)"


def test_a_method_of_an_impl_that_was_set_aside_says_so(module_kernel):
    def refused(code):
        cell = module_kernel.run(code)
        assert cell.status == "error"
        return "\n".join(cell.reply["content"]["traceback"])

    ok(module_kernel.run("struct A11 { cents: i64 }"))
    ok(module_kernel.run("impl A11 { fn euros(&self) -> f64 { self.cents as f64 / 100.0 } fn new(cents: i64) -> Self { A11 { cents } } }"))
    ok(module_kernel.run("impl std::fmt::Display for A11 { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, \"{}\", self.cents) } }"))
    ok(module_kernel.run("impl PartialEq for A11 { fn eq(&self, other: &A11) -> bool { self.cents == other.cents } }"))
    ok(module_kernel.run("struct A11 { pence: i64 }"))
    for code, item in [
        ("A11 { pence: 5 }.euros()", "impl A11"),
        ("A11::new(5)", "impl A11"),
        ('format!("{}", A11 { pence: 5 })', "impl std::fmt::Display for A11"),
        ("A11 { pence: 5 } == A11 { pence: 5 }", "impl PartialEq for A11"),
    ]:
        assert f"has set `{item}` aside" in refused(code), code
    assert "aside" not in refused("A11 { pence: 5 }.pounds()")
    ok(module_kernel.run("impl A11 { fn euros(&self) -> f64 { self.pence as f64 / 100.0 } fn new(pence: i64) -> Self { A11 { pence } } }"))
    assert "aside" not in refused("A11::new(5).pounds()")
    assert shown(module_kernel.run("A11::new(5).euros()")) == "0.05"
