"""All lessons, each run whole (with fewer seeds, unless `JOOK_TESTS=whole`): every cell shows something, and the page
stands alone.
"""

import json
import re

import pytest

from books import PLOTLY, ROOT, cells, text
from lessons import by_name

LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_cell_ran_and_shows_something(lesson, lesson_run):
    lesson = by_name(lesson_run(lesson))
    assert [cell["execution_count"] for cell in lesson.values()] == list(range(1, len(lesson) + 1))
    given = {name for name, cell in lesson.items() if "injected-parameters" in cell["metadata"].get("tags", [])}
    silent = {name for name, cell in lesson.items() if not cell["outputs"]}
    assert silent - given <= {"setup", "parameters"}
    # A value without a form to show would be written as Rust sees it.
    assert not any(re.search(r"\b(ImageGrid|Table|Dataset) \{", text(cell)) for cell in lesson.values())


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_page_stands_alone(lesson, lesson_run):
    ran = lesson_run(lesson)
    page = ran.page.read_text()
    assert not re.search(r"<(script|img|iframe)[^>]+src=(?![\"']?data:)", page)
    assert not re.search(r"<link[^>]+href=(?![\"']?data:)", page)
    charts = sum(PLOTLY in output.get("data", {}) for cell in cells(ran.notebook) for output in cell["outputs"])
    assert page.count('<div class="jook-figure"') == charts


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_takes_at_most_three_minutes(lesson, lesson_run):
    """About half a minute where nothing else runs."""
    assert json.loads(lesson_run(lesson).notebook.read_text())["metadata"]["jook"]["seconds"] <= 180
