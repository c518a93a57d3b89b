"""What is printed is text, whatever it looks like; what is shown is shown, wherever the streams lead; and nothing that is
printed is lost, or too much for the kernel."""

import json
import os
import re
import threading
import time
from datetime import UTC, datetime
from queue import Empty

import pytest

from client import merged
from living import Lasting, processes, read, told, value


# Items of C may be told once a session only.
LIBC = """
unsafe extern "C" {
    fn dup(fd: i32) -> i32; fn dup2(from: i32, to: i32) -> i32; fn close(fd: i32) -> i32; fn open(path: *const std::ffi::c_char, how: i32) -> i32;
    fn puts(text: *const std::ffi::c_char) -> i32; fn printf(format: *const std::ffi::c_char, ...) -> i32; fn fflush(file: *mut std::ffi::c_void) -> i32;
}
"""


@pytest.fixture(scope="module")
def lasting(installed):
    holder = Lasting(LIBC + "let kept = 5;", "kept", "5")
    yield holder
    holder.close()


@pytest.fixture
def kernel(lasting):
    return lasting.get()


def message(kind, **fields):
    return "\x1ejook " + json.dumps({"kind": kind, "metadata": {}, **fields}, separators=(",", ":"))


SCRIPT = {"text/html": "<script>alert(1)</script>", "text/plain": "forged"}
# Text that somebody who knows how a kernel works, or worked, may have put into a file.
WORDS = {
    "display": message("display", data=SCRIPT),
    "display with an id": message("display", data=SCRIPT, id="forged"),
    "result": message("result", data=SCRIPT),
    "update": message("update", data=SCRIPT, id="forged"),
    "clear": message("clear", wait=False),
    "stderr": message("stderr", text="forged\n"),
    "part": message("part", text="forged\n"),
    "panic": message("panic", message="forged", file="x.rs", line=1),
    "panic elsewhere": message("panic_elsewhere", who="a thread", message="forged", file="x.rs", line=1),
    "panicked": message("panicked"),
    "error": message("error", message="forged", line=1),
    "break": message("break"),
    "a message cut short": '\x1ejook {"kind":"disp',
    "the marker alone": "\x1ejook ",
    "content": "EVCXR_BEGIN_CONTENT text/html\n<b onmouseover='alert(1)'>b</b>\nEVCXR_END_CONTENT",
    "content without an end": "EVCXR_BEGIN_CONTENT text/html\n<b>b</b>",
    "the end of content": "EVCXR_END_CONTENT",
    "question": "EVCXR_INPUT_REQUEST:name? ",
    "password": "EVCXR_INPUT_REQUEST_PASSWORD:[sudo] password for root",
    "complete": "EVCXR_EXECUTION_COMPLETE",
    "complete twice": "EVCXR_EXECUTION_COMPLETE\nEVCXR_EXECUTION_COMPLETE",
    "panic notification": "EVCXR_PANIC_NOTIFICATION",
    "error occurred": "EVCXR_ERROR_OCCURRED",
    "changed type": "EVCXR_VARIABLE_CHANGED_TYPE:kept",
    "redefined": "The type of the variable kept was redefined, so was lost.",
    "thread panicked": "thread 'main' panicked at src/lib.rs:1:1:\nforged",
    "status": "Subprocess terminated with status: 9",
}
ALL = "\n".join(["first", *WORDS.values(), "so far " + WORDS["display"], "last"]) + "\n"


def assert_plain(kernel, cell, stdout="", stderr=""):
    """The cell printed this text and nothing else came of it, then or later."""
    assert cell.status == "ok", told(cell)
    assert cell.text() == stdout and cell.text("stderr") == stderr
    assert {m["msg_type"] for m in cell.outputs} <= {"stream"}, cell.types
    for turn in range(2):
        own = kernel.run(f'println!("own {turn}"); kept + {turn}', timeout=20)
        assert own.text() == f"own {turn}\n" and value(own) == str(5 + turn)
        assert [m["msg_type"] for m in own.outputs] == ["stream", "execute_result"]


def unasked(kernel, code):
    """Runs a cell that must not ask."""
    asked = []

    def answer(request):
        asked.append(request)
        return "answer"

    cell = kernel.run(code, timeout=20, on_input=answer)
    assert asked == []
    return cell


def rust(text):
    return '"' + "".join(c if c.isascii() and c.isalnum() or c in " :.,'<>/=_-[]()?" else f"\\u{{{ord(c):x}}}" for c in text) + '"'


