"""What a user reads when something goes wrong: rustc's help, hints, causes, and what a dead process leaves behind."""

import re
import resource
import time

import pytest


def traceback(cell):
    assert cell.status == "error", cell.messages
    return re.sub("\x1b\\[[0-9;]*m", "", "\n".join(cell.reply["content"]["traceback"]))


@pytest.mark.parametrize(
    "code, said",
    [
        ("fn take(v: &Vec<i32>) {}\nlet x = vec![1, 2];\ntake(x);", ["^ expected `&Vec<i32>`", "help: consider borrowing here: `take(&x);`"]),
        ("let v = vec![1]; let w = v;\nv.len()", ["borrow of moved value", "hint: give `&v` or `v.clone()`"]),
        ("let unknown = Vec::new();", ["type annotations needed", "hint: write the type"]),
        ("let twice = |x: i32| 2 * x;", ["`twice` is a closure", "hint: box it: `let f: Box<dyn Fn"]),
        ("let s = String::from(\"a\");\nlet r = s.as_str();", ["line 2", "`r` holds a reference", "hint: what stays", ".to_owned()"]),
        ("let it = (0..3).map(|x| x + 1);", ["`it` has the type", "`.collect::<Vec<_>>()` an iterator"]),
        ("use no_such_crate::Thing;", ["hint: a crate is added by a line `:dep no_such_crate"]),
        ("let n: i32 = Some(3)?;", ["hint: make an `Option` a `Result`"]),
        ("let fixed = 1;\nfixed = 2;", ["hint: declare it `let mut fixed`"]),
        ("let a = 1\nlet b = 2;", ["help: add `;` here: `let a = 1;`"]),
        ("let a = 1\nprintln!(\"{a}\")", ["expected `;`", "line 1", "help: add `;` here: `let a = 1;`"]),
        ('let n = "5".parse()?;', ["hint: nothing says which type is wanted", "`.parse::<f32>()`"]),
        ("return 5", ["hint: a cell is no function", "`return;` ends the cell early"]),
        ("no_such_name", ["^ not found in this scope"]),
        (":nope", ["unknown command :nope", "hint: `:help` lists the commands"]),
        ("%%capture\n1", ["`%%capture` is not known here; `:help`"]),
        (":explain everything", ["errors have codes like E0382"]),
    ],
)
def test_help_and_hints(kernel, code, said):
    text = traceback(kernel.run(code))
    assert all(words in text for words in said), text
    inner = ["evcxr", "jook_cell_", "long-type", "--verbose", "error: cannot find"]
    assert not any(words in text.lower() for words in inner), text


@pytest.mark.parametrize(
    "code, said, line",
    [
        ('let a = 1;\nprintln!("hi"', "unclosed `(`", 2),
        ('if true { println!("a")', "unclosed `{`", 1),
        ("let x = 5;\nx +", "ends where something should follow", 2),
    ],
)
def test_an_unfinished_cell_shows_its_own_lines(kernel, code, said, line):
    text = traceback(kernel.run(code))
    assert said in text and f"line {line}" in text and code.split("\n")[line - 1] in text, text
    assert "cell/lib.rs" not in text and "evcxr" not in text.lower(), text


def test_an_error_type_without_debug_is_told(kernel):
    assert kernel.run("struct Bare; fn bare() -> Result<i32, Bare> { Err(Bare) }").status == "ok"
    for code in ("bare()?", "let n = bare()?;"):
        assert "derive(Debug)" in traceback(kernel.run(code))


def test_no_more_than_five_errors(kernel):
    text = traceback(kernel.run("\n".join(f'let n{i}: i32 = "text";' for i in range(7))))
    assert text.count("error[E0308]") == 5 and "and 2 more errors" in text


