"""The session's own lines in a cell: `:vars`, `:doc`, `:time`, `:opt`, `:help`; and what exists only once."""

import re
import time


def shown(cell):
    assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])
    return [display["data"]["text/plain"] for display in cell.contents("display_data")]


def test_vars_is_a_table_with_sizes(kernel):
    assert kernel.run("struct Wrapped(i64); let numbers = vec![0f32; 1_000_000]; let wrapped = Wrapped(1); let gone = vec![1];").status == "ok"
    assert kernel.run("let digits = datasets::digits()?; let taken = gone;").status == "ok"
    cell = kernel.run("let names = vec![\"abc\".to_string(); 3];\n:vars")
    (table,) = shown(cell)
    rows = {line.split()[0]: line for line in table.splitlines()}
    assert re.search(r"Vec<f32> +3\.8 MiB$", rows["numbers"]), table
    assert re.search(r"Wrapped +8 B$", rows["wrapped"]), table
    assert re.search(r"Dataset +\d+\.\d KiB$", rows["digits"]), table
    assert re.search(r"Vec<String> +105 B$", rows["names"]), table
    assert "gone" not in rows and "<table>" in cell.contents("display_data")[0]["data"]["text/html"]


def test_doc(kernel):
    cell = kernel.run(":doc Mlp::new")
    (text,) = shown(cell)
    assert "pub fn new(" in text and "<" in cell.contents("display_data")[0]["data"]["text/html"]
    assert "no documentation" in kernel.run(":doc NoSuchThing").text("stderr")


def test_doc_of_own_items_and_of_well_known_types(kernel):
    cell = kernel.run("/// Of mine, \"quoted\".\n/// Two lines.\nfn mine(n: u32) {}\n/// Second.\npub struct Pot;")
    assert cell.status == "ok"
    (text,) = shown(kernel.run(":doc mine"))
    assert text == 'fn mine(n: u32)\n\nOf mine, "quoted". Two lines.'
    (text,) = shown(kernel.run(":doc Pot"))
    assert text == "pub struct Pot\n\nSecond."
    (text,) = shown(kernel.run(":doc HashMap"))
    assert "pub struct HashMap<K, V" in text
    # As in IPython; on a value `?` stays Rust's.
    [page] = kernel.run("Mlp?").reply["content"]["payload"]
    assert "pub struct Mlp" in page["data"]["text/plain"] and page["source"] == "page"
    assert kernel.run("let fine: Result<i32, String> = Ok(5);\nfine?").contents("execute_result")[0]["data"]["text/plain"] == "5"


def test_any_error_is_explained(kernel):
    assert kernel.run(":explain E0382").text().startswith("A variable was used after its contents have been moved")
    assert "explains no error E9999" in kernel.run(":explain E9999").text("stderr")
    assert re.match(r"jook [\d.]+\nrustc [\d.]+", kernel.run(":version").text())


def test_a_line_for_the_shell_is_live_and_fails_aloud(kernel):
    running = kernel.start("// first\n!echo one; sleep 2; echo two; echo three >&2\nlet after = 3;")
    kernel.wait_for_output(running, "one")
    seen = time.monotonic()
    cell = kernel.wait(running)
    assert time.monotonic() - seen > 1.5
    assert cell.status == "ok" and cell.text() == "two\n" and cell.text("stderr") == "three\n"
    cell = kernel.run("!echo said; exit 3\nlet never = after;")
    error = cell.reply["content"]
    assert cell.text() == "said\n" and "`echo said; exit 3` ended with exit status: 3" in error["evalue"]
    assert kernel.run("after").contents("execute_result")[0]["data"]["text/plain"] == "3"


def test_stop_ends_a_line_for_the_shell(kernel):
    running = kernel.start("!echo begun; sleep 60 & sleep 60; echo never")
    kernel.wait_for_output(running, "begun")
    stopped = time.monotonic()
    kernel.interrupt()
    cell = kernel.wait(running)
    content = cell.reply["content"]
    assert time.monotonic() - stopped < 2 and content["ename"] == "Interrupted"
    assert "sleep 60; echo never` was stopped" in content["traceback"][-1]
    assert "never" not in cell.text()


