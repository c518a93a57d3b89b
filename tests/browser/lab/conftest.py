"""JupyterLab in a headless Chromium. `JOOK_SCREENSHOTS` names a folder for pictures of what the tests saw."""

import os
import shutil
from pathlib import Path

import pytest
from notebook import PATIENCE, Notebook
from server import Server

ROOT = Path(__file__).resolve().parents[3]
BOWL = ROOT / "notebooks" / "01_first_bowl.ipynb"


@pytest.fixture(scope="session")
def lab(program, tmp_path_factory):
    """JupyterLab, started by the built program."""
    with Server(program, tmp_path_factory.mktemp("lab")) as server:
        shutil.copy(BOWL, server.root)
        yield server


@pytest.fixture(scope="session")
def chromium(chromium_path):
    # Only the driver is from the package; the browser is the system's.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page in a fresh profile. What fails with an exception in the page fails the test."""
    page = chromium.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(PATIENCE)
    failures = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    yield page
    page.context.close()
    assert failures == []


@pytest.fixture
def open_cells(lab, page):
    """Opens a new notebook with these cells on the shared kernel."""

    def open_cells(*cells):
        name = lab.write(cells)
        lab.attach(name)
        return Notebook(page, lab, name)

    yield open_cells
    # A test that failed may have left a cell behind.
    lab.stop()


@pytest.fixture
def picture(page, request):
    """Takes a picture of the page, if pictures are wanted."""

    def picture(name):
        if folder := os.environ.get("JOOK_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png")

    return picture
