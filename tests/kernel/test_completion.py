"""Completion and inspection never cost anything: wherever the cursor stands, an answer comes, and the session with its
variables is there as before."""

import json
import random
import time

import pytest

from conftest import ROOT
from living import Lasting, told

SETUP = """
use std::collections::HashMap;
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind { Jasmine, Basmati }
#[derive(Debug, Clone)]
struct Pot { rice: f64, water: f64 }
impl Pot { fn ratio(&self) -> f64 { self.water / self.rice } }
trait Cooks { fn cooks(&self) -> bool; }
impl Cooks for Pot { fn cooks(&self) -> bool { true } }
fn cook(pot: &Pot, minutes: u32) -> f64 { pot.ratio() * minutes as f64 }
let n = 7u64;
let x = 2.5f64;
let xs = vec![1.0f64, 2.0, 3.0];
let mut kinds = vec![Kind::Jasmine];
let pot = Pot { rice: 1.0, water: 2.0 };
let names = vec!["rice".to_string()];
let mut prices: HashMap<String, f64> = HashMap::new();
let maybe = Some(3i32);
"""
STATE = 'format!("{n} {x} {} {} {} {} {}", xs.len(), kinds.len(), pot.water, names.len(), prices.len())'
KEPT = "7 2.5 3 1 2 1 0"

# What stands before the cursor, in everyday typing.
PREFIXES = [
    "kinds.push(", "kinds.push(Kind::", "cook(", "cook(&pot, ", "let y: f64 = ", "let k: Kind = ", "let z: Vec<f64> = ",
    "xs[n", "xs[0..", "xs[", "return ", "let p = Pot { rice: ", "let p = Pot { ", "Mlp::new([64, ",
    "datasets::digits()?.few_shot(", "assert_eq!(n, ", "assert!(", "(1..", "for i in 0..", "|x: f64| -> f64 { ",
    "xs.iter().map(|v| ", "xs.iter().map(|v| v * ", "if ", "if n == ", "while ", "match maybe { Some(", "match kinds[0] { Kind::Jasmine => ",
    "let f = |a: u32| ", "prices.insert(", "prices.get(", "let s: String = ", "let o: Option<i32> = ", "let (a, b) = ",
    "n + ", "x * ", "-", "!", "&", "*", "n as ", "pot.", "pot.ratio() + ", "Some(", "vec![", "println!(\"{}\", ", "format!(\"{",
    "let b: Box<dyn Cooks> = ", "fn twice(v: f64) -> f64 { ", "impl Pot { fn new() -> Self { ", "struct Bowl { pot: ", "use ",
    "let r: Result<f64, String> = ", "let mut q: &Pot = ", "Recipe::new().epochs(", "Pot { rice: 1.0, ..", "break ", "async { ",
    "let c: fn(f64) -> f64 = ", "x.powi(", "names.join(", "std::iter::repeat(", "let a: [f64; 3] = [", "kinds.iter().filter(|k| **k == ",
]  # fmt: skip


@pytest.fixture(scope="module")
def lasting(installed):
    holder = Lasting(SETUP, STATE, KEPT)
    yield holder
    holder.close()


def complete(kernel, code, cursor=None, timeout=20):
    reply = kernel.reply(kernel.kc.complete(code, len(code) if cursor is None else cursor), timeout)["content"]
    assert reply["status"] == "ok", (code, reply)
    assert 0 <= reply["cursor_start"] <= reply["cursor_end"] <= len(code), (code, reply)
    return reply["matches"]


def inspect(kernel, code, cursor=None, timeout=20):
    reply = kernel.reply(kernel.kc.inspect(code, len(code) if cursor is None else cursor), timeout)["content"]
    assert reply["status"] == "ok", (code, reply)
    return reply


def assert_kept(kernel, about=""):
    cell = kernel.run(STATE, timeout=20)
    assert cell.status == "ok", (about, told(cell))
    assert cell.contents("execute_result")[0]["data"]["text/plain"] == KEPT, about


def kept_as_completion_sees_it(kernel, about):
    """Quicker than a cell, which `assert_kept` runs."""
    assert "kinds" in complete(kernel, "kin"), f"the variables are gone after {about!r}"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_session_outlives_a_completion_after(lasting, prefix):
    kernel = lasting.kernel or lasting.get()
    try:
        complete(kernel, prefix)
        inspect(kernel, prefix)
        kept_as_completion_sees_it(kernel, prefix)
    except BaseException:
        lasting.close()
        raise


def test_variables_and_cells_are_there_after_all_of_them(lasting):
    """Many at a time, unlike above also without waiting for the answers."""
    kernel = lasting.get()
    for prefix in PREFIXES:
        complete(kernel, prefix)
    asked = {kernel.kc.complete(prefix, len(prefix)) for prefix in PREFIXES[:20]}
    # In whatever order.
    while asked:
        reply = kernel.kc.get_shell_msg(timeout=30)
        assert reply["content"]["status"] == "ok"
        asked.discard(reply["parent_header"]["msg_id"])
    assert_kept(kernel, "all prefixes")
    assert kernel.run("kinds.push(Kind::Basmati); kinds.pop(); let later = n + 1;").status == "ok"
    assert_kept(kernel)