def test_help_lists_the_commands(kernel):
    (text,) = shown(kernel.run(":help"))
    assert all(command in text for command in [":vars", ":doc", ":time", ":opt", ":dep", ":clear"])


def test_time_tells_compiling_and_running_apart(kernel):
    for head in ["%%time", ":time"]:
        cell = kernel.run(f"{head}\nstd::thread::sleep(std::time::Duration::from_millis(300));\n6 * 7")
        assert cell.outputs[-1]["msg_type"] == "stream"
        compile, run = map(float, re.fullmatch(r"compile (.*) s, run (.*) s\n", cell.text()).groups())
        assert 0.05 < compile and 0.3 <= run < 1.5
        assert cell.contents("execute_result")[0]["data"]["text/plain"] == "42"


def test_time_of_a_cell_that_does_not_run(kernel):
    cell = kernel.run('%%time\nlet wrong: i32 = "text";')
    assert cell.status == "error" and cell.reply["content"]["ename"] == "E0308"
    assert re.fullmatch(r"compile \d+\.\d\d s, not run\n", cell.text())
    cell = kernel.run("%%time\npanic!(\"no\");")
    assert cell.reply["content"]["ename"] == "Panic"
    assert re.fullmatch(r"compile \d+\.\d\d s, run \d+\.\d\d s\n", cell.text())


LOOP = """
let start = std::time::Instant::now();
let mut sum = 0u64;
for i in 0..30_000_000u64 { sum = sum.wrapping_mul(31).wrapping_add(i ^ sum); }
println!("{} {}", start.elapsed().as_secs_f64(), sum);
"""


def test_opt_at_the_head_of_a_cell_holds_for_that_cell(kernel):
    def seconds(cell):
        assert cell.status == "ok", cell.reply["content"]
        return float(cell.text().split()[0])

    def best(code):
        """Of a few: whatever else the machine does only adds."""
        return min(seconds(kernel.run(code)) for _ in range(3))

    slow, fast, again = best(LOOP), best(":opt 3" + LOOP), best(LOOP)
    assert fast * 3 < slow and fast * 3 < again
    assert "opt-level 0" in kernel.run(":opt").text()
    assert "opt-level 3" in kernel.run(":opt 3").text()
    assert best(LOOP) * 3 < slow
    assert "opt-level 0" in kernel.run(":opt 0").text()
    assert "0, 1, 2 and 3" in "\n".join(kernel.run(":opt 9").reply["content"]["traceback"])


def test_lines_keep_their_numbers_under_commands(kernel):
    cell = kernel.run('%%time\n:opt 0\nlet n: i32 = "text";')
    assert any("line 3" in line for line in cell.reply["content"]["traceback"])


def test_what_the_toolkit_holds_exists_once(kernel):
    """A library linked into each cell anew would bring its code, statics, thread pools and caches anew."""
    look = """
        let table = polars::df!("key" => (0..100_000i64).map(|i| i % 7).collect::<Vec<_>>())?;
        {
            use polars::prelude::*;
            let groups = table.lazy().group_by([col("key")]).agg([len()]).collect()?;
            assert_eq!(groups.height(), 7);
        }
        let status = std::fs::read_to_string("/proc/self/status")?;
        let threads = status.lines().find(|line| line.starts_with("Threads:")).unwrap_or_default().to_owned();
        let code = jook::interrupt::requested as fn() -> bool;
        let names = std::sync::Arc::as_ptr(&polars::prelude::Categories::global());
        println!("{code:p} {names:p} {threads}");
    """
    assert kernel.run(look).status == "ok"
    said = {kernel.run(f"// {turn}\n{look}").text() for turn in range(4)}
    assert len(said) == 1 and said.pop().count("0x") == 2, said


def test_what_would_end_or_change_the_kernel_is_refused_in_words(kernel):
    for line, words in [(":quit", "menu"), (":toolchain nightly", ":version")]:
        cell = kernel.run(f"{line}\n1")
        assert cell.status == "error" and words in "\n".join(cell.reply["content"]["traceback"])
    assert kernel.run("1 + 1").status == "ok"


def test_the_type_of_a_variable_is_told(kernel):
    kernel.run("let typed = vec![Some(1u8)];")
    assert "Vec<Option<u8>>" in kernel.run(":type typed").text()
