"""Items that a notebook's macros make: they are kept, replaced by their names, and what is made no more is told."""

import pytest

from client import ok

SHAPES = "macro_rules! shapes { ($($n:ident),* $(,)?) => { $( #[derive(Debug)] struct $n; impl $n { fn hi(&self) -> &'static str { stringify!($n) } } )* } }"


def value(cell):
    return ok(cell).contents("execute_result")[0]["data"]["text/plain"]


def refused(cell):
    assert cell.status == "error"
    return "\n".join(cell.reply["content"]["traceback"])


def test_a_call_that_makes_less_says_what_is_gone(module_kernel):
    ok(module_kernel.run(SHAPES))
    ok(module_kernel.run("shapes!(Circle, Square);"))
    # The same again takes nothing.
    assert ok(module_kernel.run("shapes!(Circle, Square,);")).text("stderr") == ""
    ok(module_kernel.run("fn area(of: &Square) -> usize { of.hi().len() }"))
    told = ok(module_kernel.run("shapes!(Circle);")).text("stderr")
    assert "`Square` is gone: `shapes!(Circle, Square,)` made it" in told and "`fn area`" in told
    assert "`shapes!(Circle, Square,)` made `Square`" in refused(module_kernel.run("Square.hi()"))
    assert value(module_kernel.run("Circle.hi()")) == "Circle"
    assert ok(module_kernel.run("shapes!(Square);")).text("stderr") == ""
    assert value(module_kernel.run("(Circle.hi(), Square.hi())")) == '("Circle", "Square")'


@pytest.mark.parametrize(
    ("first", "second", "use", "what"),
    [
        ("shapes!(A2, B2);", "struct A2(u8);", "A2(2).0", "2"),
        ("struct A3(u8);", "shapes!(A3);", "A3.hi()", "A3"),
        ("shapes!(A4, B4);", "shapes!(B4, A4, C4);", "C4.hi()", "C4"),
    ],
)
def test_macros_and_other_items_replace_each_other(module_kernel, first, second, use, what):
    for cell in [SHAPES, first, second]:
        ok(module_kernel.run(cell))
    assert value(module_kernel.run(use)) == what


def test_impls_that_a_macro_makes_are_replaced_with_a_word(module_kernel):
    ok(
        module_kernel.run(
            "struct X5; struct Y5; trait Area5 { fn area(&self) -> f64; }\n"
            "macro_rules! area5 { ($($t:ty => $e:expr),*) => { $( impl Area5 for $t { fn area(&self) -> f64 { $e } } )* } }\n"
            "area5!(X5 => 1.0, Y5 => 2.0);"
        )
    )
    told = ok(module_kernel.run("area5!(X5 => 3.0);")).text("stderr")
    assert "`area5!(X5 => 1.0, Y5 => 2.0);`" in told and "set aside" in told
    assert value(module_kernel.run("X5.area()")) == "3.0"
    assert "has set `area5!(X5 => 1.0, Y5 => 2.0);` aside" in refused(module_kernel.run("Y5.area()"))


def test_macros_that_call_others_make_items_too(module_kernel):
    ok(
        module_kernel.run(
            "macro_rules! outer6 { ($n:ident) => { inner6!($n); } } macro_rules! inner6 { ($n:ident) => { #[derive(Debug)] struct $n(u8); } }\n"
            "macro_rules! each6 { () => {}; ($n:ident $($rest:tt)*) => { fn $n() -> u8 { 6 } each6!($($rest)*); } }"
        )
    )
    ok(module_kernel.run("outer6!(Deep6);\neach6!(one6 two6);"))
    ok(module_kernel.run("let deep6 = Deep6(two6());"))
    assert value(module_kernel.run("deep6")) == "Deep6(6)"
    assert "`two6` is gone" in ok(module_kernel.run("each6!(one6);")).text("stderr")


def test_statics_that_a_macro_makes_begin_anew_with_a_word(module_kernel):
    ok(
        module_kernel.run(
            "macro_rules! count7 { ($n:ident, $m:ident) => { static $n: std::sync::Mutex<u8> = std::sync::Mutex::new(0); "
            "thread_local! { static $m: std::cell::Cell<u8> = const { std::cell::Cell::new(0) }; } } }\ncount7!(MADE7, LOCAL7);"
        )
    )
    for use in ["*MADE7.lock().unwrap() += 1;", "LOCAL7.with(|it| it.set(it.get() + 1));"]:
        assert "begins anew in each cell" in ok(module_kernel.run(use)).text("stderr"), use
    ok(module_kernel.run("static MADE7: std::sync::Mutex<u8> = std::sync::Mutex::new(0);"))
    assert ok(module_kernel.run("*MADE7.lock().unwrap() += 1;")).text("stderr") == ""
    assert value(module_kernel.run("*MADE7.lock().unwrap()")) == "1"


def test_a_macro_that_its_cell_has_not_made_says_why(module_kernel):
    assert module_kernel.run("macro_rules! never8 { () => { 1 } }\nlet no: u8 = \"no\";").status == "error"
    assert "would have made `never8`" in refused(module_kernel.run("never8!()"))
