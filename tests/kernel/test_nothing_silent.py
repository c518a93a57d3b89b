"""What a cell does shows or is told: C's output, the place of panics, the user's own names, what cannot be kept."""

import re
import time

import pytest
from jupyter_client import KernelManager

from client import FIRST_START, Client, ok
from test_dependencies import crate

OWN_NAMES = re.compile(r"evcxr|jook_cell|jook_static|jook_check|__jook|cell/lib\.rs|EvcxrUserCodeError|run_user_code|/tmp/")


def value(cell):
    return ok(cell).contents("execute_result")[0]["data"]["text/plain"]


def said(cell):
    assert cell.status == "error"
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(cell.reply["content"]["traceback"]))
    assert not OWN_NAMES.search(text), text
    return text


def test_what_c_prints_shows(module_kernel):
    ok(
        module_kernel.run(
            'unsafe extern "C" { fn puts(s: *const std::ffi::c_char) -> i32; fn printf(f: *const std::ffi::c_char, ...) -> i32; }'
        )
    )
    cell = module_kernel.run('println!("a"); unsafe { puts(c"b".as_ptr()); } println!("c"); unsafe { printf(c"%d".as_ptr(), 42i32); }')
    assert ok(cell).text() == "a\nb\nc\n42"
    cell = module_kernel.run('for i in 0..3000i32 { unsafe { printf(c"%d line of text\\n".as_ptr(), i); } }')
    assert ok(cell).text().splitlines() == [f"{i} line of text" for i in range(3000)]


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("let a = 1;\nboom(5)", "line 4 of cell ["),
        ("vec![1]\n    .into_iter()\n    .map(|x: u32| x / (x - 1))\n    .sum::<u32>()", "--> line 3\n"),
        ("let list = [1, 2, 3]; list[7]", "--> line 1\n"),
        ("fn late() { broken!() }\nmacro_rules! broken { () => { panic!(\"in a macro\") } }\nlate();", "--> line 1\n"),
        ("let none: Option<u8> = None;\nprintln!(\"a\");\nnone.expect(\"nothing\")", "--> line 3\n"),
    ],
)
def test_a_panic_has_its_place(module_kernel, code, place):
    ok(module_kernel.run("fn boom(x: u32) -> u32 {\n    let v = vec![1];\n\n    v[x as usize]\n}"))
    assert place in said(module_kernel.run(code))


def test_a_panic_has_its_place_behind_a_hook_of_the_notebooks_own(own_kernel):
    kernel = own_kernel
    ok(kernel.run("let before = std::panic::take_hook();\n\nstd::panic::set_hook(Box::new(move |info| { println!(\"heard\"); before(info) }));"))
    cell = kernel.run('let a = 1;\npanic!("boom")')
    assert "heard" in cell.text() and "--> line 2\n" in said(cell)
    ok(kernel.run("fn boom(x: u32) -> u32 {\n    vec![1][x as usize]\n}"))
    assert "line 2 of cell [" in said(kernel.run("boom(5)"))


def test_a_panic_of_a_replaced_value_is_told_and_costs_nothing_else(module_kernel):
    ok(
        module_kernel.run(
            'struct D(u8); impl Drop for D { fn drop(&mut self) { if self.0 == 1 { panic!("in drop") } } }\nlet d = D(1); let other = 99;'
        )
    )
    cell = module_kernel.run("let d = D(2);\nother")
    assert value(cell) == "99" and "in drop" in cell.text("stderr")
    assert value(module_kernel.run("d.0")) == "2"


def test_panics_of_several_replaced_values_are_told_and_cost_nothing_else(module_kernel):
    ok(module_kernel.run('struct Loud(u8); impl Drop for Loud { fn drop(&mut self) { if self.0 > 0 { panic!("drop {}", self.0) } } }'))
    ok(module_kernel.run("let one = Loud(1); let two = Loud(2); let kept = 9;"))
    told = ok(module_kernel.run("let one = 3; let two = Loud(0);")).text("stderr")
    assert "drop 1" in told and "drop 2" in told
    assert value(module_kernel.run("(one, two.0, kept)")) == "(3, 0, 9)"


