"""The pages Jook writes, opened in a browser whose network is cut: every chart is drawn, nothing is red in
the console, nothing asks for anything outside.

Needs Chromium (Debian: chromium). `JOOK_BINARY` names the program, else target/release/jook is taken;
`JOOK_PAGE` and `JOOK_EXECUTED` name the page and the executed notebook of an earlier run of the first bowl,
which spares running it again.
"""

import json
import os
from pathlib import Path

import pytest
from chromium import Browser

PLOTLY = "application/vnd.plotly.v1+json"

DRAWN = """[...document.querySelectorAll('.js-plotly-plot')].filter(
    plot => plot.querySelector('svg.main-svg') && plot.getBoundingClientRect().height > 50).length"""


@pytest.fixture(scope="session")
def browser(chromium_path):
    with Browser(chromium_path) as browser:
        yield browser


@pytest.fixture(scope="session")
def bowl(request):
    """The first bowl, run: its executed notebook and its page."""
    if "JOOK_PAGE" in os.environ and "JOOK_EXECUTED" in os.environ:
        return Path(os.environ["JOOK_EXECUTED"]), Path(os.environ["JOOK_PAGE"])
    ran = request.getfixturevalue("bowl_run")
    return ran.notebook, ran.page


def charts(notebook):
    """How many charts an executed notebook has."""
    outputs = [output for cell in json.loads(notebook.read_text())["cells"] for output in cell.get("outputs", [])]
    return sum(PLOTLY in output.get("data", {}) for output in outputs)


def assert_quiet(page):
    assert page.errors() == []
    assert page.requests() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_first_bowl_opens_offline_with_every_chart(browser, bowl, tmp_path, dark):
    executed, html = bowl
    expected = charts(executed)
    assert expected >= 2, "the first bowl shows a curve and a heatmap"
    page = browser.open(html, dark=dark)
    page.wait_for(f"{DRAWN} === {expected}")
    assert page.evaluate("document.title") != ""
    assert page.evaluate("document.querySelectorAll('.code-cell.failed').length") == 0
    assert_quiet(page)

    page.screenshot(tmp_path / "page.png")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channel = int(light.split("(")[1].split(",")[0])
    assert (channel < 60) == dark, f"the background is {light}"


def test_foreign_elements_do_not_keep_charts_from_being_drawn(browser, bowl, tmp_path):
    """An output may bring elements of any class, also a figure's place without a figure."""
    own = bowl[1].read_text()
    strangers = '<div class="plot">not a chart</div><div class="jook-figure">nor this</div>'
    html = tmp_path / "strangers.html"
    html.write_text(own.replace("<main>\n", f"<main>\n{strangers}\n", 1))
    page = browser.open(html)
    assert page.evaluate("document.querySelectorAll('main > .plot').length") == 1
    page.wait_for(f"{DRAWN} === {charts(bowl[0])}")
    assert_quiet(page)


def test_charts_follow_a_narrow_window(browser, bowl):
    page = browser.open(bowl[1], width=390, height=800)
    page.wait_for(f"{DRAWN} === {charts(bowl[0])}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert_quiet(page)


def test_every_chart_of_the_executed_notebook_draws_itself(browser, bowl, tmp_path):
    """The HTML form beside each chart, for viewers that know nothing of Plotly, all on one page."""
    outputs = [output for cell in json.loads(bowl[0].read_text())["cells"] for output in cell.get("outputs", [])]
    forms = ["".join(output["data"]["text/html"]) for output in outputs if PLOTLY in output.get("data", {})]
    loader = "<script>window.define = function () {}; window.define.amd = {};</script>"
    html = tmp_path / "forms.html"
    html.write_text(f"<!DOCTYPE html><meta charset='utf-8'><link rel='icon' href='data:,'>{loader}{''.join(forms)}")
    page = browser.open(html)
    page.wait_for(f"{DRAWN} === {len(forms)}")
    assert page.evaluate("typeof window.define") == "function"
    assert page.evaluate("document.head.querySelectorAll('script').length") <= 2, "unpacked more than once"
    assert_quiet(page)


def test_nbconvert_shows_every_chart_offline(browser, bowl, tmp_path):
    nbconvert = pytest.importorskip("nbconvert")
    body, _ = nbconvert.HTMLExporter(template_name="classic").from_filename(str(bowl[0]))
    html = tmp_path / "classic.html"
    html.write_text(body)
    page = browser.open(html)
    page.wait_for(f"{DRAWN} === {charts(bowl[0])}")


def test_the_checks_see_what_they_look_for(browser, tmp_path):
    """A page with a chart that fails, an error and a request is not taken for a quiet one."""
    html = tmp_path / "bad.html"
    html.write_text(
        "<!DOCTYPE html><link rel='icon' href='data:,'><div class='js-plotly-plot'></div>"
        "<img src='http://127.0.0.1:9/x.png'><script>console.error('red'); throw new Error('thrown')</script>"
    )
    page = browser.open(html)
    assert page.evaluate(DRAWN) == 0
    assert page.requests() == ["http://127.0.0.1:9/x.png"]
    errors = " ".join(page.errors())
    assert "red" in errors and "thrown" in errors and "127.0.0.1" in errors
