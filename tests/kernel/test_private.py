"""The folder that a kernel works in is its own: nobody else reads it, puts anything into it or takes it away, and it is gone
when the kernel is."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest

from living import begin, kill, read, told, until, value, warm

pytestmark = pytest.mark.long

NOBODY = 65534
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="another user can only be played by root")


@pytest.fixture
def temporary():
    """A folder for temporary files as /tmp is: everybody may write there. (Those of pytest are closed to others.)"""
    folder = Path(tempfile.mkdtemp(prefix="jook-test-", dir="/tmp"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def kernels(installed):
    """Starts kernels that end with the test."""
    started = []

    def start(*arguments, **environment):
        started.append(begin(*arguments, **environment))
        return started[-1]

    yield start
    for kernel in started:
        kill(kernel)


def places(temporary):
    """Kernels may work in the folder for temporary files or in that for what lives as long as a login."""
    runtime = temporary / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return dict(TMPDIR=temporary, XDG_RUNTIME_DIR=runtime, EVCXR_TMPDIR=None)


def library(kernel):
    """The file of the newest cell's code, which its process has loaded."""
    cells = int(value(kernel.run("std::process::id()")))
    mapped = {line.split(maxsplit=5)[5] for line in read(cells, "maps").decode().splitlines() if line.count("/")}
    found = [Path(path.removesuffix(" (deleted)")) for path in mapped if "/.rustup/" not in path and path.split(".so")[0] != path]
    own = [path for path in found if re.search(r"/lib(code|cell)?_?\w*\d+\.so", str(path)) or path.name.startswith("libcode")]
    assert own, mapped
    return max(own, key=lambda path: path.stat().st_mtime if path.exists() else 0)


def folders(place):
    """The folders that have been made directly in one of the places."""
    return {entry for entry in [*place.iterdir(), *(place / "runtime").glob("*")] if entry.name != "runtime" and entry.is_dir() and not entry.is_symlink()}


def test_the_folder_is_closed_to_others(kernels, temporary):
    kernel = warm(kernels(**places(temporary)))
    secret = f"s3cret{uuid.uuid4().hex}"
    assert kernel.run(f'let token = "{secret}"; println!("{{}}", token.len());').status == "ok"
    kernel.run(f'let broken: u32 = "{secret}";')
    made = folders(temporary)
    assert made, "the kernel works elsewhere than in TMPDIR and XDG_RUNTIME_DIR"
    for folder in made:
        about = folder.lstat()
        assert stat.S_IMODE(about.st_mode) == 0o700 and about.st_uid == os.getuid(), (folder, oct(about.st_mode))
    # Nothing lies beside it.
    for entry in temporary.iterdir():
        assert stat.S_IMODE(entry.lstat().st_mode) & 0o077 == 0, entry
    # Code that runs lies in it as well.
    loaded = library(kernel)
    assert any(folder in loaded.parents for folder in made), loaded


@ROOT_ONLY
def test_another_user_reads_nothing_of_a_cell(kernels, temporary):
    kernel = warm(kernels(**places(temporary)))
    secret = f"s3cret{uuid.uuid4().hex}"
    assert kernel.run(f'let token = "{secret}"; println!("{{}}", token.len());').status == "ok"

    def finds(**who):
        return subprocess.run(["grep", "-rls", "--binary-files=text", secret, temporary], text=True, capture_output=True, **who).stdout

    assert finds(), "the cell's source lies elsewhere"
    assert finds(user=NOBODY, group=NOBODY, extra_groups=[]) == ""
    # Nor the environment and memory of its processes: only their owner may look there.
    cells = int(value(kernel.run("std::process::id()")))
    look = subprocess.run(["cat", f"/proc/{cells}/environ"], capture_output=True, user=NOBODY, group=NOBODY, extra_groups=[])
    assert look.returncode != 0


def baits(temporary, make):
    """What somebody has put where the next thousand processes might put their folders."""
    newest = int(Path("/proc/loadavg").read_text().split()[-1])
    prepared = []
    for number in range(newest, newest + 1000):
        for place in (temporary, temporary / "runtime"):
            make(place / f"jook-{number}")
            prepared.append(place / f"jook-{number}")
    return prepared


# Root without what root may do to files of others: a user like any other who may read this checkout.
WITHOUT_POWERS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