def test_the_line_of_a_panic_in_a_cells_value(module_kernel):
    for cell, line in [
        ("let places = [1, 2, 3];\nlet behind = places.len();\nplaces[behind]", 3),
        ("let nothing = 0;\nprintln!(\"a\");\n\n10 / nothing", 4),
        ("let n = [0usize; 2];\nlet k = n[0];\n100 / k", 3),
        ("println!(\"a\");\ni32::pow(10, 20)", 2),
        ("let most = std::hint::black_box(usize::MAX);\nmost\n  + 1", 2),
    ]:
        text = said(module_kernel.run(cell))
        assert f"line {line}\n" in text, text
    said(module_kernel.run("let places = [0; 0];\nplaces[0]"))


def test_names_of_a_notebook_that_stand_in_what_the_kernel_writes(start):
    kernel = start()
    for name in ("x", "store", "runtime", "poisoned", "guard"):
        ok(kernel.run(f"const {name}: i32 = 1;", timeout=FIRST_START))
    assert value(kernel.run("async { x + store + runtime }.await")) == "3"


def test_a_name_that_means_something_else_costs_no_variable(start):
    kernel = start()
    ok(kernel.run(
        "let all: Box<dyn Iterator<Item = u32>> = Box::new(0..3); struct Mat<const N: usize>([f64; N]); let mat = Mat([1.0, 2.0]);\n"
        "struct Pair<T> { a: T } let pair = Pair { a: 1 }; mod geo { pub struct Point(pub f64); pub fn make() -> Point { Point(2.0) } }\n"
        "let point = geo::make(); let since = std::time::Instant::now(); let map = std::collections::HashMap::from([(\"a\", 1)]);",
        timeout=FIRST_START,
    ))
    cell = ok(kernel.run(
        "struct Item { id: u32 } const N: usize = 100; type T = f32; struct Point { x: u8 } struct Instant;\n"
        "macro_rules! uses { () => { use std::collections::BTreeSet; } }\nuses!();"
    ))
    assert "lost" not in cell.text("stderr")
    assert value(kernel.run("(all.count(), mat.0.len(), pair.a, point.0, since.elapsed().as_secs() < 900, map.len())")) == "(3, 2, 1, 2.0, true, 1)"


def test_words_on_what_is_not_there(module_kernel):
    ok(module_kernel.run("let moved9 = vec![1]; let taken9 = std::thread::spawn(move || moved9.len()).join();"))
    assert "has made `moved9` and moved it away" in said(module_kernel.run("moved9"))
    ok(module_kernel.run("struct P91 { a: i32 } let format = P91 { a: 1 };"))
    assert "defines the type of `format` anew" in said(module_kernel.run("struct P91 { a: f64 } let q = format.a;"))
    text = said(module_kernel.run("let w: u8 = Some(1)?;"))
    assert "in a cell" in text and "Result<()" not in text and "closure" not in text
    told = ok(module_kernel.run("struct Job; impl Job { fn run(&self) -> Result<(), String> { Err(String::new()) } }\nJob.run();")).text("stderr")
    assert "with `?` behind it" in told
    told = ok(module_kernel.run("let nan = 1.0;\nif nan == f64::NAN { println!(\"a\") }")).text("stderr")
    assert "`if nan.is_nan() { println" in told, told
    ok(module_kernel.run(
        "mod tools9 { pub fn f() -> u8 { 1 } }\nmacro_rules! st9 { ($n:ident) => { static $n: std::sync::Mutex<u8> = std::sync::Mutex::new(0); } }\nst9!(GLOB9);"
    ))
    assert "begins anew" not in ok(module_kernel.run("[1].map(|f| f + 1)")).text("stderr")


def test_the_words_of_other_libraries_lead_to_ours(module_kernel):
    assert "`learning_rate` is `Recipe::rate` here" in module_kernel.run(":doc learning_rate").text("stderr")
    assert "`Dataset`" in module_kernel.run("?DataLoader").text("stderr")
    assert "nothing is known" in module_kernel.run("?no_such_word").text("stderr")


