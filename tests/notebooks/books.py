"""What the tests of `jook run` share: the program, and notebooks made on the fly.

`JOOK_BINARY` names another program than target/release/jook.
"""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JOOK = Path(os.environ.get("JOOK_BINARY", ROOT / "target" / "release" / "jook"))
PLOTLY = "application/vnd.plotly.v1+json"


def run(*args, cwd=None):
    return subprocess.run([JOOK, "run", *args], text=True, capture_output=True, cwd=cwd)


def write(path, *cells):
    """A notebook of code cells; a cell may be a pair of source and tags."""
    pairs = [cell if isinstance(cell, tuple) else (cell, []) for cell in cells]
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"c{index}",
                "metadata": {"tags": tags} if tags else {},
                "outputs": [],
                "source": source,
            }
            for index, (source, tags) in enumerate(pairs)
        ],
        "metadata": {"language_info": {"name": "rust"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook))
    return path


def cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def text(cell):
    """All that a cell shows as plain text: its streams, and the text form of its other outputs."""
    found = []
    for output in cell["outputs"]:
        words = output.get("text", output.get("data", {}).get("text/plain", output.get("evalue", "")))
        found.append("".join(words))
    return "\n".join(found)
