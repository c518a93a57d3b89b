"""Two real clients: a notebook executed by nbclient, and `jupyter console` at a terminal."""

import sys

import nbformat
import pexpect
from nbclient import NotebookClient

from client import FIRST_START, plain, shown


def notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernelspec = {"name": "jook", "display_name": "Jook (Rust)", "language": "rust"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec})


def test_nbclient_executes_a_notebook(kernel):
    update = [shown("display", data=plain("0"), id="d"), shown("update", data=plain("1"), id="d")]
    executed = NotebookClient(
        notebook('println!("text");\n6 * 7', "\n".join(update)), timeout=FIRST_START, kernel_name="jook"
    ).execute()
    nbformat.validate(executed)
    text, result = executed.cells[0].outputs
    assert (text.text, result.data["text/plain"]) == ("text\n", "42")
    assert [output.data["text/plain"] for output in executed.cells[1].outputs] == ["1"]
    assert executed.metadata.language_info.name == "rust"


def test_jupyter_console(kernel, tmp_path):
    console = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_console", "--kernel", "jook", "--simple-prompt", "--ZMQTerminalInteractiveShell.kernel_timeout=60"],
        encoding="utf-8",
        timeout=FIRST_START,
        cwd=str(tmp_path),
        env=None,
    )
    try:
        console.expect("Jook .* notebooks")
        console.expect(r"In \[1\]:")
        console.sendline("6 * 7")
        console.expect(r"Out\[1\]:.*42")
        console.expect(r"In \[2\]:")
        console.sendline('println!("from the console");')
        console.expect("from the console.*from the console")
        console.sendeof()
        console.expect(["Do you really want to exit", pexpect.EOF])
        if console.after is not pexpect.EOF:
            console.sendline("y")
            console.expect(pexpect.EOF, timeout=30)
    finally:
        console.close(force=True)