def test_modules_in_files_beside_the_notebook(installed, tmp_path):
    (tmp_path / "pots.rs").write_text("pub fn rice() -> u8 { 4 }\n")
    (tmp_path / "bowls").mkdir()
    (tmp_path / "bowls" / "mod.rs").write_text("pub fn porridge() -> u8 { 5 }\n")
    manager = KernelManager(kernel_name="jook")
    manager.start_kernel(cwd=str(tmp_path))
    kernel = Client(manager)
    try:
        cell = 'mod pots; mod bowls; #[path = "pots.rs"] mod named; mod within { include!("pots.rs"); }\n'
        ok(kernel.run(cell, timeout=FIRST_START))
        assert value(kernel.run("(pots::rice(), bowls::porridge(), named::rice(), within::rice())")) == "(4, 5, 4, 4)"
        refused = kernel.run("mod no_such_pots;")
        assert refused.status == "error" and f"{tmp_path}/no_such_pots.rs" in "\n".join(refused.reply["content"]["traceback"])
    finally:
        kernel.close()


def test_a_panic_that_is_passed_on_is_no_empty_error(module_kernel):
    assert "passed on by `resume_unwind`" in said(module_kernel.run("std::panic::resume_unwind(Box::new(5));"))
    text = said(module_kernel.run('let was = std::panic::catch_unwind(|| panic!("first")).unwrap_err();\nstd::panic::resume_unwind(was);'))
    assert "first" in text


def test_names_of_the_users_own_are_no_trouble(start):
    kernel = start()
    kernel.wait_until_warm()
    ok(
        kernel.run(
            "struct Box<T>(T); trait Show { fn show(&self) {} } trait From {} enum Option { Some(u8), None } enum Result { Ok, Err }\n"
            "struct String; struct Vec; fn Some() {} fn Ok<T>(t: T) -> T { t } fn Err() {}\n"
            "macro_rules! println { ($($x:tt)*) => { 1 } }\nmacro_rules! format { () => { 1 } }\n"
            "mod std { pub fn mine() -> u8 { 3 } } mod core { pub fn mine() -> u8 { 4 } } mod jook { pub fn mine() -> u8 { 5 } }"
        )
    )
    ok(kernel.run("let a = 5; let b = Box(6); let w = vec![1, 2]; let o = Option::Some(3); let r = Result::Ok;"))
    assert value(kernel.run('(a, b.0, w.len(), println!("x"), std::mine() + core::mine() + jook::mine())')) == "(5, 6, 2, 1, 12)"
    assert "own" in said(kernel.run('::std::panic!("own")'))
    text = said(kernel.run('let e: ::std::result::Result<u8, &str> = ::std::result::Result::Err("bad"); e?'))
    assert "bad" in text and "line 1" in text
    # The type of `it` is asked of the compiler.
    assert "`it` has the type" in said(kernel.run("let it = (0..3).map(|x| x);"))
    # The user's `Show` is no cause of a value without a type.
    assert "Show" not in said(kernel.run('"5".parse()?'))


def test_a_negated_value_is_no_line_for_the_shell(module_kernel):
    ok(module_kernel.run("let done = false; let found = vec![1];"))
    for cell, shown in [("!done", "true"), ("!found.is_empty()", "true"), ("!true", "false"), ("// so\n!done && 3 > 2", "true")]:
        assert value(module_kernel.run(cell)) == shown
    ok(module_kernel.run("!true\nlet behind_a_program = 1;"))


def test_of_two_that_conflict_the_earlier_cells_is_named(module_kernel):
    ok(module_kernel.run("#[derive(Clone)]\nstruct Twice(i32);"))
    text = said(module_kernel.run("impl Clone for Twice { fn clone(&self) -> Twice { Twice(self.0) } }"))
    assert re.search(r"line 1 of cell \[\d+\]\n.*derive\(Clone\)", text), text