@ROOT_ONLY
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_folder_that_somebody_has_prepared_is_not_used(kernels, temporary, kind, tmp_path):
    if subprocess.run([*WITHOUT_POWERS, "true"]).returncode:
        pytest.skip("setpriv is not allowed here")
    setting = places(temporary)
    (temporary / "runtime").chmod(0o1777)
    trap = temporary / "trap"

    def make(path):
        if kind == "link":
            os.symlink(trap, path)
            os.lchown(path, NOBODY, NOBODY)
            return
        path.mkdir()
        (path / "tools").write_text("/bin/false\n/bin/false\n")
        (path / "evcxr.toml").write_text("[evcxr]\n")
        for each in (path, path / "tools", path / "evcxr.toml"):
            os.chown(each, NOBODY, NOBODY)
        path.chmod(0o777)

    trap.mkdir()
    trap.chmod(0o777)
    os.chown(trap, NOBODY, NOBODY)
    os.chown(temporary, NOBODY, NOBODY)
    os.chown(temporary / "runtime", NOBODY, NOBODY)
    prepared = baits(temporary, make)
    kernel = kernels(wrapper=WITHOUT_POWERS, **setting)
    cell = kernel.run("6 * 7", timeout=60)
    # It works elsewhere, or says what is wrong; but it does not move in.
    assert cell.status == "ok" or "jook-" in told(cell), told(cell)
    assert list(trap.iterdir()) == []
    for path in prepared:
        if kind == "folder":
            assert sorted(entry.name for entry in path.iterdir()) == ["evcxr.toml", "tools"], path
        else:
            assert path.is_symlink()
    assert value(cell) == "42"


def namespace():
    """Starts a program where it sees no process from outside, and where it has a low number."""
    wrapper = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*wrapper, "true"], capture_output=True).returncode:
        pytest.skip("unshare is not allowed here")
    return [*wrapper, "sh", "-c", '"$@"; exit $?', "sh"]


def test_a_kernel_in_another_container_leaves_the_folder_alone(kernels, temporary):
    """Containers, or machines of a cluster, that share one folder for temporary files."""
    wrapper = namespace()
    first = warm(kernels(**places(temporary)))
    made = folders(temporary)
    second = warm(kernels(wrapper=wrapper, **places(temporary)))
    assert made <= folders(temporary), "the first kernel's folder is gone"
    # Whose processes have the same numbers as the second's.
    third = warm(kernels(wrapper=wrapper, **places(temporary)))
    for turn in range(2):
        for number, kernel in enumerate([first, second, third]):
            assert value(kernel.run(f"let kept{turn} = {number}; kept{turn} + {turn}", timeout=20)) == str(number + turn)


def test_what_a_killed_kernel_left_is_swept_by_the_next(kernels, temporary):
    first = warm(kernels(**places(temporary)))
    left = folders(temporary)
    assert left
    os.kill(first.manager.provisioner.pid, 9)
    first.manager.provisioner.process.wait()
    foreign = temporary / "jook-notes"
    foreign.mkdir()
    (foreign / "tools").write_text("mine")
    second = warm(kernels(**places(temporary)))
    until(lambda: not left & folders(temporary), 10, lambda: left & folders(temporary))
    assert (foreign / "tools").read_text() == "mine"
    assert value(second.run("6 * 7")) == "42"


@pytest.mark.parametrize("way", ["shutdown", "terminated"])
def test_nothing_is_left_of_a_kernel_that_ends(kernels, temporary, way):
    setting = places(temporary)
    kernel = warm(kernels(**setting))
    if way == "shutdown":
        kernel.shut_down(restart=False)
    else:
        os.kill(kernel.manager.provisioner.pid, 15)
    kernel.manager.provisioner.process.wait(10)
    until(lambda: not folders(temporary), 5, lambda: folders(temporary))


def assert_apart(kernels):
    """Cells of two kernels at once, each with its own results."""
    for kernel in kernels:
        warm(kernel)
    for turn in range(12):
        requests = [kernel.start(f'let v{turn} = "{name}{turn}"; println!("{{v{turn}}}"); {turn} + {number}') for number, (name, kernel) in enumerate(zip("AB", kernels))]
        for number, (name, kernel) in enumerate(zip("AB", kernels)):
            cell = kernel.wait(requests[number], timeout=30)
            assert cell.text() == f"{name}{turn}\n" and value(cell) == str(turn + number)


def test_two_kernels_told_one_folder_by_the_environment(kernels, temporary):
    shared = temporary / "shared"
    shared.mkdir()
    setting = places(temporary) | dict(EVCXR_TMPDIR=shared)
    assert_apart([kernels(**setting), kernels(**setting)])
    assert list(shared.iterdir()) == []