def test_a_variable_that_is_gone_says_why(kernel):
    assert kernel.run("let cargo = vec![1]; let port = 3;").status == "ok"
    mover = kernel.run("let ship = cargo;")
    number = mover.reply["content"]["execution_count"]
    text = traceback(kernel.run("cargo.len()"))
    assert f"`cargo` was moved away by cell [{number}], at `let ship = cargo;`" in text
    failed = kernel.run('let plan = 7;\npanic!("no");')
    number = failed.reply["content"]["execution_count"]
    assert f"cell [{number}] would have made `plan`" in traceback(kernel.run("plan + port"))
    assert kernel.run("let cargo = 1; let plan = 2;").status == "ok"
    assert kernel.run("cargo + plan + port").contents("execute_result")[0]["data"]["text/plain"] == "6"


def test_a_variable_whose_type_was_defined_anew(kernel):
    assert kernel.run("struct Point { x: i32 }\nlet point = Point { x: 1 };").status == "ok"
    assert kernel.run("struct Point { x: f64, y: f64 }").status == "ok"
    assert "`point` was lost because its type was defined anew" in traceback(kernel.run("point.x"))


@pytest.mark.parametrize(
    "code, line",
    [
        ("let a = 1;\nlet d = std::time::Duration::from_secs_f64(-1.0);\nlet b = 2;", 2),
        ("let a = 1;\nlet d =\n    deep(-1.0);", 3),
        ("let mut w = vec![3, 1, 2];\nw.sort_by(|a, b| {\n    std::time::Duration::from_secs_f64(-1.0);\n    a.cmp(b)\n});", 3),
    ],
)
def test_a_panic_in_a_library_shows_the_cells_own_line(kernel, code, line):
    deep = "fn deep(seconds: f64) -> std::time::Duration { std::time::Duration::from_secs_f64(seconds) }"
    assert kernel.run(f"{deep}\nlet kept = 5;").status == "ok"
    cell = kernel.run(code)
    text = traceback(cell)
    assert cell.reply["content"]["ename"] == "Panic" and "core/src/time.rs" in text
    assert f"--> line {line}\n" in text, text
    assert kernel.run("kept").contents("execute_result")[0]["data"]["text/plain"] == "5"


CHAIN = """
#[derive(Debug)] struct Outer(std::io::Error);
impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, "could not start") }
}
impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> { Some(&self.0) }
}
#[derive(Debug)] enum Bare { Because(i32) }
fn bare() -> Result<i32, Bare> { Err(Bare::Because(3)) }
"""


@pytest.mark.parametrize(
    "code, said",
    [
        ('Err(Outer(std::io::Error::other("disk on fire")))?;', ["could not start", "caused by: disk on fire"]),
        ("let a = 1;\nlet b = bare()?;", ["Because(3)", "line 2"]),
        ('Err("plain text")?;', ["plain text"]),
        ('let e: Box<dyn std::error::Error + Send + Sync> = "boxed".into();\nErr(e)?;', ["boxed", "line 2"]),
        ('Err(String::from("owned \\"text\\""))?;', ['owned "text"']),
    ],
)
def test_a_question_mark_takes_any_error_and_tells_its_causes(kernel, code, said):
    assert kernel.run(CHAIN).status == "ok"
    cell = kernel.run(code)
    text = traceback(cell)
    assert cell.reply["content"]["ename"] == "UserError" and all(words in text for words in said), text


def test_a_question_mark_takes_errors_that_borrow(kernel):
    cell = kernel.run("let lock = std::sync::Mutex::new(1);\nlet inside = *lock.lock()? + 1;")
    assert cell.status == "ok", traceback(cell)


KILL = 'std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status()?;'