def test_names_of_any_script_and_renamed_imports(module_kernel):
    ok(module_kernel.run("let नमस्ते = 5; let ไทย = 6; let cafe\u0301 = 7;"))
    assert value(module_kernel.run("नमस्ते + ไทย + cafe\u0301")) == "18"
    ok(
        module_kernel.run(
            "use ::std::collections::{self as col, HashMap as Map, hash_map::{self, Entry as Ent}};\n"
            "use ::std::{fmt::{self as f, Display as Disp}, io::{self, Write as _}};"
        )
    )
    ok(module_kernel.run("use ::std::sync::{*, atomic::{*}}; use {::std::rc::Rc as Counted, ::std::cell::{*}};"))
    ok(module_kernel.run("let barrier = Barrier::new(1); let byte = AtomicU8::new(1); let once = Counted::new(OnceCell::<u8>::new());"))
    cell = module_kernel.run(
        "struct X13; impl Disp for X13 { fn fmt(&self, to: &mut f::Formatter<'_>) -> f::Result { to.write_str(\"x\") } }\n"
        'writeln!(io::stdout(), "written")?; let m: Map<u8, u8> = col::HashMap::new(); format!("{X13}{}", m.len())'
    )
    assert value(cell) == "x0" and cell.text() == "written\n"


def test_what_a_let_makes_is_kept(module_kernel):
    ok(
        module_kernel.run(
            "fn fails() -> Result<String, Box<dyn std::error::Error>> { Err(\"no\".into()) }\n"
            "mod hid { pub trait T { fn t(&self) -> u8 { 3 } } impl T for u8 {} pub fn make() -> Box<dyn T> { Box::new(1u8) } }\n"
            "let e = fails(); let joined = std::thread::spawn(|| 5u8).join(); let caught = std::panic::catch_unwind(|| 7u8); let t = hid::make();"
        )
    )
    assert value(module_kernel.run("use hid::T as _; (e.is_err(), joined.is_ok(), caught.is_ok(), t.t())")) == "(true, true, true, 3)"
    # `Result<!, _>`.
    ok(module_kernel.run("let never = std::panic::catch_unwind(|| panic!(\"caught\")); let ends: fn() -> ! = || std::process::exit(1);"))
    assert value(module_kernel.run("never.err().unwrap().downcast_ref::<&str>().copied()")) == 'Some("caught")'


def test_a_tokio_of_the_notebooks_own_has_its_runtime_in_every_cell(own_kernel):
    kernel = own_kernel
    line = ':dep tokio = { version = "1", features = ["rt-multi-thread", "time"] }\n'
    ok(kernel.run(f"{line}use tokio::spawn as start;\nlet first = start(async {{ 3 }});", timeout=300))
    assert value(kernel.run("first.await?")) == "3"
    ok(kernel.run("fn tick() -> tokio::task::JoinHandle<i32> { start(async { 9 }) }"))
    assert value(kernel.run("let t = tick(); t.await? + 1")) == "10"
    # Whoever brings his own runtime is not within another one.
    assert value(kernel.run("tokio::runtime::Runtime::new()?.block_on(async { start(async { 4 }).await })?")) == "4"
    assert value(kernel.run("tokio::time::sleep(std::time::Duration::from_millis(1)).await; 5")) == "5"


def test_what_a_cfg_leaves_out_takes_nobodys_name(module_kernel):
    ok(module_kernel.run(
        "#[cfg(debug_assertions)] static LIMIT7: u8 = 10;\n#[cfg(not(debug_assertions))] static LIMIT7: u8 = 20;\n"
        "#[cfg(unix)]\nfn system7() -> &'static str { \"unix\" }\n#[cfg(windows)]\nfn system7() -> &'static str { \"other\" }\n"
        "#[cfg(not(windows))] let width7 = 8;\n#[cfg(windows)] let width7 = 16;"
    ))
    assert value(module_kernel.run("(LIMIT7, system7(), width7)")) == '(10, "unix", 8)'


