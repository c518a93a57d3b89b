"""`jook run --check`: fresh outputs against stored ones, each with the real program."""

import json
import re

import pytest

from books import PLOTLY, cells, run, write

CELLS = [
    'println!("a loss of {:.4} after {:?}", 0.25, std::time::Instant::now().elapsed());\neprintln!("noted");',
    "use polars::prelude::*;\ndf!(\"name\" => [\"x\", \"y\"], \"value\" => [1.5, 2.5])?",
    "let mut plot = plotly::Plot::new();\nplot.add_trace(plotly::Bar::new(vec![1, 2], vec![0.5, 0.75]));\nshow(&plot);",
    ('"text".parse::<u8>()?;', ["raises-exception"]),
    ("std::process::id()", ["check-skip"]),
    ("std::process::id() + 1", ["nbval-ignore-output"]),
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A notebook with its outputs."""
    book = write(tmp_path_factory.mktemp("stored") / "a.ipynb", *CELLS)
    done = run(book, "--inplace", "--no-html")
    assert done.returncode == 0, done.stderr
    return book


def changed(stored, path, change):
    """A copy whose stored outputs are changed by a function of its code cells."""
    notebook = json.loads(stored.read_text())
    change([cell for cell in notebook["cells"] if cell["cell_type"] == "code"])
    path.write_text(json.dumps(notebook))
    return path


def test_the_same_outputs_pass_and_nothing_is_written(stored):
    before = stored.read_text()
    done = run(stored.name, "--check", cwd=stored.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "Same      4 cells as in a.ipynb; 2 cells not compared, as tagged\n"
    assert stored.read_text() == before and [path.name for path in stored.parent.iterdir()] == ["a.ipynb"]


def nudge(code):
    """Every kind of number in the outputs a hundred-thousandth off."""
    code[0]["outputs"] = json.loads(json.dumps(code[0]["outputs"]).replace("0.2500", "0.250002"))
    code[1]["outputs"] = json.loads(json.dumps(code[1]["outputs"]).replace("1.5 ", "1.50001 "))
    figure = code[2]["outputs"][0]["data"][PLOTLY]
    figure["data"][0]["y"][1] = 0.750005


def test_numbers_differ_exactly_or_within_the_tolerance(stored, tmp_path):
    book = changed(stored, tmp_path / "near.ipynb", nudge)
    near = run(book, "--check", "--rtol", "1e-4")
    assert near.returncode == 0, near.stdout + near.stderr
    exact = run(book, "--check", "--atol", "0", "-o", tmp_path / "out.ipynb", "--html", tmp_path / "out.html")
    assert exact.returncode == 1 and "failed" not in exact.stderr
    assert "\nCell 1 differs (cell 1 of the notebook):\n  stdout\n    - a loss of 0.250002 after " in exact.stdout
    assert "    + a loss of 0.2500 after " in exact.stdout
    assert "1.50001" in exact.stdout and "data[0].y[1]: 0.750005, now 0.75\n" in exact.stdout
    assert "Different 3 of 4 cells from " in exact.stdout
    assert len(cells(tmp_path / "out.ipynb")) == len(CELLS) and (tmp_path / "out.html").exists()


def test_other_words_outputs_and_errors_differ_and_a_failure_fails(stored, tmp_path):
    def change(code):
        code[0]["outputs"] = [output for output in code[0]["outputs"] if output["name"] == "stdout"]
        code[1]["outputs"] = []
        code[3]["outputs"][0]["ename"] = "Panic"
        code[5]["source"] = "let broken: String = 1;"

    book = changed(stored, tmp_path / "other.ipynb", change)
    done = run(book, "--check", "--rtol", "0.5")
    assert done.returncode == 1
    assert "  stderr\n    + noted\n" in done.stdout
    assert "Cell 2 differs" in done.stdout and "    - nothing\n" in done.stdout
    assert "Cell 3 differs" not in done.stdout
    assert "Cell 4 differs" in done.stdout and "    - error Panic: " in done.stdout
    assert re.search(r"Different 3 of 4 cells from .*; 1 cell not compared, as tagged; 1 cell failed", done.stdout)
    assert "cell 6, line 1: E0308" in done.stderr


def test_what_cannot_be_checked_says_why_at_once(stored, tmp_path):
    fresh = run(write(tmp_path / "fresh.ipynb", "1"), "--check")
    assert fresh.returncode == 1 and "holds no outputs to compare with; a run with --inplace" in fresh.stderr
    for args in (["--check", "--inplace"], ["--rtol", "1"], ["--check", "--rtol", "-1"], ["--check", "--atol", "nan"]):
        assert run(stored, *args).returncode == 2, args


def test_seconds_in_a_table_may_differ_and_its_other_columns_not(tmp_path):
    def frame(column):
        return f'use polars::prelude::*;\ndf!("n" => [1], "{column}" => [f64::from(std::process::id())])?'

    book = write(tmp_path / "times.ipynb", frame("seconds"), frame("number"))
    assert run(book, "--inplace", "--no-html").returncode == 0
    done = run(book, "--check")
    assert done.returncode == 1
    assert "Cell 2 differs" in done.stdout and "Different 1 of 2 cells" in done.stdout
