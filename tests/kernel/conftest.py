"""The kernel under test: the built binary, registered with Jupyter by its own `install` command.

The tests talk to it with Jupyter's reference client over ZeroMQ. `JOOK_BINARY` names another binary than the release
build.
"""

import os
import subprocess
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

from client import Client

ROOT = Path(__file__).resolve().parents[2]

@pytest.fixture(scope="session")
def jook():
    """Path of the binary."""
    binary = Path(os.environ.get("JOOK_BINARY", ROOT / "target" / "release" / "jook"))
    assert binary.is_file(), f"{binary} is missing: run `cargo build --release` first"
    return binary


@pytest.fixture(scope="session", autouse=True)
def installed(jook, tmp_path_factory):
    """A prefix with the kernelspec, made known to this process and its children only."""
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run([jook, "install", "--prefix", prefix], check=True)
    os.environ["JUPYTER_PATH"] = str(prefix / "share" / "jupyter")
    os.environ["JUPYTER_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("runtime"))
    os.environ["JOOK_HISTORY"] = str(tmp_path_factory.mktemp("history") / "history.jsonl")
    os.environ["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    return prefix


def start_kernel(**options):
    """A new kernel and a client of it; `options` are those of a process."""
    manager = KernelManager(kernel_name="jook")
    manager.start_kernel(cwd=str(ROOT), **options)
    return Client(manager)


def warm_kernel():
    client = start_kernel()
    client.wait_until_warm()
    yield client
    client.close()


@pytest.fixture(scope="session")
def shared(installed):
    yield from warm_kernel()


@pytest.fixture
def kernel(shared):
    """The kernel that most tests share: a start takes seconds."""
    shared.drain()
    return shared


@pytest.fixture(scope="module")
def module_kernel(installed):
    """A warm kernel for the tests of one module, which do to it what others must not see."""
    yield from warm_kernel()


@pytest.fixture
def start(installed):
    """Starts kernels that end with the test; they may still be starting."""
    clients = []

    def start(**options):
        clients.append(start_kernel(**options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def own_kernel(installed):
    """A kernel for tests that end it; it may still be starting."""
    client = start_kernel()
    yield client
    client.close()
