"""Real clients: a notebook executed by nbclient and by nbconvert, and `jupyter console` at a terminal."""

import re
import subprocess
import sys

import nbformat
import pexpect
from nbclient import NotebookClient

from client import FIRST_START, plain, shown


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
