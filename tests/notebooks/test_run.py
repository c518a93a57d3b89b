"""`jook run` as a user meets it: the first notebook whole, then failures, limits and Ctrl-C, each with the
real program and without Jupyter.

A session takes seconds to start, so one run serves several checks.
"""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from books import JOOK, PLOTLY, cells, run, text, write

# A cell that runs until somebody stops it.
FOREVER = "println!(\"waiting\");\nloop { std::thread::sleep(std::time::Duration::from_millis(20)); }"


# The first bowl ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bowl(bowl_run):
    assert bowl_run.done.returncode == 0, bowl_run.done.stderr
    return {cell["id"]: cell for cell in cells(bowl_run.notebook)}


def number(pattern, words):
    found = re.search(pattern, words)
    assert found, f"{pattern} is not in:\n{words}"
    return float(found.group(1))


def test_every_cell_of_the_first_bowl_ran(bowl, bowl_run):
    counts = [cell["execution_count"] for cell in bowl.values()]
    assert counts == list(range(1, len(counts) + 1)) and len(counts) >= 10
    kinds = {output["output_type"] for cell in bowl.values() for output in cell["outputs"]}
    assert "error" not in kinds
    silent = [name for name, cell in bowl.items() if not cell["outputs"]]
    assert silent == ["setup"], "every cell but the first shows something"
    assert str(bowl_run.notebook) in bowl_run.done.stdout and str(bowl_run.page) in bowl_run.done.stdout


def test_the_first_bowl_takes_at_most_90_seconds(bowl, bowl_run):
    """The time in its cells, with every trial computed: the build and earlier results do not count."""
    about = json.loads(bowl_run.notebook.read_text())["metadata"]["jook"]
    assert abs(about["seconds"] - sum(cell["seconds"] for cell in about["cells"])) < 0.1
    assert about["seconds"] <= 90
    study = bowl_run.notebook.parent / "fresh" / "jook-results"
    assert study.is_dir(), "the study kept its trials beside the notebook that ran"


def test_what_the_first_bowl_expects_holds(bowl):
    """The ranges in its *Expect* lines."""
    curve = next(output["data"][PLOTLY] for output in bowl["curve"]["outputs"] if PLOTLY in output["data"])
    loss = curve["data"][0]["y"]
    assert len(loss) == 200 and 2.2 < loss[0] < 2.8 and loss[-1] < 0.3
    accuracy = number(r"accuracy ([\d.]+)%", text(bowl["test"]))
    assert 86 <= accuracy <= 94
    misread = number(r"(\d+) of 1697 wrong", text(bowl["confused"]))
    assert misread == round(1697 * (1 - accuracy / 100), 0) or abs(misread - 1697 * (1 - accuracy / 100)) < 1

    rows = re.findall(r"^ *(16|64|256) +(0|0\.2|0\.5) +([\d.]+) +([\d.]+) to ([\d.]+) +5\b", text(bowl["study"]), re.M)
    means = {(int(hidden), float(dropout)): float(mean) for hidden, dropout, mean, _, _ in rows}
    assert len(means) == 9
    assert min(means, key=means.get) == (16, 0.5) and 0.15 <= means[16, 0.5] <= 0.35
    assert max(means, key=means.get)[0] == 256 and 0.88 <= max(means.values()) <= 0.92
    intervals = {(int(hidden), float(dropout)): (float(a), float(b)) for hidden, dropout, _, a, b in rows}
    plain, dropped = intervals[256, 0.0], intervals[256, 0.2]
    assert max(plain[0], dropped[0]) < min(plain[1], dropped[1]), "told to overlap"

    compared = text(bowl["compare"])
    assert 0.2 <= number(r"mean difference +([\d.]+)", compared) <= 0.35
    assert number(r"p, paired t-test +([\d.e-]+)", compared) < 0.01
    assert "answers as the one in memory" in text(bowl["export"])
    assert "completed" in text(bowl["break"])


def test_the_page_of_the_first_bowl_stands_alone(bowl, bowl_run):
    page = bowl_run.page.read_text()
    assert not re.search(r"<(script|img|iframe)[^>]+src=(?![\"']?data:)", page)
    assert not re.search(r"<link[^>]+href=(?![\"']?data:)", page)
    assert "<math" in page and "\\frac" not in re.sub(r'alttext="[^"]*"', "", page)
    charts = sum(PLOTLY in output.get("data", {}) for cell in bowl.values() for output in cell["outputs"])
    assert page.count('<div class="jook-figure"') == charts >= 2


# Failures ---------------------------------------------------------------------------------------------


