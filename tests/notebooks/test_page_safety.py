"""What a page that is given away may hold: of a notebook that somebody else wrote, and of the machine it was made on."""

import base64
import json
import os
import re
import sys
from html.parser import HTMLParser

import pytest

from books import JOOK, ROOT, run, write

sys.path.append(str(ROOT / "tests" / "browser"))

SECRET, OWN = b"\x89PNG secret bytes", b"\x89PNG own bytes"
PROSE = """# Pictures

![own](inside/own.png) ![up](../secret.png) ![link](link.png) ![whole]({secret}) ![file](file://{secret})
<img src="../secret.png" alt="raw"> <img src='{secret}'> ![gone](none.png)

[a](javascript:alert(1)) [b](file://{secret}) <a href="jav&#x61;script:alert(1)" onclick="alert(1)">c</a>

<script>alert("prose")</script>

<form action="https://example.org"><input name="a"><button>send</button></form>

<base href="https://example.org/"><meta http-equiv="refresh" content="0;url=https://example.org">
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    around = tmp_path_factory.mktemp("machine")
    folder = around / "book"
    (folder / "inside").mkdir(parents=True)
    (around / "secret.png").write_bytes(SECRET)
    (folder / "inside" / "own.png").write_bytes(OWN)
    (folder / "link.png").symlink_to(around / "secret.png")
    source = PROSE.format(secret=around / "secret.png")
    notebook = {
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": source},
            {"cell_type": "code", "id": "b", "metadata": {}, "source": "6 * 7", "outputs": [], "execution_count": None},
        ],
        "metadata": {"language_info": {"name": "rust"}}, "nbformat": 4, "nbformat_minor": 5,
    }
    (folder / "book.ipynb").write_text(json.dumps(notebook))
    done = run(folder / "book.ipynb", "--output", around / "out")
    assert done.returncode == 0, done.stderr
    return (around / "out" / "book.html").read_text(), around


def test_pictures_of_the_notebooks_folder_are_carried_and_others_named(page):
    html, _ = page
    assert base64.b64encode(OWN).decode() in html and base64.b64encode(SECRET).decode() not in html
    left_out = re.findall(r"Picture not found: (\w*) \(([^)]*)\)", html)
    outside = [alt for alt, why in left_out if "is not in the notebook&#39;s folder" in why]
    assert sorted(outside) == ["", "file", "link", "raw", "up", "whole"] and ("gone", "there is no file none.png") in left_out
    assert html.count("<img") == 1


def test_the_machine_is_not_on_the_page(page):
    html, around = page
    assert str(around) not in html and "/tmp/" not in html and "secret.png" in html


def test_prose_runs_nothing_and_sends_nothing(page):
    html, _ = page
    prose = html[html.index("<main>") : html.index('id="cell-2"')].lower()
    for word in ("<script", "javascript:", "file:", "onclick", "<form", "<input", "<base", "<meta", "example.org"):
        assert word not in prose, word
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert {"default-src 'none'", "form-action 'none'", "base-uri 'none'"} <= {part.strip() for part in policy.split(";")}


# What an output may try, each in its own way, to have run on the page.
TRICKS = """
<script>window.ran = "script"</script><img src="x.png" onerror="window.ran = 'img'"><b onclick="window.ran = 1">bold</b>
<svg onload="window.ran = 'svg'"><script>window.ran = "svg script"</script><a xlink:href="javascript:window.ran=2"><text y="9">t</text></a></svg>
<svg><style><img src=x onerror="window.ran = 'style'"></style></svg><math><mtext></form><mglyph><style></math><img src onerror="window.ran = 3">
<a href="java&#115;cript:window.ran=4">a</a><a href="java\tscript:window.ran=5">b</a><a href=" VBScript:x">c</a><a href="data:text/html,x">d</a>
<iframe srcdoc="<script>parent.ran = 'iframe'</script>"></iframe><object data="data:text/html,x"></object><embed src="javascript:window.ran=6">
<form action="javascript:window.ran=7"><button formaction="javascript:window.ran=8">go</button></form>
<meta http-equiv="refresh" content="0;url=https://example.org"><base href="https://example.org/"><link rel="stylesheet" href="https://example.org/x.css">
<details open ontoggle="window.ran = 'toggle'"><summary>s</summary></details><video src="x" onerror="window.ran = 9"></video>
"""


@pytest.fixture(scope="module")
def tricked(tmp_path_factory):
    """A notebook whose outputs and prose try to run something; it has a chart, too."""
    folder = tmp_path_factory.mktemp("tricked")
    tricks = TRICKS.replace("\\t", "\t")
    code = f'''use jook::prelude::*;
let html = r###"{tricks}"###;
show(&Bundle::text("tricks").html(html));
println!("EVCXR_BEGIN_CONTENT text/markdown\\n{{html}}\\nEVCXR_END_CONTENT");
let mut plot = plotly::Plot::new();
plot.add_trace(plotly::Scatter::new(vec![1, 2], vec![2, 1]).name("<script>window.ran = 'name'</script>"));
plot'''
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": tricks},
        {"cell_type": "code", "id": "b", "metadata": {}, "source": code, "outputs": [], "execution_count": None},
        {"cell_type": "raw", "id": "c", "metadata": {"format": "text/html"}, "source": tricks},
    ]
    book = {"cells": cells, "metadata": {"language_info": {"name": "rust"}}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "tricks.ipynb").write_text(json.dumps(book))
    done = run(folder / "tricks.ipynb", "--output", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "out" / "tricks.html"


class Tags(HTMLParser):
    """What of a page could run: its tags, as a parser of HTML sees them."""

    def __init__(self):
        super().__init__()
        self.running, self.scripts = [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "script":
            self.scripts.append(attributes)
        if tag in ("iframe", "object", "embed", "form", "base", "link", "meta", "button") and "icon" not in attributes.values():
            self.running.append((tag, attributes))
        for name, value in attributes.items():
            address = re.sub(r"[\s\x00-\x20]", "", value or "").lower()
            bad = address.startswith(("javascript:", "vbscript:", "data:text/html"))
            if name.startswith("on") or name in ("srcdoc", "formaction", "action") or bad:
                self.running.append((tag, name, value))


def test_outputs_run_nothing(tricked):
    html = tricked.read_text()
    main = html[html.index("<main>") : html.index("</main>")]
    tags = Tags()
    tags.feed(main)
    assert tags.running == []
    # A chart's data, which no browser runs.
    assert [script.get("type") for script in tags.scripts] == ["application/json"]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    (scripts,) = [part for part in policy.split(";") if "script-src" in part]
    assert "unsafe-inline" not in scripts and scripts.count("sha256-") == 2
    assert main.count("<b>bold</b>") >= 2 and "<text" in main


def test_a_browser_runs_nothing_of_an_output_and_draws_the_chart(tricked, chromium_path, tmp_path):
    from chromium import Browser

    # What would come through all the same, the page's policy keeps from running.
    through = tmp_path / "through.html"
    through.write_text(tricked.read_text().replace("<main>", f"<main>{TRICKS}", 1))
    click = "one.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))"
    with Browser(chromium_path) as browser:
        for html, drawn in ((tricked, True), (through, False)):
            page = browser.open(html)
            if drawn:
                page.wait_for("document.querySelector('.js-plotly-plot svg.main-svg')")
            page.evaluate(f"document.querySelectorAll('main b, main summary, main a').forEach(one => {click})")
            assert page.evaluate("window.ran === undefined") is True
            # A page that leads away by itself is asked to by a tag that no policy forbids: it must not come through.
            assert not drawn or page.requests() == []


def test_no_path_of_the_machine_is_written(tmp_path):
    folder = tmp_path / "books" / "rice&beans"
    folder.mkdir(parents=True)
    secrets = [str(tmp_path), str(JOOK.parent), os.environ["HOME"] + "/"]
    cells = [
        "use jook::prelude::*;\nprintln!(\"{:?} {}\", std::env::current_dir()?, std::env::var(\"HOME\")? + \"/.cache\");",
        "std::env::current_exe()?",
        ("std::fs::read(std::env::current_dir()?.join(\"gone\")).map_err(|e| Error::io(std::env::current_dir().unwrap().join(\"gone\"), &e))?;", ["raises-exception"]),
        ("DataFrame::read_csv(std::env::current_dir()?.join(\"../none.csv\"))?;", ["raises-exception"]),
        ("Weights::read(std::env::current_dir()?.parent().unwrap().join(\"none.pth\"))?;", ["raises-exception"]),
        ("panic!(\"in {}\", std::env::current_dir()?.display());", ["raises-exception"]),
        ("polars::prelude::Column::new(\"x\".into(), [1]).get(7).unwrap();", ["raises-exception"]),
        ("let n: i32 = \"text\";", ["raises-exception"]),
        (":dep gone = { path = \"../gone\" }", ["raises-exception"]),
        "std::thread::spawn(|| panic!(\"elsewhere\")).join().is_err()",
        "eprintln!(\"{}\", std::backtrace::Backtrace::force_capture());",
        "show(&Bundle::text(std::env::current_dir()?.display().to_string()).html(format!(\"<b>{}</b>\", std::env::current_dir()?.display())));",
    ]
    book = json.loads(write(folder / "book.ipynb", *cells).read_text())
    prose = f"# In {folder}\n`{folder}/a` [b]({folder}/b.csv)\n\n<style>p {{ cursor: url({folder}/c) }}</style>\n\n<i title='{folder}/d'>e</i>\n"
    book["cells"].insert(0, {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": prose})
    (folder / "book.ipynb").write_text(json.dumps(book))
    done = run(folder / "book.ipynb", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    page, book = [(tmp_path / "out" / f"book.{end}").read_text() for end in ("html", "ipynb")]
    # What the author has written is the author's in the notebook.
    book = book.replace(json.dumps(prose)[1:-1], "")
    for secret in secrets:
        assert secret not in page, secret
        assert secret not in book, secret
    for words in ("<code>./a</code>", 'href="./b.csv"', "url(./c)", 'title="./d"'):
        assert words in page, words
    assert "where: ./gone" in book and "~/.cache" in book and "<b>.</b>" in book


def test_a_check_takes_no_offence_at_whose_machine_it_was(tmp_path):
    code = "std::env::current_dir()?.join(\"a.csv\")"
    book = json.loads(write(tmp_path / "book.ipynb", code).read_text())
    # As a front end keeps it, which does not look at what is in it.
    output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": [f'"{tmp_path}/a.csv"']}}
    book["cells"][0]["outputs"], book["cells"][0]["execution_count"] = [output], 1
    (tmp_path / "book.ipynb").write_text(json.dumps(book))
    done = run(tmp_path / "book.ipynb", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
