"""What lies under a kernel may be odd, or change: the Rust installation, the environment, the built toolkit. Cells work
all the same, or say in plain words what is wrong; and nobody installs anything unasked."""

import http.server
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import nbformat
import pytest

from living import begin, kill, read, told, value, warm

pytestmark = pytest.mark.long


@pytest.fixture
def kernels(installed):
    started = []

    def start(*arguments, **environment):
        started.append(begin(*arguments, **environment))
        return started[-1]

    yield start
    for kernel in started:
        kill(kernel)


def works(kernel, timeout=60):
    """Cells, variables, errors, the toolkit, completion."""
    cell = kernel.run("let list = vec![1u64, 2, 39]; list.iter().sum::<u64>()", timeout=timeout)
    assert value(cell) == "42"
    cell = kernel.run('let unused = 1; fn never() {}\npolars::df!("a" => list.clone())?.height() + list.len()', timeout=timeout)
    assert value(cell) == "6"
    assert "mismatched types" in told(kernel.run('let broken: u32 = "text";', timeout=timeout))
    reply = kernel.reply(kernel.kc.complete("list.is_em", 10))["content"]
    assert "is_empty()" in reply["matches"]


@pytest.fixture
def rustup(tmp_path):
    """A folder with a `rustup` and a `cargo` that note how they are called, and neither install anything nor build the
    toolkit anew; a `PATH` that begins with it; and the notes."""
    real = shutil.which("rustup")
    if not real:
        pytest.skip("rustup is not here")
    folder, notes = tmp_path / "first", tmp_path / "notes"
    folder.mkdir()
    notes.write_text("")
    cargo = subprocess.run(["rustup", "which", "cargo"], text=True, capture_output=True, check=True).stdout.strip()
    refuse = 'echo "the test lets nobody do this: $name $*" >&2; exit 1;;'
    (folder / "cargo").write_text(
        f'#!/bin/sh\nname=cargo\necho "cargo $*" >> {notes}\ncase " $* " in *" build "*|*" rustc "*|*" install "*) {refuse} esac\nexec {cargo} "$@"\n'
    )
    (folder / "rustup").write_text(
        f'#!/bin/sh\nname=rustup\necho "rustup $*" >> {notes}\n'
        f'case " $* " in *" which "*cargo*) echo {folder}/cargo; exit 0;; *" component add "*|*" install "*|*" update "*|*" target add "*|*" default "*|*" override "*) {refuse} esac\n'
        f'exec {real} "$@"\n'
    )
    for program in folder.iterdir():
        program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}", notes


def assert_nothing_installed(notes):
    called = notes.read_text()
    assert not re.search(r"rustup.* (add|install|update|default|override|set)\b", called), called
    assert not re.search(r"cargo.* (build|rustc|install)\b", called), called


def toolchains():
    return subprocess.run(["rustup", "toolchain", "list"], text=True, capture_output=True).stdout.replace(" (active)", "")


@pytest.mark.parametrize(
    "text",
    [
        '[toolchain]\nchannel = "nightly"\ncomponents = ["rust-src", "rustc-dev"]\ntargets = ["wasm32-unknown-unknown"]\n',
        '[toolchain]\nchannel = "1.71.0"\n',
        '[toolchain]\nchannel = "no such thing"\n',
        "this is no TOML [",
    ],
)
def test_a_toolchain_that_the_notebooks_folder_names(kernels, rustup, tmp_path, text):
    path, notes = rustup
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "rust-toolchain.toml").write_text(text)
    before = toolchains()
    kernel = kernels(folder, PATH=path, RUSTUP_TOOLCHAIN=None)
    cell = kernel.run("6 * 7", timeout=60)
    assert_nothing_installed(notes)
    if cell.status == "ok":
        works(kernel)
    else:
        assert re.search(r"rust-toolchain|toolchain", told(cell)) and "incompatible version" not in told(cell), told(cell)
    assert_nothing_installed(notes)
    assert toolchains() == before