@pytest.mark.parametrize("word", WORDS)
def test_a_line_is_text_on_both_streams(kernel, word):
    text = WORDS[word]
    cell = unasked(
        kernel,
        f"""
        let line = {rust(text)};
        println!("{{line}}");
        eprintln!("{{line}}");
        println!("{{line}}");
        let own = 1;
        """,
    )
    assert_plain(kernel, cell, f"{text}\n{text}\n", f"{text}\n")
    assert value(kernel.run("own")) == "1"


WAYS = {
    "println": 'let text = std::fs::read_to_string("PATH")?; println!("{}", text.trim_end_matches(\'\\n\'));',
    "print": 'print!("{}", std::fs::read_to_string("PATH")?);',
    "line by line": 'for line in std::fs::read_to_string("PATH")?.lines() { println!("{line}"); }',
    "letter by letter": 'use std::io::Write; for c in std::fs::read_to_string("PATH")?.chars() { print!("{c}"); if c == \'E\' || c == \'{\' { std::io::stdout().flush()?; } }',
    "write": 'use std::io::Write; std::io::stdout().write_all(&std::fs::read("PATH")?)?;',
    "writev": """
        #[repr(C)] struct Piece(*const u8, usize);
        unsafe extern "C" { fn writev(to: i32, pieces: *const Piece, count: i32) -> isize; }
        let text = std::fs::read("PATH")?;
        {
            let (a, b) = text.split_at(9);
            unsafe { writev(1, [Piece(a.as_ptr(), a.len()), Piece(b.as_ptr(), b.len())].as_ptr(), 2); }
        }
        """,
    "syscall": """
        unsafe extern "C" { fn syscall(number: i64, ...) -> i64; }
        let text = std::fs::read("PATH")?;
        unsafe { syscall(1, 1i64, text.as_ptr(), text.len()); }
        drop(text);
        """,
    "copy": 'std::io::copy(&mut std::fs::File::open("PATH")?, &mut std::io::stdout())?;',
    "shell line": "!cat PATH",
    "thread": 'std::thread::spawn(|| { print!("{}", std::fs::read_to_string("PATH").unwrap()); }).join().unwrap();',
    "program": 'std::process::Command::new("cat").arg("PATH").status()?;',
    "program of a program": 'std::process::Command::new("sh").args(["-c", "cat < PATH | cat"]).status()?;',
    "program on a thread": 'std::thread::spawn(|| std::process::Command::new("cat").arg("PATH").status().unwrap()).join().unwrap();',
}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "machine.log"
    path.write_text(ALL)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_all_of_it_is_text_however_it_is_printed(kernel, log, way):
    assert_plain(kernel, unasked(kernel, WAYS[way].replace("PATH", str(log))), ALL)


@pytest.mark.parametrize(
    "code",
    [
        'eprint!("{}", std::fs::read_to_string("PATH")?);',
        'for line in std::fs::read_to_string("PATH")?.lines() { eprintln!("{line}"); }',
        "!cat PATH >&2",
        'std::thread::spawn(|| { eprint!("{}", std::fs::read_to_string("PATH").unwrap()); }).join().unwrap();',
        'std::process::Command::new("sh").args(["-c", "cat PATH >&2"]).status()?;',
    ],
)
def test_all_of_it_is_text_on_standard_error(kernel, log, code):
    assert_plain(kernel, unasked(kernel, code.replace("PATH", str(log))), "", ALL)


def test_a_value_may_hold_such_words(kernel, log):
    """As text of a result, and of an error."""
    cell = kernel.run(f'std::fs::read_to_string("{log}")?.lines().count()')
    assert value(cell) == str(ALL.count("\n"))
    cell = kernel.run(f'std::fs::read_to_string("{log}")?.len();\nlet words: Vec<String> = std::fs::read_to_string("{log}")?.lines().map(String::from).collect();\nwords[13].clone()')
    assert cell.status == "ok" and cell.types.count("display_data") == 0
    for failing in [f'Err::<(), String>(std::fs::read_to_string("{log}")?)?;', f'panic!("{{}}", std::fs::read_to_string("{log}")?);']:
        cell = unasked(kernel, failing)
        assert cell.status == "error" and "forged" in told(cell)
        assert {m["msg_type"] for m in cell.outputs} <= {"error", "stream"}
    own = kernel.run('println!("own"); kept')
    assert own.text() == "own\n" and value(own) == "5"


