"""What several folders of tests share: the built program, and one run of the first notebook."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BOWL = ROOT / "notebooks" / "01_first_bowl.ipynb"


class Executed:
    """The first bowl after `jook run`: its executed notebook, its page, and what the run said. What runs is a
    copy in a folder of its own, where no study finds the results of an earlier run."""

    def __init__(self, program, folder):
        copy = folder / "fresh" / BOWL.name
        copy.parent.mkdir()
        shutil.copy(BOWL, copy)
        self.done = subprocess.run([program, "run", copy, "--output", folder], text=True, capture_output=True)
        self.notebook = folder / BOWL.name
        self.page = folder / f"{BOWL.stem}.html"
        if self.done.returncode:
            sys.stderr.write(self.done.stderr)


@pytest.fixture(scope="session")
def bowl_run(tmp_path_factory):
    """Runs the first bowl once for all tests; `JOOK_BINARY` names another program than the release build."""
    program = Path(os.environ.get("JOOK_BINARY", ROOT / "target" / "release" / "jook"))
    if not program.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{program} is not built")
    return Executed(program, tmp_path_factory.mktemp("bowl"))