def test_a_dead_process_is_explained_and_replaced(own_kernel):
    own_kernel.wait_until_warm()
    assert own_kernel.run("use std::collections::BTreeMap;\nfn still(x: i32) -> i32 { x + 1 }").status == "ok"
    deaths = [
        ("unsafe { std::ptr::null_mut::<i32>().write_volatile(1) };", "SIGSEGV"),
        ("fn down(n: u64) -> u64 { let a = [n; 99]; down(n + 1) + std::hint::black_box(a)[3] }\ndown(1)", "stack overflowed"),
        ("std::process::abort()", "SIGABRT"),
        ("std::process::exit(3)", "exit code 3"),
        ("let much: Vec<u8> = Vec::with_capacity(1 << 46);", "memory allocation of"),
        (f"{KILL}\nloop {{}}", "out of memory"),
    ]
    for code, said in deaths:
        assert own_kernel.run("let kept = 1;").status == "ok"
        cell = own_kernel.run(code)
        text = traceback(cell)
        assert cell.reply["content"]["ename"] == "ChildDied" and said in text and "variables are lost" in text, text
        start = time.monotonic()
        assert own_kernel.run("still(BTreeMap::from([(1, 2)])[&1])").contents("execute_result")[0]["data"]["text/plain"] == "3"
        assert time.monotonic() - start < 3
        assert "was lost when the process of cell" in traceback(own_kernel.run("kept"))


def test_a_process_that_runs_out_of_memory_is_explained_and_replaced(own_kernel):
    """Memory that is asked for bit by bit until there is no more, as real programs do it."""
    own_kernel.wait_until_warm()
    child = int(ok_text(own_kernel.run('let kept = 1; println!("{}", std::process::id());')))
    with open(f"/proc/{child}/statm") as sizes:
        used = int(sizes.read().split()[0]) * resource.getpagesize()
    resource.prlimit(child, resource.RLIMIT_AS, (used + (256 << 20), used + (256 << 20)))
    cell = own_kernel.run("let mut all = Vec::new();\nloop { all.push(vec![1u8; 16 << 20]); }")
    text = traceback(cell)
    assert cell.reply["content"]["ename"] == "ChildDied"
    assert "memory allocation of 16777216 bytes failed; the machine has not that much left" in text, text
    start = time.monotonic()
    assert ok_text(own_kernel.run('println!("on");')) == "on\n"
    assert time.monotonic() - start < 3
    # The next process is not limited.
    assert own_kernel.run("let all = vec![vec![1u8; 64 << 20]; 6]; all.len()").status == "ok"


def ok_text(cell):
    assert cell.status == "ok", traceback(cell)
    return cell.text()


@pytest.mark.long
def test_twenty_deaths_in_a_row(own_kernel):
    own_kernel.wait_until_warm()
    for turn in range(20):
        assert own_kernel.run("std::process::abort()").reply["content"]["ename"] == "ChildDied"
        assert own_kernel.run(f"println!(\"{turn}\");").text() == f"{turn}\n"


def test_dbg_tells_the_cells_line(kernel):
    cell = kernel.run("fn twice(n: u32) -> u32 {\n    dbg!(2 * n)\n}\nlet x = dbg!(twice(4) + 1);")
    assert cell.text("stderr") == "[line 2, column 5] 2 * n = 8\n[line 4, column 9] twice(4) + 1 = 9\n"


def test_a_panic_elsewhere_names_its_cell_and_line(kernel):
    first = kernel.run(
        """
        fn boom(n: u32) {
            assert!(n == 0, "not {n}");
        }
        let later: Box<dyn Fn() + Send> = Box::new(|| boom(2));
        let _ = std::thread::spawn(|| boom(1)).join();
        """
    )
    number = first.reply["content"]["execution_count"]
    assert first.text("stderr") == f"a thread panicked at line 3 of cell [{number}]: not 1\n"
    cell = kernel.run("let _ = std::thread::spawn(later).join();")
    assert cell.text("stderr") == f"a thread panicked at line 3 of cell [{number}]: not 2\n"
    cell = kernel.run('let _ = std::panic::catch_unwind(|| {\n    panic!("here")\n});')
    number = cell.reply["content"]["execution_count"]
    assert cell.text("stderr") == f"caught a panic at line 2 of cell [{number}]: here\n"


def test_a_kernel_that_fits_its_evcxr_does_not_say_otherwise(kernel):
    """Also where evcxr only checks a cell, whose source is another one then."""
    for code in ["let x = unknown_thing();", "let c = || 1;", "let v = Vec::new();", "Err::<(), &str>(\"no\")?;", "let a = 1; a", "panic!()"]:
        assert "does not fit" not in kernel.run(code).text("stderr")