def test_every_cell_shows_its_own_result_after_a_forged_end(kernel):
    assert kernel.run('println!("EVCXR_EXECUTION_COMPLETE"); println!("EVCXR_EXECUTION_COMPLETE");').status == "ok"
    for turn in range(4):
        cell = kernel.run(f'println!("cell {turn}"); {turn}')
        assert cell.text() == f"cell {turn}\n" and value(cell) == str(turn)


def html(content):
    return content["data"].get("text/html", "")


SHOWN = """
struct Shown(&'static str);
impl Shown {
    fn evcxr_display(&self) { println!("EVCXR_BEGIN_CONTENT text/html\\n<b>{}</b>\\nEVCXR_END_CONTENT", self.0); }
}
"""


@pytest.mark.parametrize(
    "setup, value, wanted",
    [
        ("", 'polars::df!("a" => [1, 2], "b" => ["x", "y"])?', "<table"),
        ("", "{ let mut plot = plotly::Plot::new(); plot.add_trace(plotly::Scatter::new(vec![1, 2], vec![3, 4])); plot }", "jook-plot"),
        (SHOWN, 'Shown("x")', "<b>x</b>"),
        ("", "datasets::digits()?", "<"),
        ("", 'let frame = polars::df!("a" => [1])?; frame', "<table"),
    ],
)
def test_values_that_display_themselves_do(kernel, setup, value, wanted):
    if setup:
        assert kernel.run(setup).status == "ok"
    cell = kernel.run('println!("before");\n' + value)
    assert cell.status == "ok", told(cell)
    assert [m["msg_type"] for m in cell.outputs] == ["stream", "execute_result"], cell.types
    assert wanted in html(cell.outputs[1]["content"]) and cell.text() == "before\n"


FORGED = "EVCXR_BEGIN_CONTENT text/html\n<script>alert(1)</script>\nEVCXR_END_CONTENT\n"
# How text may come before a value that shows itself by printing, and how the value is made.
BEFORE = {
    "a statement before": ("print!(\"{}\", text);", "VALUE"),
    "in the making of the value": ("", "{ print!(\"{}\", text); VALUE }"),
    "by a call of the user's own": ("print!(\"{}\", text);\n(VALUE).evcxr_display();", ""),
    "more than a second before": ("print!(\"{}\", text); std::thread::sleep(std::time::Duration::from_millis(1200));", "VALUE"),
}


@pytest.mark.parametrize("text", [FORGED, FORGED * 2, FORGED.split("</script>")[0]], ids=["whole", "twice", "half"])
@pytest.mark.parametrize("way", BEFORE)
@pytest.mark.parametrize(
    ("shown", "wanted"), [("Silent7", None), ("Shown7", "<b>own</b>"), ("plotly::Plot::new()", "plotly")], ids=["silent", "shown", "plot"]
)
def test_what_is_printed_before_a_value_does_not_become_its_display(kernel, text, way, shown, wanted):
    kernel.run(
        "struct Silent7; impl Silent7 { fn evcxr_display(&self) {} }\n"
        'struct Shown7; impl Shown7 { fn evcxr_display(&self) { println!("EVCXR_BEGIN_CONTENT text/html\\n<b>own</b>\\nEVCXR_END_CONTENT"); } }'
    )
    literal = "".join(f"\\u{{{ord(letter):x}}}" for letter in text)
    if "user's own" in way and shown.startswith("plotly"):
        pytest.skip("a plot shows itself under another name")
    before, made = BEFORE[way]
    cell = kernel.run(f'let text = "{literal}";\n{before}\n{made}'.replace("VALUE", shown))
    assert cell.status == "ok", told(cell)
    assert cell.text() == text
    displays = [message["content"]["data"] for message in cell.outputs if "data" in message["content"]]
    assert len(displays) == (wanted is not None)
    assert "alert" not in json.dumps(displays) and (wanted or "") in json.dumps(displays)


def test_a_value_that_is_taken_by_its_display_shows(kernel):
    kernel.run(
        'struct Taken7(String); impl Taken7 { fn evcxr_display(self) { println!("EVCXR_BEGIN_CONTENT text/html\\n<i>{}</i>\\nEVCXR_END_CONTENT", self.0); } }'
    )
    cell = kernel.run('Taken7("own".into())')
    assert cell.contents("execute_result")[0]["data"] == {"text/html": "<i>own</i>"}


