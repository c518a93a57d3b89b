"""What several folders of tests share: the built program, and one run of each lesson."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LESSONS = ROOT / "notebooks"


class Executed:
    """A lesson after `jook run`: its executed notebook, its page, and what the run said. What runs is a copy in a
    folder of its own, where no study finds the results of an earlier run."""

    def __init__(self, program, lesson, folder):
        copy = folder / "fresh" / f"{lesson}.ipynb"
        copy.parent.mkdir()
        shutil.copy(LESSONS / copy.name, copy)
        self.done = subprocess.run([program, "run", copy, "--output", folder], text=True, capture_output=True)
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
def bowl_run(program, tmp_path_factory):
    """Runs the first bowl once for all tests."""
    return Executed(program, "01_first_bowl", tmp_path_factory.mktemp("bowl"))


@pytest.fixture(scope="session")
def convolution_run(program, tmp_path_factory):
    """Runs the second lesson once for all tests."""
    return Executed(program, "02_convolution", tmp_path_factory.mktemp("convolution"))


@pytest.fixture(scope="session")
def inception_run(program, tmp_path_factory):
    """Runs the third lesson once for all tests."""
    return Executed(program, "03_inception_on_a_laptop", tmp_path_factory.mktemp("inception"))


@pytest.fixture(scope="session")
def augmentation_run(program, tmp_path_factory):
    """Runs the lesson on augmentation once for all tests."""
    return Executed(program, "11_augmentation", tmp_path_factory.mktemp("augmentation"))


@pytest.fixture(scope="session")
def initialization_run(program, tmp_path_factory):
    """Runs the lesson on initial weights once for all tests."""
    return Executed(program, "32_initialization", tmp_path_factory.mktemp("initialization"))