def test_what_ends_no_loop_says_so(module_kernel):
    text = said(module_kernel.run("for i in 0..3 { if i == 1 { break; } }\nbreak;"))
    assert "`break` outside of a loop" in text and "line 2" in text and "`return;` ends the cell" in text
    assert "inside of a closure" in said(module_kernel.run("let inner = || { continue; };"))
    # Of a value that is shown, rustc's words are told as well.
    text = said(module_kernel.run("let three = [1, 2, 3];\nlet at = 7;\nthree[at]"))
    assert "--> line 3" in text and "the length is 3 but the index is 7" in text


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("let cl = |x: u8| x + 1;", "cl"),
        ("base == 2; let warned = |x: u8| x + 1;", "warned"),
        ("let it = (0..3).map(|x| x * 2);", "it"),
        ("let fut = async { 5 };", "fut"),
        ("let deep = private::deep();", "deep"),
        ("let r = &base;", "r"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name_and_line(module_kernel, line, name):
    ok(module_kernel.run("mod private { mod inner { pub struct Deep; } pub fn deep() -> inner::Deep { inner::Deep } }"))
    text = said(module_kernel.run(f"let base = 1;\n{line}"))
    assert f"`{name}`" in text.splitlines()[0] and "line 2" in text


def test_what_borrows_for_good_is_in_nobodys_way(module_kernel):
    """A type that is asked of the compiler is found beside variables whose lifetimes are left out."""
    ok(
        module_kernel.run(
            'let ref five = 5; let words: Vec<&str> = "a b".split(\' \').collect(); let letters = "abc".chars(); '
            "let first: fn(&str) -> &str = |x| &x[..1]; let part = std::borrow::Cow::Borrowed(\"a\");"
        )
    )
    assert "`adds` is a closure" in said(module_kernel.run("let adds = |x: u8| x + 1;"))
    assert value(module_kernel.run('(*five, words.len(), letters.count(), first("xy"), part.len())')) == '(5, 2, 3, "x", 1)'


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("|x: u8| x + 1", "`{closure}` doesn't implement `Debug`"),
        ("async { 5 }", "`{async block}` doesn't implement `Debug`"),
        ("struct S5; S5", "`S5` doesn't implement `Debug`"),
        ("let s: String = |x: u8| x;", "mismatched types"),
    ],
)
def test_what_cannot_be_shown_is_refused_once_by_the_users_names(module_kernel, code, line):
    text = said(module_kernel.run(code))
    assert line in text.splitlines()[0] and text.count("error[") == 1 and "line 1" in text


def test_a_long_value_is_cut_with_its_length(module_kernel):
    text = value(module_kernel.run("let long: Vec<u32> = (0..100000).collect();\nlong"))
    assert len(text) < 10_000 and "…" in text and "100000" in text


def test_what_an_added_crate_keeps_lasts(start, tmp_path):
    name = f"counts_{int(time.time())}"
    line = crate(
        tmp_path,
        name,
        "use std::sync::atomic::{AtomicU32, Ordering::SeqCst};\npub static N: AtomicU32 = AtomicU32::new(0);\n"
        "pub fn next() -> u32 { N.fetch_add(1, SeqCst) }\npub fn of<T>(_: T) -> u32 { static G: AtomicU32 = AtomicU32::new(0); G.fetch_add(1, SeqCst) }\n"
        "thread_local! { static T: std::cell::Cell<u32> = const { std::cell::Cell::new(0) }; }\n"
        "pub fn local() -> u32 { T.set(T.get() + 1); T.get() }\n"
        "pub struct Size(pub u8); pub trait Wide { fn wide(&self) -> u8 { 9 } } impl Wide for Size {}",
    )
    kernel = start()
    kernel.wait_until_warm()
    ok(kernel.run("let map: std::collections::HashMap<u8, std::rc::Rc<u8>> = Default::default();"))
    call = f"({name}::next(), {name}::of(1u8), {name}::local())"
    assert value(kernel.run(f"{line}let size = {name}::Size(1); {call}", timeout=300)) == "(0, 0, 1)"
    assert value(kernel.run(call)) == "(1, 1, 2)"
    # The trait is in the crate's own `lib.rs`, at a line that the cell's has, too.
    text = said(kernel.run("(size.wide(), 1)"))
    assert "no method named `wide` found" in text and "line 1, column 7" in text
    assert value(kernel.run(f"use {name}::*; (next(), size.wide(), map.len())")) == "(2, 9, 0)"