@pytest.mark.parametrize("end", ["std::process::exit(3);", "std::process::abort();", "unsafe { std::ptr::write_volatile(8 as *mut u8, 1) };", 'panic!("p");'])
def test_words_that_look_like_more_are_not_lost_with_the_process(kernel, end):
    assert "EVCXR_INPUT_REQUEST:a\n" in kernel.run(f'println!("EVCXR_INPUT_REQUEST:a"); {end}').text()


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ('std::process::Command::new("echo").arg("other").status()?;', [("stdout", "W\nother\nend\n")]),
        ('std::thread::spawn(|| println!("other")).join().unwrap();', [("stdout", "W\nother\nend\n")]),
        ('eprintln!("other");', [("stdout", "W\n"), ("stderr", "other\n"), ("stdout", "end\n")]),
    ],
)
@pytest.mark.parametrize("word", ["EVCXR_INPUT_REQUEST:a", "EVCXR_BEGIN_CONTENT text/html"])
def test_words_that_look_like_more_keep_their_place(kernel, word, code, wanted):
    cell = kernel.run(f'println!("{word}"); {code} println!("end");')
    written = [(message["content"]["name"], message["content"]["text"]) for message in cell.outputs]
    assert merged(written) == [(name, text.replace("W", word)) for name, text in wanted]


def test_words_that_look_like_more_show_before_the_cell_ends(kernel):
    request = kernel.start('println!("EVCXR_BEGIN_CONTENT text/html"); std::thread::sleep(std::time::Duration::from_secs(6));')
    begun = time.monotonic()
    kernel.wait_for_output(request, "EVCXR_BEGIN")
    assert time.monotonic() - begun < 4
    kernel.wait(request)


def test_what_begins_like_a_mark_shows_in_its_own_cell(kernel):
    assert kernel.run('print!("a\\u{1e}\\u{1d}"); eprint!("\\u{1e}");').text() == "a\x1e\x1d"
    assert kernel.run('println!("next");').text() == "next\n"


def test_a_display_in_the_middle_of_a_cell(kernel):
    assert kernel.run(SHOWN).status == "ok"
    cell = kernel.run(
        """
        let x = Shown("middle");
        println!("before");
        x.evcxr_display();
        println!("between");
        show(&polars::df!("a" => [1])?);
        println!("after");
        eprintln!("error");
        Shown("end")
        """
    )
    assert cell.status == "ok", told(cell)
    kinds = [(m["msg_type"], m["content"].get("text") or ("<b>" in html(m["content"]) and html(m["content"]).strip())) for m in cell.outputs]
    assert kinds == [
        ("stream", "before\n"), ("display_data", "<b>middle</b>"), ("stream", "between\n"), ("display_data", False),
        ("stream", "after\n"), ("stream", "error\n"), ("execute_result", "<b>end</b>"),
    ]  # fmt: skip


def test_displays_and_both_streams_keep_their_order(kernel):
    cell = kernel.run(
        """
        let digits = polars::df!("a" => [1])?;
        for i in 0..60 {
            println!("out {i}");
            if i % 2 == 0 { eprintln!("err {i}"); }
            if i % 3 == 0 { show(&digits); }
        }
        std::process::Command::new("sh").args(["-c", "echo program; sleep 0.1; echo failed >&2; sleep 0.1"]).status()?;
        show(&digits);
        "end"
        """
    )
    assert cell.status == "ok", told(cell)
    wanted = []
    for i in range(60):
        wanted.append(("stdout", f"out {i}\n"))
        if i % 2 == 0:
            wanted.append(("stderr", f"err {i}\n"))
        if i % 3 == 0:
            wanted.append(("display_data", ""))
    wanted += [("stdout", "program\n"), ("stderr", "failed\n"), ("display_data", ""), ("execute_result", "")]
    seen = [(m["content"].get("name", m["msg_type"]), m["content"].get("text", "")) for m in cell.outputs]
    assert merged(seen) == merged(wanted)


AWAY = {
    "redirected": 'unsafe { let away = open(c"/dev/null".as_ptr(), 1); dup2(away, 1); close(away); }',
    "both redirected": 'unsafe { let away = open(c"/dev/null".as_ptr(), 1); dup2(away, 1); dup2(away, 2); close(away); }',
    "closed": "unsafe { close(1); }",
    "both closed": "unsafe { close(1); close(2); }",
    "all closed": "unsafe { close(0); close(1); close(2); }",
}


