"""`jook run -p`: papermill's parameters, each with the real program."""

import json

from books import cells, run, text, write

DEFAULTS = (
    "let epochs = 20;\nlet rate: f32 = 0.1;\nlet name = \"a\";\nlet who = String::from(\"b\");\n"
    "let sizes = vec![1, 2];\nlet steps: [f64; 2] = [0.5, 1.0];\nlet limit: Option<u64> = None;\n"
    "let quiet = false;\nlet seed: u64 = 7;"
)
SHOW = 'println!("{epochs} {rate:?} {name:?} {who:?} {sizes:?} {steps:?} {limit:?} {quiet} {seed}");'


def about(path):
    return json.loads(path.read_text())["metadata"]["jook"]


def test_values_take_the_place_of_the_defaults_and_of_earlier_values(tmp_path):
    book = write(tmp_path / "a.ipynb", "let other = 1;", (DEFAULTS, ["parameters"]), SHOW, "let typed: String = who;")
    before = book.read_text()
    hostile = 'x"); std::process::exit(3); //\n{epochs}'
    given = ["-p", "epochs", "5", "-p", "rate", "-1", "-p", "name", hostile, "-p", "who", "5", "-p", "sizes", "[7]"]
    given += ["-p", "steps", "[1, 2]", "-p", "limit", "3", "-p", "quiet", "true", "-p", "seed", "11"]
    done = run(book, *given, "--no-html")
    assert done.returncode == 0, done.stderr
    executed = tmp_path / "a.executed.ipynb"
    _, defaults, injected, shown, _ = cells(executed)
    assert defaults["metadata"]["tags"] == ["parameters"] and injected["metadata"]["tags"] == ["injected-parameters"]
    quoted = hostile.replace('"', '\\"').replace("\n", "\\n")
    assert text(shown) == f'5 -1.0 "{quoted}" "5" [7] [1.0, 2.0] Some(3) true 11\n'
    assert book.read_text() == before
    said = about(executed)
    assert said["parameters"]["name"] == hostile and said["parameters"]["epochs"] == 5 and said["seed"] == 11

    # Again, the executed notebook, from a file: the earlier values give way, and those not given are the defaults.
    (tmp_path / "values.json").write_text(json.dumps({"epochs": 9, "who": "file", "quiet": True}))
    file = ["--parameters-file", tmp_path / "values.json", "-p", "epochs", "6", "--inplace"]
    done = run(executed, *file)
    assert done.returncode == 0, done.stderr
    assert len(cells(executed)) == 5 and text(cells(executed)[3]).startswith('6 0.1 "a" "file" [1, 2]')
    assert about(executed)["parameters"] == {"epochs": 6, "who": "file", "quiet": True}
    page = (tmp_path / "a.executed.html").read_text()
    assert "<p>epochs = 6 · quiet = true · who = &quot;file&quot;</p>" in page


def test_without_a_cell_of_defaults_values_go_to_the_top(tmp_path):
    book = write(tmp_path / "a.ipynb", 'println!("{n} {scale} {word}");')
    done = run(book, "-p", "n", "-3", "-p", "scale", "1e-3", "-p", "word", "it's", "--no-html")
    assert done.returncode == 0, done.stderr
    assert "No cell is tagged parameters: the values are set at the top" in done.stderr
    injected, shown = cells(tmp_path / "a.executed.ipynb")
    assert injected["metadata"]["tags"] == ["injected-parameters"] and text(shown) == "-3 0.001 it's\n"


def test_what_cannot_be_set_is_told_before_anything_runs(tmp_path):
    book = write(tmp_path / "a.ipynb", (DEFAULTS, ["parameters"]), SHOW)
    bare = write(tmp_path / "bare.ipynb", "1")
    broken = write(tmp_path / "broken.ipynb", ("let a = ;", ["parameters"]))
    listed = tmp_path / "list.json"
    listed.write_text("[1]")
    tried = [
        ([book, "-p", "epoch", "5"], "there is no parameter `epoch`; the notebook has\n  let epochs = 20;\n"),
        ([book, "-p", "epochs", "5.5"], "`epochs` takes an integer from -2147483648 to 2147483647 (i32), not `5.5`"),
        ([book, "-p", "seed", "-1"], "`seed` takes an integer from 0 to 18446744073709551615 (u64), not `-1`"),
        ([book, "-p", "quiet", "no"], "`quiet` takes true or false, not `no`"),
        ([book, "-p", "steps", "[1]"], "`steps` takes a JSON list of 2"),
        ([bare, "-p", "a = 1; b", "2"], "`a = 1; b` is no name that a variable can have"),
        ([broken, "-p", "a", "1"], "cell 1 is tagged parameters, but cannot be read"),
        ([book, "--parameters-file", listed], "list.json is not a JSON object of parameters"),
    ]
    for args, told in tried:
        done = run(*args)
        assert done.returncode == 1 and done.stderr.startswith("jook: ") and told in done.stderr, done.stderr
        assert "Toolkit" not in done.stderr and "panicked" not in done.stderr
    assert not list(tmp_path.glob("*executed*"))
