"""A notebook in JupyterLab: the first lesson whole, and what helps to write cells."""

import json
import re

import pytest
from conftest import BOWL
from notebook import PATIENCE, Notebook

PLOTLY = "application/vnd.plotly.v1+json"
# Runs until it is stopped.
BUSY = """println!("busy");
while !jook::interrupt::requested() { std::thread::sleep(std::time::Duration::from_millis(50)); }"""


def test_run_all_cells_of_the_first_notebook(lab, page, picture):
    count = sum(cell["cell_type"] == "code" for cell in json.loads(BOWL.read_text())["cells"])
    notebook = Notebook(page, lab, BOWL.name)
    # Not all of a long notebook is there at once.
    notebook.until(lambda: notebook.cells.count() == count)
    notebook.menu("Run", "Run All Cells")
    notebook.wait(count - 1, patience=300_000)
    prompts = [notebook.prompt(at).text_content() for at in range(count)]
    assert prompts == [f"[{n}]:" for n in range(1, count + 1)]
    saved = [cell for cell in notebook.saved()["cells"] if cell["cell_type"] == "code"]
    assert all(output["output_type"] != "error" for cell in saved for output in cell["outputs"])
    assert sum(PLOTLY in output.get("data", {}) for cell in saved for output in cell["outputs"]) >= 2
    page.locator(".jp-Notebook .js-plotly-plot .main-svg").last.scroll_into_view_if_needed()
    picture("first_bowl")


def test_rust_is_coloured(open_cells, picture):
    notebook = open_cells('// why\nlet answer: u32 = "42".parse().unwrap();\nfn f(x: f64) -> f64 { x * 2.5 }')
    picture("colours")
    kinds = {"// why": "comment", "let": "keyword", "answer": "name", '"42"': "string", "2.5": "number"}
    colours = {}
    for words in kinds:
        token = notebook.cells.first.locator(".cm-line span", has_text=re.compile(f"^{re.escape(words)}$")).first
        colours[kinds[words]] = token.evaluate("token => getComputedStyle(token).color")
    line = notebook.cells.first.locator(".cm-line").first
    plain = line.evaluate("line => getComputedStyle(line).color")
    assert plain not in colours.values()
    assert len(set(colours.values())) >= 4, colours


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_completion_and_docs(open_cells, picture, busy):
    notebook = open_cells("let shelf = vec![3, 1, 2];", BUSY, "shelf.sort_un", "Vec::<u8>::with_capacity")
    page = notebook.page
    notebook.run(0)
    if busy:
        notebook.start(1)
        notebook.output(1).get_by_text("busy").wait_for()
    offered = notebook.complete(2, "sort_unstable()")
    picture(f"completion_{'busy' if busy else 'idle'}")
    offered.click()
    notebook.until(lambda: "shelf.sort_unstable()" in notebook.cells.nth(2).locator(".cm-content").inner_text())
    notebook.focus(3)
    page.keyboard.press("Shift+Tab")
    tooltip = page.locator(".jp-Tooltip")
    tooltip.get_by_text("at least the specified capacity").first.wait_for()
    assert "with_capacity(capacity: usize)" in tooltip.inner_text()
    picture(f"docs_{'busy' if busy else 'idle'}")
    page.keyboard.press("Escape")
    if busy:
        assert notebook.is_busy(1)
        notebook.stop()
        notebook.wait(1)


def test_a_cell_asks_for_a_line_and_for_a_password(open_cells, picture):
    notebook = open_cells(
        'println!("hello {}", input("name? ")?);',
        'println!("{} letters", password("word? ")?.len());',
    )
    for at, prompt, secret, answer, said in [
        (0, "name?", False, "Jook", "hello Jook"),
        (1, "word?", True, "sesame", "6 letters"),
    ]:
        notebook.start(at)
        box = notebook.output(at).locator(".jp-Stdin-input")
        box.wait_for()
        assert (box.get_attribute("type") == "password") == secret and prompt in notebook.text(at)
        picture("password" if secret else "input")
        box.fill(answer)
        box.press("Enter")
        notebook.output(at).get_by_text(said).wait_for()
        notebook.wait(at)
    assert "sesame" not in notebook.page.inner_text("body")