class Asked(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def registry():
    """Where rustup would fetch toolchains from; what it is asked for."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("rust-toolchain.toml", '[toolchain]\nchannel = "1.70.0"\n'),
        ("rust-toolchain", "nightly-2023-01-01\n"),
        ("rust-toolchain.toml", '[toolchain]\nchannel = "1.95.0"\ncomponents = ["rustc-dev"]\ntargets = ["wasm32-unknown-unknown"]\n'),
        (None, "1.60.0"),
    ],
)
def test_no_toolchain_is_fetched_for_a_notebook(kernels, registry, tmp_path, file, text):
    """Also where rustup does that by itself, as it does for most users."""
    if not shutil.which("rustup"):
        pytest.skip("rustup is not here")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    if file:
        (folder / file).write_text(text)
    url = f"http://127.0.0.1:{registry.server_port}"
    kernel = kernels(folder, RUSTUP_AUTO_INSTALL=None, RUSTUP_DIST_SERVER=url, RUSTUP_UPDATE_ROOT=url, RUSTUP_TOOLCHAIN=None if file else text)
    info = kernel.reply(kernel.kc.kernel_info())["content"]
    works(kernel)
    # The version that is told is that of the compiler of cells.
    assert info["language_info"]["version"] in kernel.run(":version").text() and info["language_info"]["version"] != "unknown"
    assert registry.asked == []


@pytest.mark.parametrize("name", ["nightly", "no-such-toolchain"])
def test_a_toolchain_that_the_environment_names(kernels, rustup, name):
    path, notes = rustup
    kernel = kernels(PATH=path, RUSTUP_TOOLCHAIN=name)
    cell = kernel.run("6 * 7", timeout=60)
    assert_nothing_installed(notes)
    if cell.status == "ok":
        works(kernel)
    else:
        assert "toolchain" in told(cell) and "incompatible version" not in told(cell), told(cell)


def test_a_kernel_asks_for_nothing_to_be_installed(kernels, rustup):
    path, notes = rustup
    kernel = kernels(PATH=path)
    works(kernel)
    assert_nothing_installed(notes)


STRANGE = {
    "cargo": dict(
        CARGO_TARGET_DIR="/nowhere/at/all", CARGO_BUILD_TARGET_DIR="/nowhere/at/all", CARGO_BUILD_TARGET="wasm32-unknown-unknown", RUSTFLAGS="-Dwarnings -Ctarget-cpu=nonsense",
        CARGO_ENCODED_RUSTFLAGS="-Dwarnings", CARGO_BUILD_RUSTFLAGS="-Dwarnings", CARGO_INCREMENTAL="1", CARGO_PROFILE_DEV_OPT_LEVEL="3", CARGO_PROFILE_RELEASE_PANIC="abort",
        CARGO_MANIFEST_DIR="/nowhere", CARGO_PKG_NAME="other", CARGO_TERM_COLOR="always", CARGO_TERM_VERBOSE="true", CARGO_BUILD_JOBS="1", OUT_DIR="/nowhere", TARGET="nonsense",
    ),
    "programs": dict(
        CARGO="/nowhere/cargo", RUSTC="/nowhere/rustc", RUSTC_WRAPPER="/nowhere/wrapper", RUSTC_WORKSPACE_WRAPPER="/nowhere/wrapper", RUSTDOC="/nowhere/rustdoc", CARGO_BUILD_RUSTC="/nowhere/rustc",
        CARGO_BUILD_RUSTC_WRAPPER="/nowhere/wrapper", LD="/nowhere/ld", CC="/nowhere/cc", EDITOR="/nowhere/editor",
    ),
    "evcxr": dict(
        EVCXR_CONFIG_DIR="/nowhere/at/all", EVCXR_TMPDIR="/nowhere/at/all", EVCXR_TARGET_DIR="/nowhere/at/all", EVCXR_CACHE_ENABLED="1", EVCXR_RUSTC_WRAPPER="1", EVCXR_FORCE_DYLIB="nonsense",
        EVCXR_CORE_EXTERN="nonsense", EVCXR_EXECUTION_SO_PATH="/nowhere/so", EVCXR_CONFIG="/nowhere/config",
    ),
    "of another kernel": dict(
        EVCXR_IS_RUNTIME="1", JOOK_PRIVATE="/nowhere/private", JOOK_REAL_PATH="/nowhere", JOOK_COMMS="/nowhere/comms", JOOK_NOTEBOOK="1", JOOK_LINES_OF="/nowhere", JOOK_REAL_CARGO_HOME="/nowhere/cargo",
    ),
    "rust": dict(RUST_LOG="trace", RUST_BACKTRACE="full", RUST_SRC_PATH="/nowhere", RUSTC_LOG="debug", RUSTC_BOOTSTRAP="1", LANG="tr_TR.UTF-8", COLUMNS="1", TERM="nonsense"),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_variables_of_the_environment(kernels, kind):
    works(kernels(**STRANGE[kind]))


def test_a_dependency_under_strange_variables(kernels, tmp_path):
    """Those that cargo obeys may break it in words; those that misdirect its results must not break cells."""
    name = f"strange_{os.getpid()}"
    (tmp_path / name / "src").mkdir(parents=True)
    (tmp_path / name / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n')
    (tmp_path / name / "src" / "lib.rs").write_text("fn unused() {}\npub fn two() -> u64 { 2 }")
    kernel = warm(kernels(CARGO_TARGET_DIR=tmp_path / "target", CARGO_BUILD_TARGET="wasm32-unknown-unknown", RUSTFLAGS="-Dwarnings", CARGO_BUILD_JOBS="1"))
    cell = kernel.run(f':dep {name} = {{ path = "{tmp_path / name}" }}\n{name}::two() + 40', timeout=60)
    assert value(cell) == "42"
    works(kernel)


def private_copy(jook, folder):
    """The built program with a toolkit of its own, which a test may change."""
    release = jook.resolve().parent
    copy = folder / "target" / "release"
    copy.mkdir(parents=True)
    for entry in release.iterdir():
        if entry.name in ("jook", "jook-cache", "libjook.rlib"):
            subprocess.run(["cp", "-a", "--reflink=auto", entry, copy / entry.name], check=True)
        else:
            (copy / entry.name).symlink_to(entry)
    return copy


def use(copy):
    """What starts the copy in the place of the program: the first word after it is the program's path."""
    return ["sh", "-c", f'shift; exec "{copy}/jook" "$@"', "sh"]


@pytest.fixture
def own_toolkit(kernels, jook, tmp_path):
    """A kernel with a toolkit of its own, and the file of that."""
    copy = private_copy(jook, tmp_path)
    given = {name: os.environ[name].replace(str(jook.resolve().parent), str(copy)) for name in ("JOOK_TOOLKIT", "JOOK_TOOLKIT_DEPS") if name in os.environ}
    kernel = warm(kernels(wrapper=use(copy), **given))
    assert kernel.run("let kept = vec![1u64, 2, 39]; let digits = datasets::digits()?;").status == "ok"
    cells = int(value(kernel.run("std::process::id()")))
    mapped = {line.split(maxsplit=5)[5] for line in read(cells, "maps").decode().splitlines() if "/libjook" in line}
    files = [Path(path) for path in mapped if path.startswith(str(tmp_path))]
    if not files:
        pytest.skip(f"the toolkit of a copied program lies elsewhere: {mapped}")
    yield kernel, files[0]
    shutil.rmtree(tmp_path / "target", ignore_errors=True)


def right_or_told(kernel):
    """Cells of a notebook whose toolkit has changed: right, or they say that it has."""
    for code, wanted in [
        ("kept.iter().sum::<u64>() + digits.len() as u64 - 1797", "42"),
        ("let run = Mlp::new([64, 8, 10]).train(&digits.few_shot(10, 1)?.train, Recipe::new().epochs(2).batch(32))?; run.steps > 0", "true"),
    ]:
        cell = kernel.run(code, timeout=40)
        if cell.status == "ok":
            assert value(cell) == wanted
        else:
            said = told(cell)
            assert re.search(r"(?i)toolkit", said) and re.search(r"(?i)restart|start the kernel|built anew|changed", said), said
            assert "exit code 99" not in said and "std::process::exit" not in said and "cannot find type" not in said, said


def test_a_toolkit_that_is_written_again(own_toolkit):
    """As another kernel does when it links it anew: another file of the same name."""
    kernel, file = own_toolkit
    shutil.copy(file, file.with_suffix(".new"))
    os.replace(file.with_suffix(".new"), file)
    right_or_told(kernel)
    assert value(kernel.run("kept.len()", timeout=20)) == "3"
    reply = kernel.reply(kernel.kc.complete("kept.is_em", 10))["content"]
    assert "is_empty()" in reply["matches"]


def test_a_toolkit_that_is_half_written(own_toolkit):
    kernel, file = own_toolkit
    file.with_suffix(".new").write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    os.replace(file.with_suffix(".new"), file)
    right_or_told(kernel)


def test_a_toolkit_that_is_gone(own_toolkit):
    kernel, file = own_toolkit
    file.unlink()
    right_or_told(kernel)


def test_an_installation_that_may_only_be_read(kernels, jook, tmp_path):
    """As another user of the machine has it: what is kept between kernels lies in a folder of his own then."""
    without_powers = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if subprocess.run([*without_powers, "true"], capture_output=True).returncode:
        pytest.skip("setpriv is not allowed here")
    warm(kernels())  # linked by its owner
    copy = private_copy(jook, tmp_path)
    (copy / "jook-cache" / "lock").unlink(missing_ok=True)
    subprocess.run(["chmod", "-R", "a-w", copy / "jook-cache", copy], check=True)
    cache = tmp_path / "cache"
    try:
        kernel = warm(kernels(wrapper=[*without_powers, *use(copy)], XDG_CACHE_HOME=str(cache)))
        assert value(kernel.run("let few = datasets::digits()?.few_shot(2, 1)?; few.train.len() as u64")) == "20"
        assert any(cache.iterdir())
    finally:
        subprocess.run(["chmod", "-R", "u+w", copy], check=True)


def test_a_program_that_is_built_anew_under_its_kernel(own_toolkit):
    """The stand-ins of a kernel are of the kernel's own version."""
    kernel, file = own_toolkit
    program = Path(os.readlink(f"/proc/{kernel.manager.provisioner.pid}/exe"))
    assert file.is_relative_to(program.parent.parent.parent)
    program.unlink()
    program.write_text("#!/bin/sh\necho another version; exit 9\n")
    program.chmod(0o755)
    right_or_told(kernel)
    cell = kernel.run("std::process::exit(3);", timeout=20)
    assert "exit code 3" in told(cell)
    cell = kernel.run("6 * 7", timeout=30)
    assert cell.status == "ok" or re.search("(?i)restart|built anew|changed", told(cell)), told(cell)


@pytest.mark.parametrize("home", ["/proc/nothing", "/nowhere", "", None])
def test_a_home_that_is_none(kernels, home):
    kernel = kernels(HOME=home, CARGO_HOME=None, RUSTUP_HOME=None)
    cell = kernel.run("6 * 7", timeout=60)
    if cell.status == "ok":
        works(kernel)
    else:
        assert re.search(r"rustup|toolchain|HOME", told(cell)), told(cell)
        assert "panicked" not in told(cell)


@pytest.fixture(scope="module")
def with_jook(installed, jook):
    """A kernel from whose cells `jook` can be started."""
    kernel = warm(begin(PATH=f"{jook.resolve().parent}:{os.environ['PATH']}"))
    yield kernel
    kill(kernel)


def version(jook):
    return subprocess.run([jook, "--version"], text=True, capture_output=True, check=True).stdout


def test_jook_in_a_shell_line(with_jook, jook):
    cell = with_jook.run("!jook --version")
    assert cell.status == "ok" and cell.text() == version(jook)
    cell = with_jook.run("!jook no-such-command")
    assert cell.status == "error" and "no-such-command" in cell.text("stderr")


def test_jook_started_by_a_cell(with_jook, jook):
    cell = with_jook.run(
        """
        let said = std::process::Command::new("jook").arg("--version").output()?;
        print!("{}", String::from_utf8_lossy(&said.stdout));
        std::process::Command::new("sh").args(["-c", "jook --version"]).status()?;
        std::thread::spawn(|| std::process::Command::new("jook").arg("--version").status()).join().unwrap()?;
        let helps = std::process::Command::new("jook").arg("--help").output()?.stdout.len() > 100;
        """
    )
    assert cell.status == "ok", told(cell)
    assert cell.text() == version(jook) * 3
    assert value(with_jook.run("helps")) == "true"


def test_another_notebook_run_from_a_cell(with_jook, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('println!("inner"); 6 * 7')])
    path = tmp_path / "inner.ipynb"
    nbformat.write(notebook, path)
    assert with_jook.run("let kept = 5;").status == "ok"
    cell = with_jook.run(f"!cd {tmp_path} && jook run inner.ipynb --output out", timeout=60)
    assert cell.status == "ok", told(cell)
    done = nbformat.read(next((tmp_path / "out").glob("*.ipynb")), as_version=4)
    outputs = done.cells[0].outputs
    assert outputs[0].text == "inner\n" and outputs[1].data["text/plain"] == "42"
    assert value(with_jook.run("kept + 37")) == "42"


def test_what_a_cell_starts_has_the_users_environment(with_jook):
    """What the kernel sets up for itself is nobody else's."""
    cell = with_jook.run("!env")
    inner = {line.split("=")[0] for line in cell.text().splitlines()}
    odd = {name for name in inner if name.startswith("EVCXR_") or name in ("JOOK_PRIVATE", "JOOK_COMMS", "JOOK_NOTEBOOK")}
    assert not odd
    cell = with_jook.run("!command -v cargo; cargo --version; rustc --version")
    assert cell.status == "ok" and "jook" not in cell.text().splitlines()[0]
    assert re.search(r"cargo \d+\.", cell.text()) and re.search(r"rustc \d+\.", cell.text())
