"""`jook install` and `jook lab`, with stand-ins for Python and JupyterLab so that nothing is downloaded."""

import json
import subprocess

import pytest

LABEXTENSION = "labextensions/jupyterlab-plotly/package.json"


@pytest.fixture
def sandbox(tmp_path):
    """A home and a PATH with nothing on it but what a test puts there."""

    class Sandbox:
        home = tmp_path / "home"
        bin = tmp_path / "bin"
        cache = home / ".cache" / "jook"
        env = {"HOME": str(home), "PATH": f"{bin}:/usr/bin-none"}

        def program(self, name, script):
            path = self.bin / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

        def run(self, *command):
            return subprocess.run(command, env=self.env, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    sandbox = Sandbox()
    sandbox.home.mkdir()
    sandbox.bin.mkdir()
    return sandbox


def spec(data_dir):
    return json.loads((data_dir / "kernels" / "jook" / "kernel.json").read_text())


def test_install_for_the_user(jook, sandbox):
    for options in ([], ["--user"]):
        done = sandbox.run(jook, "install", *options)
        folder = sandbox.home / ".local" / "share" / "jupyter"
        assert done.returncode == 0 and str(folder) in done.stdout
        assert spec(folder)["argv"] == [str(jook), "kernel", "{connection_file}"]


def test_install_honours_jupyter_data_dir(jook, sandbox, tmp_path):
    sandbox.env["JUPYTER_DATA_DIR"] = str(tmp_path / "data")
    assert sandbox.run(jook, "install", "--user").returncode == 0
    assert spec(tmp_path / "data")["language"] == "rust"
    assert not (sandbox.home / ".local").exists()


def test_install_into_the_prefix_of_python(jook, sandbox, tmp_path):
    sandbox.program("python3", f"echo {tmp_path}/environment")
    assert sandbox.run(jook, "install", "--sys-prefix").returncode == 0
    assert spec(tmp_path / "environment" / "share" / "jupyter")["language"] == "rust"


def test_install_twice_into_a_prefix(jook, sandbox, tmp_path):
    for _ in range(2):
        assert sandbox.run(jook, "install", "--prefix", "there").returncode == 0
    folder = tmp_path / "there" / "share" / "jupyter" / "kernels" / "jook"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"]


def test_install_says_what_is_wrong(jook, sandbox, tmp_path):
    (tmp_path / "file").write_text("")
    failed = sandbox.run(jook, "install", "--prefix", tmp_path / "file")
    assert failed.returncode == 1 and "could not write the kernelspec" in failed.stderr
    assert sandbox.run(jook, "install", "--sys-prefix", "--user").returncode == 2
    failed = sandbox.run(jook, "install", "--sys-prefix")
    assert failed.returncode == 1 and "no Python on PATH" in failed.stderr


def jupyterlab(sandbox, tmp_path, plotly):
    """A JupyterLab on PATH that prints what it was given."""
    sandbox.program("jupyter-lab", 'echo "SEARCHED $JUPYTER_PATH"; for a in "$@"; do echo "GIVEN $a"; done')
    data = tmp_path / "labdata"
    sandbox.program("jupyter", f"""echo '{json.dumps({"data": [str(data)]})}'""")
    if plotly:
        (data / LABEXTENSION).parent.mkdir(parents=True)
        (data / LABEXTENSION).write_text("{}")


def test_lab_on_path_is_used_and_left_alone(jook, sandbox, tmp_path):
    jupyterlab(sandbox, tmp_path, plotly=True)
    sandbox.env["JUPYTER_PATH"] = "/mine"
    done = sandbox.run(jook, "lab", "--no-browser", "--port", "9999")
    assert done.returncode == 0, done.stderr
    given = [line[6:] for line in done.stdout.splitlines() if line.startswith("GIVEN ")]
    assert given[-3:] == ["--no-browser", "--port", "9999"]
    assert "--MultiKernelManager.default_kernel_name=jook" in given
    # The lessons, with the index open.
    assert any(option.startswith("--ServerApp.root_dir=") for option in given)
    assert "--LabApp.default_url=/lab/tree/00_index.ipynb" in given
    data = sandbox.cache / "share" / "jupyter"
    assert f"SEARCHED {data}:/mine" in done.stdout.splitlines()
    assert spec(data)["language"] == "rust"
    assert not (sandbox.home / ".local").exists() and not (tmp_path / "labdata" / "kernels").exists()


def test_options_of_the_user_come_instead_of_ours(jook, sandbox, tmp_path):
    """JupyterLab does not start when an option is given twice."""
    jupyterlab(sandbox, tmp_path, plotly=True)
    (tmp_path / "mine").mkdir()
    for options in (["--ServerApp.root_dir=mine"], ["--notebook-dir=mine"], ["mine", "--ServerApp.answer_yes=False"]):
        done = sandbox.run(jook, "lab", *options)
        given = [line[6:].split("=")[0] for line in done.stdout.splitlines() if line.startswith("GIVEN ")]
        assert len(set(given)) == len(given)
        roots = {"--ServerApp.root_dir", "--notebook-dir", "mine"}
        assert len(roots & set(given)) == 1, given
        # In a folder of the user's own there is no index.
        assert "--LabApp.default_url" not in given
    done = sandbox.run(jook, "lab", "--LabApp.default_url=/lab")
    urls = [line for line in done.stdout.splitlines() if line.startswith("GIVEN --LabApp.default_url")]
    assert urls == ["GIVEN --LabApp.default_url=/lab"]


# A Python whose environments hold a `python` that notes what it is asked to do, and a JupyterLab.
PYTHON = """
case "$*" in
  *version_info*) echo {version} ;;
  *"-m venv"*) {venv} ;;
  *"-m pip"*"install"*) echo "PIP $@"; {pip} ;;
  *"-m pip --version"*) {has_pip} ;;
  *"-m jupyterlab"*) echo "LAB $@" ;;
esac
"""
MAKE = 'for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python"'


def python(sandbox, version="3 11", venv=MAKE, pip="true", has_pip="false"):
    sandbox.program("python3", PYTHON.format(version=version, venv=venv, pip=pip, has_pip=has_pip))
    for tool in ("mkdir", "cp"):
        if not (sandbox.bin / tool).exists():
            (sandbox.bin / tool).symlink_to(f"/bin/{tool}")


def test_lab_is_installed_once(jook, sandbox):
    python(sandbox)
    first = sandbox.run(jook, "lab", "--no-browser")
    assert first.returncode == 0, first.stderr
    assert "Installing jupyterlab==" in first.stdout and "plotly==" in first.stdout
    assert "jupyterlab_widgets==3" in first.stdout
    assert "PIP -m pip install" in first.stdout and "LAB -m jupyterlab" in first.stdout
    second = sandbox.run(jook, "lab", "--no-browser")
    assert "PIP" not in second.stdout and "LAB -m jupyterlab" in second.stdout
    shared = sandbox.cache / "lab" / "share" / "jupyter"
    assert spec(shared)["language"] == "rust"
    settings = json.loads((shared / "lab" / "settings" / "overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false"}
    assert not (sandbox.home / ".local").exists()


def test_two_at_once_do_not_clear_each_others_environment(jook, sandbox, tmp_path):
    log = tmp_path / "log.txt"
    slow = f'echo begin >> {log}; sleep 1; {MAKE}; sleep 1; echo end >> {log}'
    python(sandbox, venv=slow)
    (sandbox.bin / "sleep").symlink_to("/bin/sleep")
    both = [
        subprocess.Popen([jook, "lab", "--no-browser"], env=sandbox.env, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    # One made it, the other waited and used it.
    assert log.read_text().split() == ["begin", "end"]
    assert sum("PIP -m pip install" in text for text in said) == 1
    assert sum("Waiting for another" in text for text in said) == 1
    assert all("LAB -m jupyterlab" in text for text in said)


def test_lab_without_plotly_is_not_used(jook, sandbox, tmp_path):
    jupyterlab(sandbox, tmp_path, plotly=False)
    python(sandbox)
    done = sandbox.run(jook, "lab")
    assert "cannot draw Plotly charts" in done.stdout and "LAB -m jupyterlab" in done.stdout


def test_lab_honours_the_cache_folder(jook, sandbox, tmp_path):
    python(sandbox)
    sandbox.env["XDG_CACHE_HOME"] = str(tmp_path / "elsewhere")
    assert sandbox.run(jook, "lab").returncode == 0
    assert (tmp_path / "elsewhere" / "jook" / "lab" / "bin" / "python").exists()
    assert not sandbox.cache.exists()


def test_an_installation_that_fails_is_tried_again(jook, sandbox):
    python(sandbox, pip="exit 1")
    failed = sandbox.run(jook, "lab")
    assert failed.returncode == 1 and "Is the network reachable?" in failed.stderr
    assert "LAB" not in failed.stdout
    python(sandbox)
    assert "LAB -m jupyterlab" in sandbox.run(jook, "lab").stdout


def test_an_old_python_is_refused(jook, sandbox):
    python(sandbox, version="3 8")
    failed = sandbox.run(jook, "lab")
    assert failed.returncode == 1
    assert "3.10 or newer" in failed.stderr and "python3 on PATH is 3.8" in failed.stderr
    sandbox.program("python3.11", (sandbox.bin / "python3").read_text().replace("echo 3 8", "echo 3 11"))
    assert "LAB -m jupyterlab" in sandbox.run(jook, "lab").stdout


def test_without_python(jook, sandbox):
    failed = sandbox.run(jook, "lab")
    assert failed.returncode == 1 and "no Python on PATH" in failed.stderr


def test_a_python_without_venv(jook, sandbox):
    """Debian keeps ensurepip in a package of its own."""
    split = f'case "$*" in *--without-pip*) {MAKE} ;; *) echo "ensurepip is not available"; exit 1 ;; esac'
    python(sandbox, venv=split)
    failed = sandbox.run(jook, "lab")
    assert failed.returncode == 1
    assert "ensurepip is not available" in failed.stderr and "python3-venv" in failed.stderr
    # With a pip outside, that one installs into the environment.
    python(sandbox, venv=split, has_pip="true")
    done = sandbox.run(jook, "lab")
    assert "PIP -m pip --python" in done.stdout and "LAB -m jupyterlab" in done.stdout


def test_help_names_the_commands(jook):
    done = subprocess.run([jook, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for command in ("run", "lab", "install", "kernel"):
        assert f"\n  {command} " in done.stdout