def test_two_kernels_told_one_folder_by_a_file_beside_the_notebook(kernels, temporary):
    notebooks, shared = temporary / "notebooks", temporary / "shared"
    notebooks.mkdir()
    shared.mkdir()
    plain = warm(kernels(**places(temporary)))
    level = value(plain.run("cfg!(debug_assertions)")), plain.run(":opt_level").text()
    kill(plain)
    (notebooks / "evcxr.toml").write_text(f'[evcxr]\ntmpdir = "{shared}"\nopt_level = "3"\nprelude = "compile_error!(1);"\n')
    pair = [kernels(notebooks, **places(temporary)), kernels(notebooks, **places(temporary))]
    assert_apart(pair)
    assert list(shared.iterdir()) == []
    assert (value(pair[0].run("cfg!(debug_assertions)")), pair[0].run(":opt_level").text()) == level


@pytest.mark.parametrize("folder", ["/proc", "/dev/null", "relative/and/missing", ""])
def test_a_temporary_folder_that_is_none(kernels, folder, temporary):
    kernel = kernels(temporary, TMPDIR=folder, XDG_RUNTIME_DIR=None)
    cell = kernel.run("6 * 7", timeout=60)
    if cell.status == "ok":
        assert value(cell) == "42"
    else:
        said = told(cell)
        assert "TMPDIR" in said or "temporary" in said, said
        assert "panicked" not in said


@pytest.mark.parametrize("name", ["a:b", "50%off", "two\nlines"])
def test_a_folder_that_the_tools_cannot_be_told_of_is_refused_in_words(kernels, name, temporary):
    folder = temporary / name
    folder.mkdir()
    said = told(kernels(TMPDIR=folder, XDG_RUNTIME_DIR=None).run("6 * 7", timeout=60))
    assert "in its path" in said and "TMPDIR" in said, said


def test_a_folder_in_which_others_could_exchange_things_is_refused_in_words(kernels, temporary):
    temporary.chmod(0o777)
    said = told(kernels(TMPDIR=temporary, XDG_RUNTIME_DIR=None).run("6 * 7", timeout=60))
    assert "sticky" in said and "TMPDIR" in said, said
    temporary.chmod(0o1777)


@pytest.mark.parametrize("name", ["relative", "with a space", "ünï 雪", "quote'\"$HOME\\"])
def test_a_folder_of_any_other_name_will_do(kernels, name, temporary):
    (temporary / name).mkdir(mode=0o700)
    path = name if name == "relative" else temporary / name
    kernel = kernels(temporary, TMPDIR=path, XDG_RUNTIME_DIR=None)
    assert value(kernel.run("let n = 6; n * 7", timeout=60)) == "42"
    assert value(kernel.run('std::env::set_current_dir("/")?; n + 1', timeout=60)) == "7"


def test_a_folder_of_the_users_own_is_not_taken_for_a_dead_kernels(kernels, temporary):
    own = [temporary / "jook-notes", temporary / "jook-papers"]
    for folder in own:
        folder.mkdir(mode=0o700)
        (folder / "lock").write_text("")
        (folder / "thesis.txt").write_text("all of it")
    assert value(warm(kernels(TMPDIR=temporary, XDG_RUNTIME_DIR=None)).run("6 * 7")) == "42"
    assert all((folder / "thesis.txt").exists() for folder in own)


def test_a_folder_that_is_cleaned_up_under_the_kernel_is_told(kernels, temporary):
    kernel = warm(kernels(TMPDIR=temporary, XDG_RUNTIME_DIR=None))
    [made] = folders(temporary)
    made.rename(temporary / "cleaned")
    said = told(kernel.run("6 * 7", timeout=60))
    assert str(made) in said and "Restart the kernel" in said, said


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "not absolute"])
def test_a_runtime_folder_that_is_none(kernels, folder, temporary):
    """The folder for temporary files will do."""
    kernel = kernels(TMPDIR=temporary, XDG_RUNTIME_DIR=folder)
    assert value(kernel.run("6 * 7", timeout=60)) == "42"


def test_what_a_cell_writes_is_for_whom_the_user_says(kernels, temporary):
    """The kernel keeps its own files closed, not those of the notebook."""
    kernel = warm(kernels(temporary, **places(temporary)))
    assert kernel.run('std::fs::write("result.csv", "1")?; std::fs::create_dir("results")?;').status == "ok"
    assert kernel.run("!echo 2 > other.csv").status == "ok"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((temporary / "result.csv").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((temporary / "other.csv").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((temporary / "results").stat().st_mode) == 0o777 & ~mask
