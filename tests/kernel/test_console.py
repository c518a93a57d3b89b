"""Real clients: a notebook executed by nbclient, by nbconvert and by papermill, and `jupyter console` at a
terminal."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pexpect
import pytest
from nbclient import NotebookClient

from client import FIRST_START, plain, shown


ROOT = Path(__file__).resolve().parents[2]
BOWL = ROOT / "notebooks" / "01_first_bowl.ipynb"


def notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernelspec = {"name": "jook", "display_name": "Jook (Rust)", "language": "rust"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec})


def test_nbclient_executes_a_notebook(installed):
    update = [shown("display", data=plain("0"), id="d"), shown("update", data=plain("1"), id="d")]
    executed = NotebookClient(
        notebook('println!("text");\n6 * 7', "\n".join(update)), timeout=FIRST_START, kernel_name="jook"
    ).execute()
    nbformat.validate(executed)
    text, result = executed.cells[0].outputs
    assert (text.text, result.data["text/plain"]) == ("text\n", "42")
    assert [output.data["text/plain"] for output in executed.cells[1].outputs] == ["1"]
    assert executed.metadata.language_info.name == "rust"


def test_nbconvert_executes_to_html(installed, tmp_path):
    source = tmp_path / "small.ipynb"
    chart = "let mut plot = plotly::Plot::new();\nplot.add_trace(plotly::Bar::new(vec![1, 2], vec![3, 4]));\nshow(&plot);"
    nbformat.write(notebook("let kept = 6;", "kept * 7", chart), source)
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", source],
        check=True,
        timeout=FIRST_START,
    )
    page = (tmp_path / "small.html").read_text()
    assert ">42<" in re.sub(r"</?pre>|\n", "", page)
    assert "jook-plot" in page


@pytest.fixture
def papermill(installed, tmp_path):
    """Runs papermill in a folder; a plugin is a folder with a Python package that it finds."""
    pytest.importorskip("papermill")

    def run(*args, plugin=None):
        env = {**os.environ, **({"PYTHONPATH": str(plugin)} if plugin else {})}
        command = [sys.executable, "-m", "papermill", "-k", "jook", *args]
        return subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=600)

    return run


def by_nbclient(folder):
    executed = nbformat.read(folder / BOWL.name, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(executed, timeout=FIRST_START, kernel_name="jook", resources=resources).execute()


def by_nbconvert(folder):
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output", "out", BOWL.name]
    subprocess.run(command, cwd=folder, check=True, timeout=FIRST_START)
    return nbformat.read(folder / "out.ipynb", as_version=4)


def test_each_client_executes_the_first_notebook(papermill, tmp_path):
    def by_papermill(folder):
        done = papermill(folder / BOWL.name, folder / "out.ipynb", "--cwd", folder)
        assert done.returncode == 0, done.stderr
        return nbformat.read(folder / "out.ipynb", as_version=4)

    for client in (by_nbclient, by_nbconvert, by_papermill):
        # Each in a folder of its own, where its study finds no results of another.
        folder = tmp_path / client.__name__
        folder.mkdir()
        shutil.copy(BOWL, folder)
        executed = client(folder)
        code = [cell for cell in executed.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)) and len(code) >= 10
        assert all(output.output_type != "error" for cell in code for output in cell.outputs)
        shown = [output.get("data", {}).get("text/plain", "") for cell in code for output in cell.outputs]
        assert re.search(r"accuracy [89]\d", "\n".join(shown)), client.__name__


def test_papermill_sets_parameters_with_its_plugin_and_without_says_that_it_cannot(papermill, tmp_path):
    defaults = (
        'let epochs: usize = 20;\nlet rate = 0.1;\nlet small = 0.5f32; // how small\nlet name = "a";\n'
        'let who = String::from("b");\nlet sizes = vec![1, 2];\nlet rates = [0.5, 1.0];\nlet quiet = false;\n'
        "let limit: Option<u64> = None;"
    )
    show = 'println!("{epochs} {rate:?} {small:?} {name} {who} {sizes:?} {rates:?} {quiet} {limit:?}");'
    typed = "let typed: (usize, f32, String, Vec<i32>) = (epochs, small, who.clone(), sizes.clone());"
    book = notebook(defaults, typed, show)
    book.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(book, tmp_path / "in.ipynb")
    values = ["-p", "epochs", "5", "-p", "rate", "1", "-p", "small", "2", "-p", "name", 'x"); //', "-p", "who", "7"]
    values += ["-y", "{sizes: [4], rates: [1, 2]}", "-p", "quiet", "true", "-p", "limit", "3"]
    alone = papermill("in.ipynb", "out.ipynb", *values)
    assert alone.returncode == 1 and "No parameter translator functions specified for kernel 'jook'" in alone.stderr

    # What pip makes of the package, without a network: the module, and who it says it is.
    plugin = tmp_path / "plugin"
    shutil.copytree(ROOT / "kernel" / "papermill", plugin)
    about = plugin / "jook_papermill-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: jook-papermill\nVersion: 0.1.0\n")
    points = re.search(r'\n\[project\.entry-points\."(.*)"\]\n(\S+) = "(.*)"', (plugin / "pyproject.toml").read_text())
    (about / "entry_points.txt").write_text("[{}]\n{} = {}\n".format(*points.groups()))
    done = papermill("in.ipynb", "out.ipynb", *values, plugin=plugin)
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert executed.cells[1].metadata.tags == ["injected-parameters"]
    assert executed.cells[3].outputs[0].text == '5 1.0 2.0 x"); // 7 [4] [1.0, 2.0] true Some(3)\n'
    for name, value, told in [("quiet", "no", "neither true nor false"), ("epochs", "5.5", "does not fit")]:
        wrong = papermill("in.ipynb", "out.ipynb", "-p", name, value, plugin=plugin)
        assert wrong.returncode == 1 and told in wrong.stderr, wrong.stderr


def test_jupyter_console_runs_the_first_notebook(installed, tmp_path):
    """Each cell in one line, as Enter ends a statement there; only a command has a line of its own."""
    cells = [cell.source for cell in nbformat.read(BOWL, as_version=4).cells if cell.cell_type == "code"]
    assert not any("//" in source for source in cells), "a comment would end the line"
    command, cells[0] = cells[0].split("\n", 1)
    cells = [command, *(source.replace("\n", " ") for source in cells)]
    options = ["--kernel", "jook", "--simple-prompt", "--ZMQTerminalInteractiveShell.kernel_is_complete_timeout=60"]
    console = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_console", *options],
        cwd=tmp_path,
        dimensions=(50, 1000),
        encoding="utf-8",
        timeout=FIRST_START,
    )
    said = ""
    try:
        console.expect(r"In \[1\]: ")
        for at, source in enumerate(cells, 2):
            console.sendline(source)
            console.expect_exact(f"In [{at}]: ")
            # What was typed is shown first.
            said += console.before.partition("\n")[2]
        console.sendeof()
        console.expect("Do you really want to exit")
        console.sendline("y")
        console.expect(pexpect.EOF)
    finally:
        console.close(force=True)
    said = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert not re.search(r"^\s*(error|the kernel failed)|panicked|Traceback", said, re.M), said
    assert re.search(r"accuracy [89]\d", said) and "\nthe network in the file answers as the one in memory" in said
    assert (tmp_path / "bowls" / "first_bowl.safetensors").exists()


def test_jupyter_console(kernel):
    """At a terminal, on the kernel that runs already."""
    console = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_console", "--existing", kernel.manager.connection_file, "--simple-prompt"],
        encoding="utf-8",
        timeout=60,
    )
    try:
        console.expect("Jook .* notebooks")
        console.expect(r"In \[\d+\]:")
        console.sendline("6 * 7")
        console.expect(r"Out\[\d+\]:.*42")
        console.expect(r"In \[\d+\]:")
        console.sendline('println!("from the console");')
        console.expect("from the console.*from the console")
        console.sendline("let broken: u32 = true;")
        console.expect("mismatched types")
        console.sendeof()
        console.expect(["Do you really want to exit", pexpect.EOF])
        if console.after is not pexpect.EOF:
            console.sendline("y")
            console.expect(pexpect.EOF, timeout=30)
    finally:
        console.close(force=True)
    assert kernel.run("6 * 7").status == "ok"
