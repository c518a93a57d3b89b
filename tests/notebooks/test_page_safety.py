"""What a page that is given away may hold: of a notebook that somebody else wrote, and of the machine it was made on."""

import base64
import json
import re

import pytest

from books import run

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