def test_what_a_notebook_imports_as_a_whole_goes_before_the_prelude(module_kernel):
    ok(
        module_kernel.run(
            "mod geo { pub fn show(x: f64) -> String { format!(\"geo {x}\") } pub fn input(x: &str) -> usize { x.len() } "
            "#[derive(Debug, Clone)] pub struct Table(pub u8); }\nuse geo::*;"
        )
    )
    assert value(module_kernel.run("show(1.5)")) == "geo 1.5"
    ok(module_kernel.run('let text = show(2.5); let length = input("four"); let table = Table(4);'))
    ok(module_kernel.run("fn both() -> String { show(3.5) }"))
    assert value(module_kernel.run('format!("{text} {length} {table:?} {}", both())')) == "geo 2.5 4 Table(4) geo 3.5"
    ok(module_kernel.run("mod one { pub fn f() {} } mod two { pub fn f() {} } use one::*; use two::*;"))
    text = said(module_kernel.run("f()"))
    assert "`f` is ambiguous" in text and "`one::f` or `two::f`" in text
    told = ok(module_kernel.run("mod geo { pub fn other() {} }")).text("stderr")
    assert "`use geo::show`" in told and "`fn both`" in told


@pytest.mark.parametrize(
    "code",
    [
        "if true { return; }",
        "for i in 0..3 {\n    if i == 1 { return }\n}",
        "let Some(_) = None::<u8> else { return; };",
        "match 1 { 1 => return, _ => {} }",
        "async fn late13() -> u8 { 1 }\nif late13().await == 1 { return; }",
        "if true { return Ok(()); }",
        "match 2 { 1 => {} _ => return }",
    ],
)
def test_a_return_ends_the_cell_and_keeps_nothing_of_it(module_kernel, code):
    ok(module_kernel.run("let before = 1;"))
    cell = ok(module_kernel.run(f'println!("a");\nlet first = 2;\n{code}\nlet second = 3;\nprintln!("b");'))
    assert cell.text() == "a\n"
    for name in ["first", "second"]:
        text = said(module_kernel.run(name))
        assert f"would have made `{name}`" in text and "left by a `return`" in text
    assert value(module_kernel.run("before")) == "1"
    assert ok(module_kernel.run('println!("to the end");\nreturn')).text() == "to the end\n"
    # Of others' a cell takes no notice.
    assert value(module_kernel.run("fn seven(x: u8) -> u8 { if x > 1 { return 7; } 0 } { let g = |x: u8| { if x > 1 { return; } }; g(2); } seven(2)")) == "7"


def test_a_length_that_the_compiler_finds_is_kept(module_kernel):
    cell = module_kernel.run("let found7: [i32; _] = [1, 2]; let many7: Vec<[u8; _]> = vec![[1, 2, 3]]; found7")
    assert value(cell) == "[1, 2]"
    assert value(module_kernel.run("let word7 = \"a b\".split(' ').count(); word7 + found7.len() + many7[0].len()")) == "7"


def test_every_panic_of_a_cell_is_told(own_kernel):
    own_kernel.wait_until_warm(FIRST_START)
    cell = own_kernel.run('for i in 0..3 { let _ = std::panic::catch_unwind(|| panic!("caught {i}")); }')
    assert [f"caught {i}" in cell.text("stderr") for i in range(3)] == [True] * 3
    own_kernel.run("struct Twice7; impl Drop for Twice7 { fn drop(&mut self) { panic!(\"second\") } }")
    cell = own_kernel.run('let _kept = Twice7;\npanic!("first");')
    told = cell.text("stderr") + "\n".join(cell.reply["content"]["traceback"])
    assert cell.reply["content"]["ename"] == "ChildDied" and "first" in told and "second" in told


def test_stop_ends_a_wait_for_a_future_and_nothing_else(own_kernel):
    own_kernel.wait_until_warm(FIRST_START)
    own_kernel.run("let kept7 = 7;")
    request = own_kernel.start("std::future::pending::<()>().await")
    time.sleep(3)
    own_kernel.manager.interrupt_kernel()
    begun = time.monotonic()
    assert own_kernel.reply(request)["content"]["ename"] == "Interrupted"
    assert time.monotonic() - begun < 2
    assert value(own_kernel.run("kept7")) == "7"