def test_failing_cells_are_told_and_the_rest_runs_where_asked(tmp_path):
    """A notebook in a folder of its own, named from another one, with --keep-going and --echo."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "note.txt").write_text("found beside the notebook")
    notebook = write(
        tmp_path / "deep" / "failing.ipynb",
        'println!("{}", std::fs::read_to_string("note.txt")?);',
        ("let never: u8 = 300 - 1;\n\"text\".parse::<u8>()?;", ["raises-exception"]),
        "let fine = 1;\nlet broken: String = fine;",
        "let after: usize = 42;\nafter",
        "\n\n",
        'let data: Vec<u8> = vec![];\nprintln!("{}", data[after]);',
    )
    before = notebook.read_text()
    done = run("deep/failing.ipynb", "--keep-going", "--echo", "--output", "out", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert notebook.read_text() == before
    assert "found beside the notebook" in done.stdout
    ran = cells(tmp_path / "out" / "failing.ipynb")
    assert [cell["execution_count"] for cell in ran] == [1, 2, 3, 4, None, 5]
    assert [output["output_type"] for output in ran[1]["outputs"]] == ["error"]
    assert text(ran[3]) == "42"
    assert "Cell 3 of 5 failed (cell 3 of the notebook, line 2)" in done.stderr
    assert "> 2 | let broken: String = fine;" in done.stderr and "mismatched types" in done.stderr
    assert "Cell 2 of 5 failed" not in done.stderr, "a cell tagged raises-exception may fail"
    assert "Cell 5 of 5 failed" in done.stderr
    last = done.stderr.strip().splitlines()[-2:]
    assert last[0].startswith("deep/failing.ipynb: cell 3, line 2: E0308") and "cell 5" in last[1]
    page = (tmp_path / "out" / "failing.html").read_text()
    assert page.count('class="failure"') == 3


def test_a_cell_that_takes_too_long_is_stopped_and_nothing_after_it_runs(tmp_path):
    """With --timeout, --inplace and --no-html."""
    notebook = write(tmp_path / "slow.ipynb", "let kept: i32 = 6 * 7;\nkept", FOREVER, "kept + 1")
    done = run(notebook, "--timeout", "20", "--inplace", "--no-html")
    assert done.returncode == 1, done.stderr
    assert "Cell 2 of 3 failed" in done.stderr and "stopped after 20 s (--timeout)" in done.stderr
    ran = cells(notebook)
    assert text(ran[0]) == "42" and "waiting" in text(ran[1])
    assert ran[2]["execution_count"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["slow.ipynb"]


def test_the_cell_after_one_that_was_stopped_runs_undisturbed(tmp_path):
    """With --timeout and --keep-going: the first cell obeys at once, the next one works for five seconds."""
    notebook = write(
        tmp_path / "calm.ipynb",
        "let digits = datasets::digits()?;\n"
        "let run = Mlp::new([64, 32, 10]).train(&digits, Recipe::new().epochs(1_000_000).batch(32).sgd(0.01))?;\n"
        'println!("{}", run.ending);',
        'let study = Study::new("calm").seeds(50).threads(1).in_memory().quiet().run(|t| {\n'
        "    std::thread::sleep(std::time::Duration::from_millis(100));\n"
        "    Ok(t.seed() as f64)\n"
        "})?;\n"
        "let done = study.trials().into_iter().filter(|trial| trial.is_complete()).count();\n"
        'println!("{done} of 50");',
    )
    done = run(notebook, "--timeout", "20", "--keep-going", "--no-html")
    assert done.returncode == 1, done.stderr
    assert "Cell 1 of 2 failed" in done.stderr and "Cell 2 of 2 failed" not in done.stderr
    ran = cells(tmp_path / "calm.executed.ipynb")
    assert "interrupted after step" in text(ran[0]) and "50 of 50" in text(ran[1])


def start(notebook):
    """Starts a run and waits until its last cell, a FOREVER, waits."""
    command = [JOOK, "run", notebook, "--echo"]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in process.stdout:
        if line.strip() == "waiting":
            return process
    raise AssertionError(process.communicate()[1])


def test_ctrl_c_writes_what_ran_and_a_second_one_ends_at_once(tmp_path):
    first = write(tmp_path / "once.ipynb", "let kept: i32 = 6 * 7;\nkept", FOREVER, "kept")
    second = write(tmp_path / "twice.ipynb", FOREVER)
    once, twice = start(first), start(second)
    once.send_signal(signal.SIGINT)
    twice.send_signal(signal.SIGINT)
    time.sleep(0.3)
    twice.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert twice.wait(timeout=10) == 130 and time.monotonic() - begun < 3
    out, errors = once.communicate(timeout=40)
    assert once.returncode == 130, errors
    assert "Stopped" in errors and "failed" not in errors
    ran = cells(tmp_path / "once.executed.ipynb")
    assert text(ran[0]) == "42" and "waiting" in text(ran[1])
    assert ran[2]["execution_count"] is None and not ran[2]["outputs"]
    assert (tmp_path / "once.html").exists() and "once.html" in out
    twice.communicate()


def test_ctrl_c_ends_a_run_that_waits_for_an_answer(tmp_path):
    asking = 'println!("hello {}", input("your name? ")?);'
    notebook = write(tmp_path / "ask.ipynb", "let kept: i32 = 6 * 7;\nkept", asking, asking)
    person, terminal = os.openpty()
    command = [JOOK, "run", notebook]
    process = subprocess.Popen(command, text=True, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = ""

    def until_asked():
        nonlocal said
        said = ""
        while not said.endswith("your name? "):
            assert (letter := process.stderr.read(1)), said
            said += letter

    until_asked()
    os.write(person, "Jöok\n".encode())
    until_asked()
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, errors = process.communicate(timeout=30)
    os.close(person)
    os.close(terminal)
    assert process.returncode == 130 and time.monotonic() - begun < 10, errors
    assert "Stopped" in errors and "ask.executed.ipynb" in out
    ran = cells(tmp_path / "ask.executed.ipynb")
    assert text(ran[0]) == "42" and "hello Jöok" in text(ran[1])


def test_echo_into_a_closed_pipe_does_not_end_the_run(tmp_path):
    notebook = write(tmp_path / "loud.ipynb", 'for n in 0..20_000 { println!("line {n}"); }', "6 * 7")
    command = [JOOK, "run", notebook, "--echo"]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 0 and "panicked" not in errors, errors
    ran = cells(tmp_path / "loud.executed.ipynb")
    assert "line 19999\n" in text(ran[0]) and text(ran[1]) == "42"


# What is found before anything runs -------------------------------------------------------------------


def test_what_cannot_run_says_why_at_once(tmp_path):
    whole = write(tmp_path / "whole.ipynb", "1")
    cut = tmp_path / "cut.ipynb"
    cut.write_text(whole.read_text()[:100])
    python = tmp_path / "python.ipynb"
    python.write_text(whole.read_text().replace("rust", "python"))
    tried = [
        ([tmp_path / "none.ipynb"], "none.ipynb"),
        ([cut], "cut.ipynb"),
        ([python], "is written in python; Jook runs Rust"),
        ([whole, "--output", whole], "--inplace"),
        ([whole, "--output", cut / "inside"], "cut.ipynb"),
        (["/proc/nowhere.ipynb"], "nowhere.ipynb"),
        ([whole, "--output", "/proc"], "cannot write in /proc; --output and --html name other places"),
    ]
    for args, told in tried:
        begun = time.monotonic()
        done = run(*args)
        assert done.returncode == 1 and done.stdout == "", args
        assert done.stderr.startswith("jook: ") and told in done.stderr, done.stderr
        assert "panicked" not in done.stderr and time.monotonic() - begun < 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.ipynb", "python.ipynb", "whole.ipynb"]


# Several notebooks ------------------------------------------------------------------------------------


def test_several_notebooks_run_one_after_another_also_behind_one_that_fails(tmp_path):
    parameters = ("let seeds: usize = 5;", ["parameters"])
    first = write(tmp_path / "first.ipynb", parameters, 'println!("{seeds} seeds");')
    broken = write(tmp_path / "broken.ipynb", "nothing_here")
    last = write(tmp_path / "last.ipynb", 'println!("none");')
    out = tmp_path / "out"
    done = run(first, broken, last, "--output", f"{out}/", "-p", "seeds", "2")
    assert done.returncode == 1, done.stderr
    assert "1 of 3 notebooks failed" in done.stderr and "broken.ipynb" in done.stderr
    assert "2 seeds" in text(cells(out / "first.ipynb")[-1])
    assert "none" in text(cells(out / "last.ipynb")[0])
    assert {path.name for path in out.glob("*.html")} == {"first.html", "broken.html", "last.html"}


def test_several_notebooks_that_cannot_run_as_asked_are_refused_before_anything_runs(tmp_path):
    first, last = (write(tmp_path / name, "1 + 1") for name in ("first.ipynb", "last.ipynb"))
    done = run(first, last, "-p", "seeds", "2")
    assert done.returncode == 1 and "none of the notebooks has a parameter `seeds`" in done.stderr
    done = run(first, last, "--output", str(tmp_path / "one.ipynb"))
    assert done.returncode == 1 and "name a folder" in done.stderr
    (tmp_path / "other").mkdir()
    other = write(tmp_path / "other" / "first.ipynb", "1")
    done = run(first, other, "--output", f"{tmp_path / 'out'}/")
    assert done.returncode == 1 and "two of the notebooks" in done.stderr
    done = run(first, tmp_path / "absent.ipynb")
    assert done.returncode == 1 and "absent.ipynb" in done.stderr
    assert not list(tmp_path.glob("*.executed.ipynb"))


def test_a_stop_ends_the_notebook_under_way_and_begins_no_other(tmp_path):
    waiting = "for _ in 0..600 { std::thread::sleep(std::time::Duration::from_millis(100)); if jook::interrupt::requested() { break; } }"
    first = write(tmp_path / "first.ipynb", 'println!("begun");', waiting)
    last = write(tmp_path / "last.ipynb", "1")
    child = subprocess.Popen([JOOK, "run", "--echo", first, last], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in child.stdout:
        if "begun" in line:
            break
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 130
    assert "begun" in text(cells(tmp_path / "first.executed.ipynb")[0])
    assert not (tmp_path / "last.executed.ipynb").exists()