@pytest.mark.parametrize(
    "code, name",
    [
        ("kinds.push(ki", "kinds"),
        ("let y: f64 = n", "n"),
        ("let y: f64 = x", "x"),
        ("cook(&po", "pot"),
        ("xs[n", "n"),
        ("return x", "x"),
        ("assert_eq!(n, x", "xs"),
        ("(1..n", "n"),
        ("Mlp::new([64, n", "n"),
        ("let p = Pot { rice: x", "x"),
        ("let p = Pot { ri", "rice"),
        ("pot.ra", "ratio"),
        ("kinds.push(Kind::Ba", "Basmati"),
        ("|x: f64| -> f64 { x.sqr", "sqrt"),
        ("let k: Kind = Kind::Ja", "Jasmine"),
        ("if x > 1.0 && n", "n"),
        ("xs.iter().map(|v| v.sq", "sqrt"),
        ("names.iter().map(|name| name.le", "len"),
        ("let z: Vec<f64> = xs.cl", "clone"),
        ("datasets::digits()?.few_s", "few_shot"),
    ],
)
def test_useful_names_still_come(lasting, code, name):
    kernel = lasting.get()
    names = [match.split("(")[0] for match in complete(kernel, code)]
    assert name in names, names[:20]


def test_a_word_in_the_middle_of_a_cell(lasting):
    kernel = lasting.get()
    code = "let first = 1;\nkinds.push(ki\nlet emoji = \"😀\";\ncook(&pot, 3);\n"
    assert "kinds" in complete(kernel, code, code.index("ki\n") + 2)
    assert inspect(kernel, code, code.index("cook") + 2)["found"]
    for cursor in range(len(code) + 1):
        complete(kernel, code, cursor)
    assert_kept(kernel)


@pytest.mark.parametrize(
    "code",
    ["", " ", "\n\n", "(((((", "}}}}", "\"unfinished", "'", "/* ", "//", "#[", "r#\"", "let", "😀", "é.", "\u0000", "\u202e x", "0x", "..", "::", "<", "Vec<",
     "fn", "macro_rules! m { ", "kinds." * 50, "(" * 500, "if true { " * 60, "xs.iter()" + ".map(|v| v)" * 60 + ".", ":", ":de", ":dep ", "!ls ", "%%ti", "?"],
)  # fmt: skip
def test_odd_text_costs_nothing_either(lasting, code):
    kernel = lasting.kernel or lasting.get()
    try:
        complete(kernel, code)
        inspect(kernel, code)
        complete(kernel, code, len(code) // 2)
        kept_as_completion_sees_it(kernel, code[:40])
    except BaseException:
        lasting.close()
        raise


def lesson_cells():
    cells = []
    for lesson in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(lesson.read_text())["cells"]:
            if cell["cell_type"] == "code":
                cells.append("".join(cell["source"]))
    return cells


@pytest.mark.parametrize("part", range(6))
def test_cells_cut_anywhere(lasting, part):
    """Three hundred places in the lessons' cells; of half of them the rest of the cell stands behind the cursor."""
    places = random.Random(100 + part)
    cells = lesson_cells()
    kernel = lasting.get()
    slowest = 0
    for turn in range(50):
        cell = places.choice(cells)
        cut = places.randrange(1, len(cell) + 1)
        code = cell if turn % 2 else cell[:cut]
        began = time.monotonic()
        complete(kernel, code, cut, timeout=20)
        if turn % 4 < 2:
            inspect(kernel, code, cut, timeout=20)
        slowest = max(slowest, time.monotonic() - began)
        if turn % 10 == 9:
            assert "kinds" in complete(kernel, "kin"), f"lost after {code[:cut][-60:]!r}"
    print(f"the slowest answer took {slowest:.2f} s")
    assert_kept(kernel)


def test_beside_a_running_cell(lasting):
    kernel = lasting.get()
    slow = kernel.start('println!("running"); std::thread::sleep(std::time::Duration::from_secs(6)); n + 1')
    kernel.wait_for_output(slow, "running")
    began = time.monotonic()
    for prefix in PREFIXES[:12]:
        complete(kernel, prefix)
    assert "kinds" in complete(kernel, "kinds.push(ki")
    assert "ratio()" in complete(kernel, "pot.ra")
    assert inspect(kernel, "cook(&pot, 3)", 2)["found"]
    assert time.monotonic() - began < 5.5, "the answers came after the cell"
    cell = kernel.wait(slow)
    assert cell.contents("execute_result")[0]["data"]["text/plain"] == "8"
    assert_kept(kernel)


def test_before_the_first_cell(start):
    """A notebook that is opened and typed into."""
    kernel = start()
    for prefix in ["let y: f64 = ", "return ", "Mlp::new([64, ", "(1..", "assert_eq!(1, "]:
        complete(kernel, prefix, timeout=60)
        inspect(kernel, prefix, timeout=60)
    assert kernel.run("6 * 7").contents("execute_result")[0]["data"]["text/plain"] == "42"


def test_after_a_cell_that_failed_or_was_stopped(lasting):
    kernel = lasting.get()
    for bad in ["let broken: u32 = n.nothing();", "xs[99]", 'let e: u32 = "x".parse()?;', "let a = )("]:
        assert kernel.run(bad).status == "error"
        for prefix in ["kinds.push(", "let y: f64 = ", "xs["]:
            complete(kernel, prefix)
        assert "kinds" in complete(kernel, "kinds.push(ki")
    running = kernel.start('println!("running"); loop { std::thread::sleep(std::time::Duration::from_millis(5)); }')
    kernel.wait_for_output(running, "running")
    complete(kernel, "kinds.push(")
    # Once is asking, twice is killing; the variables are lost then.
    kernel.interrupt()
    time.sleep(2.2)
    kernel.interrupt()
    assert kernel.wait(running, timeout=20).reply["content"]["ename"] == "Interrupted"
    complete(kernel, "let y: f64 = ")
    assert kernel.run("6 * 7").contents("execute_result")[0]["data"]["text/plain"] == "42"
    lasting.close()