@pytest.mark.long
@pytest.mark.parametrize("way", AWAY)
def test_displays_and_results_come_where_the_streams_lead_elsewhere(lasting, way):
    kernel = lasting.get()
    try:
        cell = kernel.run(f'{AWAY[way]}\nshow(&polars::df!("a" => [1])?);\n6 * 7', timeout=15)
        assert value(cell) == "42" and "<table" in html(cell.contents("display_data")[0])
        # The same process, whose streams still lead there.
        for turn in range(2):
            assert value(kernel.run(f"let other{turn} = kept + {turn}; other{turn}", timeout=15)) == str(5 + turn)
        cell = kernel.run('println!("nowhere"); polars::df!("a" => [1])?', timeout=15)
        assert cell.status == "ok" and "<table" in html(cell.contents("execute_result")[0])
        assert "broken" in told(kernel.run('let broken: u32 = "text";', timeout=15))
    finally:
        lasting.close()


def test_a_stream_that_is_put_back_shows_again(lasting):
    kernel = lasting.get()
    assert kernel.run(f"let stream = unsafe {{ dup(1) }};\n{AWAY['redirected']}\nprintln!(\"hidden\");").text() == ""
    cell = kernel.run('println!("hidden"); unsafe { dup2(stream, 1); close(stream); } println!("shown");')
    assert cell.text() == "shown\n"
    assert kernel.run('println!("more")').text() == "more\n"


def test_what_c_prints_shows(kernel):
    cell = kernel.run('println!("one"); unsafe { puts(c"two".as_ptr()); printf(c"%d\\n".as_ptr(), 3i32); fflush(std::ptr::null_mut()); } println!("four");')
    assert cell.text() == "one\ntwo\n3\nfour\n"


def test_what_c_prints_shows_in_its_cell_without_a_flush(kernel):
    cell = kernel.run('unsafe { puts(c"from C".as_ptr()); }')
    assert cell.text() == "from C\n"
    assert kernel.run("kept").text() == ""


def later(kernel, enough, seconds):
    """What comes as streams while no cell runs, until `enough` says so: `(stream, text)` and the seconds it took."""
    began = time.monotonic()
    seen = []
    while not enough("".join(text for _, text in seen)):
        assert time.monotonic() - began < seconds, f"within {seconds} s came {sum(len(t) for _, t in seen)} characters: {seen[:3]}"
        try:
            got = kernel.kc.get_iopub_msg(timeout=0.2)
        except Empty:
            continue
        if got["msg_type"] == "stream":
            seen.append((got["content"]["name"], got["content"]["text"]))
        else:
            assert got["msg_type"] == "status", got
    return seen, time.monotonic() - began


@pytest.mark.parametrize(
    "code, wanted",
    [
        ('std::thread::spawn(|| for i in 0..3 { std::thread::sleep(std::time::Duration::from_millis(400)); println!("later {i}"); });', ["stdout"]),
        ('std::thread::spawn(|| for i in 0..3 { std::thread::sleep(std::time::Duration::from_millis(400)); eprintln!("later {i}"); });', ["stderr"]),
        ('let child = std::process::Command::new("sh").args(["-c", "for i in 0 1 2; do sleep 0.4; echo later $i; done"]).spawn()?;', ["stdout"]),
    ],
)
def test_what_is_printed_between_cells_is_live(kernel, code, wanted):
    assert kernel.run(code).status == "ok"
    seen, took = later(kernel, lambda text: "later 1\n" in text, 3)
    assert sorted({name for name, _ in seen}) == wanted
    # Not all of it at once at the end.
    assert "later 2" not in seen[0][1]
    more, _ = later(kernel, lambda text: "later 2\n" in text, 3) if "later 2" not in seen[-1][1] else ([], 0)
    assert "".join(text for _, text in seen + more) == "later 0\nlater 1\nlater 2\n"
    cell = kernel.run("kept")
    assert cell.text() == "" and value(cell) == "5"


def test_much_that_is_printed_between_cells_arrives(kernel, tmp_path):
    done = tmp_path / "done"
    code = """
    std::thread::spawn(|| {
        std::thread::sleep(std::time::Duration::from_millis(300));
        for i in 0..30_000 { println!("{i:09}"); }
        std::fs::write("DONE", "").unwrap();
    });
    """
    assert kernel.run(code.replace("DONE", str(done))).status == "ok"
    seen, _ = later(kernel, lambda text: len(text) >= 300_000, 10)
    assert "".join(text for _, text in seen) == "".join(f"{i:09}\n" for i in range(30_000))
    assert done.exists()


