"""What several folders of tests share: the built program, and one run of each lesson."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT / "notebooks"


# `JOOK_TESTS=whole` runs the lessons as a reader runs them, otherwise with two seeds where a lesson has more; and the tests
# that are marked as long, most of which start several kernels each.
WHOLE = os.environ.get("JOOK_TESTS") == "whole"


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes long, and runs with JOOK_TESTS=whole only")


def pytest_collection_modifyitems(items):
    for item in items:
        if not WHOLE and item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes long: JOOK_TESTS=whole runs it"))


class Executed:
    """A lesson after `jook run`: its executed notebook, its page, and what the run said. What runs is a copy in a
    folder of its own, where no study finds the results of an earlier run."""

    def __init__(self, program, lesson, folder):
        copy = folder / "fresh" / f"{lesson}.ipynb"
        copy.parent.mkdir()
        shutil.copy(LESSONS / copy.name, copy)
        # Whether it had all its seeds: fewer have no intervals to speak of.
        self.whole = WHOLE or "let seeds: usize" not in copy.read_text()
        fewer = [] if self.whole else ["-p", "seeds", "2"]
        command = [program, "run", copy, "--output", folder, *fewer]
        self.done = subprocess.run(command, text=True, capture_output=True)
        self.notebook = folder / copy.name
        self.page = folder / f"{lesson}.html"
        if self.done.returncode:
            sys.stderr.write(self.done.stderr)


def missing(what):
    """A part the tests need is not here: a failure where everything must be checked, else a skip."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


@pytest.fixture(scope="session")
def program():
    """The built program; `JOOK_BINARY` names another than the release build."""
    program = Path(os.environ.get("JOOK_BINARY", ROOT / "target" / "release" / "jook"))
    if not program.exists():
        missing(f"{program} is not built")
    return program


@pytest.fixture(scope="session")
def chromium_path():
    """The browser: `CHROMIUM`, or the one on the path."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next((found for name in names if name and (found := shutil.which(name))), None)
    if not found:
        missing("Chromium is not here (Debian: chromium)")
    return found


@pytest.fixture(scope="session")
def lesson_run(program, tmp_path_factory):
    """Runs a lesson, by its name, once for all tests."""
    return functools.cache(lambda name: Executed(program, name, tmp_path_factory.mktemp(name)))


@pytest.fixture(scope="session")
def bowl_run(lesson_run):
    return lesson_run("01_first_bowl")
