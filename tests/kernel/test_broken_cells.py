"""Cells that are wrong: nothing of them runs, the message says what and where; what looks like a command may be text."""

import re

from pathlib import Path

import pytest

from client import ok


def said(cell):
    assert cell.status == "error"
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(cell.reply["content"]["traceback"]))


@pytest.mark.parametrize(
    ("tail", "message", "line"),
    [
        ("let a = 1\nlet b = 2;", "expected `;`", 2),
        ("println!(\"x\"); }", "unexpected closing `}`", 2),
        ("}\nlet x = 1;\n{", "unexpected closing `}`", 2),
        ("fn f( { }", "unclosed `(`", 2),
        ("let s = \"open;", "unterminated double quote string", 2),
        ("let v = vec![1, 2;", "unclosed `[`", 2),
        ("struct S { a: u8 b: u8 }", "expected `,`", 2),
        ("/* open\n1", "unterminated block comment", 2),
        ("let x = 1;\nlet = 5;", "expected pattern", 3),
        ("match 1 { 1 => 2 3 => 4 }", "following `match` arm", 2),
        ("let x = 0xZZ;", "no valid digits", 2),
        ("'ab'", "character literal", 2),
        ("for i in 0..3 {", "unclosed `{`", 2),
        ("else { }", "found keyword `else`", 2),
        ("@", "found `@`", 2),
        ("#", "found the end of the cell", 2),
        ("pub", "not followed by an item", 2),
        ("impl for X {}", "missing trait", 2),
        ("use", "expected identifier", 2),
        ("struct", "expected identifier", 2),
        ("let y = 2;\nstatic", "expected identifier", 3),
        ("type", "expected identifier", 2),
        ("1 +", "ends where something should follow", 2),
        (":dep foo = \"1\"", "a command at the head of a cell", 2),
    ],
)
def test_nothing_of_a_cell_with_a_syntax_error_runs(module_kernel, tail, message, line):
    cell = module_kernel.run('println!("ran");\n' + tail)
    text = said(cell)
    assert message in text and f"--> line {line}" in text
    assert "cell/lib.rs" not in text and "evcxr" not in text
    assert cell.text() == ""


@pytest.mark.parametrize(
    ("code", "warned"),
    [
        ('println!("a");\nstd::fs::read_to_string("/nonexistent");', [2]),
        ('fn noisy() {\n    "5".parse::<i32>(); // é\n}', [2]),
        ('let été = 1; "é".parse::<u8>();', [1]),
        ("#[must_use] fn must() -> u8 { 1 }\nmust();", [2]),
        ("let x = 5;\nx == 6;", [2]),
        ("vec![1].iter().map(|x| x + 1);", [1]),
        ('match 5 { x => println!("{x}"),\n6 => println!("six") }', [2]),
        ("async fn waits() {}\nwaits();", [2]),
        ("fn BadName() {}\nlet unused = 5;\nlet mut fixed = 5;\nstruct Never { a: u8 }", []),
        ("fn unfinished() { unimplemented!() }", []),
        ("noisy();", []),
        ("let _ = \"5\".parse::<i32>(); \"5\".parse::<i32>().ok();", []),
    ],
)
def test_a_warning_that_means_a_mistake_is_told_with_its_line(module_kernel, code, warned):
    text = re.sub(r"\x1b\[[0-9;]*m", "", ok(module_kernel.run(code)).text("stderr"))
    assert [int(line) for line in re.findall(r"--> line (\d+)", text)] == warned
    assert text.count("warning: ") == len(warned)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('let t = "\n:help\n!ls\n%%time\n:clear\n:dep nope = \\"1\\"\n"; t.lines().count()', "6"),
        ('/*\n:clear\n/* %%time */\n!ls\n*/\n// :help\nlet r = r#"\n:quit "\n!echo hi\n"#; r.len()', "18"),
        ('let b = b"\n:clear\n"; b.len()', "8"),
        ("/// Of mine.\n/**\n:clear\n*/\nfn documented() {}\nkept", "7"),
        ("let c = '\"'; let s = \"\\\n:help\"; s", ":help"),
    ],
)
def test_a_line_of_text_is_no_command(module_kernel, code, value):
    ok(module_kernel.run("let kept = 7;"))
    cell = ok(module_kernel.run(code))
    assert cell.contents("execute_result")[0]["data"]["text/plain"] == value
    assert cell.outputs[0]["msg_type"] == "execute_result"
    ok(module_kernel.run("kept"))


def test_errors_in_a_statics_line_have_the_columns_of_the_cell(module_kernel):
    text = said(module_kernel.run("static N: std::sync::Mutex<Vec<Missing>> = std::sync::Mutex::new(Vec::new());"))
    assert "line 1, column 32" in text


def test_an_error_keeps_its_message_where_a_note_stands_elsewhere(module_kernel):
    ok(module_kernel.run("use std::rc::Rc;\nmod far { pub struct C; pub trait Tt { fn tt(&self) -> u8 { 1 } } impl Tt for C {} }\nlet c = far::C;"))
    text = said(module_kernel.run("(c.tt(), 1)"))
    assert "no method named `tt` found" in text and "line 1, column 4" in text and "use crate::far::Tt;" in text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("(" * 60_000 + "1" + ")" * 60_000, "60000 brackets stand within each other"),
        ("vec![" * 3000 + "1" + "]" * 3000, "brackets stand within each other"),
        ("-" * 20_000 + "1", "the compiler has broken down"),
        ("1" + " + 1" * 20_000, "the compiler has broken down"),
    ],
)
def test_what_is_too_deep_for_the_compiler_is_told_and_ends_nothing(module_kernel, code, words):
    module_kernel.run("let before = 5;")
    text = said(module_kernel.run(code, timeout=120))
    assert words in text and len(text.splitlines()) < 12 and ".so(" not in text
    assert module_kernel.run("before").contents("execute_result")[0]["data"]["text/plain"] == "5"


def test_a_cell_that_closes_what_stands_around_it_leaves_the_machine_alone(module_kernel):
    cell = module_kernel.run("fn g2() -> u32 { 3 } } fn h() {")
    assert cell.status == "error" and "closing delimiter" in said(cell)
    assert Path("/dev/null").is_char_device()


def test_code_that_is_never_reached_is_told(module_kernel):
    cell = module_kernel.run('loop { break; println!("never"); }')
    assert "unreachable" in cell.text("stderr")
    for plain in ['panic!("p")', "loop { break 3 }", "let q = 5; q", "std::process::id() > 0", "return;", "todo!()"]:
        assert "unreachable" not in module_kernel.run(plain).text("stderr"), plain