def test_words_that_are_printed_between_cells_are_text(kernel, log):
    code = 'std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(300)); print!("{}", std::fs::read_to_string("PATH").unwrap()); });'
    assert kernel.run(code.replace("PATH", str(log))).status == "ok"
    seen, _ = later(kernel, lambda text: text.endswith("last\n"), 5)
    assert "".join(text for _, text in seen) == ALL
    own = kernel.run('println!("own"); kept')
    assert own.text() == "own\n" and value(own) == "5"


def test_a_thread_prints_on_while_cells_come_and_go(kernel):
    """Nothing is lost or doubled where a cell begins or ends."""
    code = 'std::thread::spawn(|| for i in 0..400 { std::thread::sleep(std::time::Duration::from_millis(5)); println!("tick {i}"); });'
    texts = []

    def collect(message):
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            texts.append(message["content"]["text"])

    cell = kernel.run(code)
    for message_ in cell.messages:
        collect(message_)
    end = time.monotonic() + 10
    turn = 0
    waits = None
    while time.monotonic() < end and "tick 399" not in "".join(texts):
        if waits is None and turn < 4:
            waits = kernel.start(f"kept + {turn}")
            turn += 1
        try:
            got = kernel.kc.get_iopub_msg(timeout=0.2)
        except Empty:
            continue
        collect(got)
        if got["parent_header"].get("msg_id") == waits and got["content"].get("execution_state") == "idle":
            assert kernel.reply(waits)["content"]["status"] == "ok"
            waits = None
    assert "".join(texts) == "".join(f"tick {i}\n" for i in range(400))
    if waits:
        kernel.wait(waits)


def status(process, field):
    found = re.search(rf"^{field}:\s+(\d+)".encode(), read(process, "status"), re.M)
    return int(found[1]) if found else 0


def below(kernel, without):
    """The kernel and its children, but not the process that runs cells nor what that has started."""
    parents = {process: status(process, "PPid") for process in processes()}
    found = [kernel]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process and child != without]
    return found


CUT = re.compile(r"(?i)\b(cut|left out|omitted|too much|truncated|dropped|not shown|skipped|discarded|limit)")


def test_six_hundred_megabytes_are_cut_and_told(lasting):
    kernel = lasting.get()
    cells = int(value(kernel.run("std::process::id()")))
    found = below(kernel.manager.provisioner.pid, cells)
    for process in found:
        with open(f"/proc/{process}/clear_refs", "w") as peak:
            peak.write("5")
    before = {process: status(process, "VmHWM") for process in found}
    cell = kernel.run('let line = "x".repeat(999); for _ in 0..600_000 { println!("{line}"); } kept', timeout=90)
    grown = sum(max(0, status(process, "VmHWM") - peak) for process, peak in before.items()) / 1024
    assert value(cell) == "5"
    arrived = sum(len(text["text"]) for text in cell.contents("stream"))
    print(f"{arrived / 1e6:.0f} MB arrived, the kernel grew by {grown:.0f} MB")
    assert grown < 200
    if arrived < 600_000_000:
        said = cell.text("stderr") + cell.text()[-2000:]
        assert CUT.search(said), said[-300:]
        # The end is as good to know as the beginning.
        assert cell.text().startswith("x" * 999 + "\n")
    own = kernel.run('println!("own"); kept')
    assert own.text() == "own\n" and value(own) == "5"


@pytest.mark.parametrize(
    "code",
    [
        'let mut i = 0u64; loop { println!("line {i}"); i += 1; }',
        'let mut i = 0u64; loop { eprintln!("line {i}"); println!("line {i}"); i += 1; }',
        'std::process::Command::new("yes").arg("line 0").status()?;',
    ],
)
def test_a_cell_that_prints_without_end_is_stopped_soon(lasting, code):
    kernel = lasting.get()
    running = kernel.start(code)
    kernel.wait_for_output(running, "line 0\n")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            kernel.kc.get_iopub_msg(timeout=0.1)
        except Empty:
            pass
    stopped = datetime.now(UTC)
    again = threading.Timer(2.2, lambda: os.kill(kernel.manager.provisioner.pid, 2))
    kernel.interrupt()
    again.start()
    try:
        # What is on its way to this client it reads as fast as it can, line by line where the streams take turns.
        kernel.iopub(running, timeout=60)
    finally:
        again.cancel()
    ended = kernel.reply(running)["header"]["date"]
    # Two seconds are the grace.
    assert (ended - stopped).total_seconds() < 8
    assert value(kernel.run("6 * 7", timeout=20)) == "42"
    lasting.close()
