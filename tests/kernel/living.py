"""Kernels that tests may break, and what lives under them."""

import os
import signal
import time
import uuid
from pathlib import Path

from jupyter_client.manager import KernelManager

from client import FIRST_START, Client
from conftest import ROOT

# How long whatever a cell has started may live on when it must end.
SOON = 3
# Names a kernel and all that is started under it, in their environments.
MARK = "JOOK_TEST_MARK"


def until(condition, seconds=30, what=""):
    """The first true answer of `condition`, which must come within the time."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.05)


def begin(cwd=ROOT, wrapper=(), **environment):
    """A kernel that may still be starting. It is started by `wrapper` if one is given; `environment` says what is
    other in its environment (`None`: not there)."""
    manager = KernelManager(kernel_name="jook")
    manager.kernel_spec.argv[:0] = wrapper
    whole = dict(os.environ) | {MARK: uuid.uuid4().hex}
    for name, value in environment.items():
        whole.pop(name, None)
        if value is not None:
            whole[name] = str(value)
    manager.start_kernel(cwd=str(cwd), env=whole)
    client = Client(manager)
    client.mark = whole[MARK]
    return client


def warm(kernel, timeout=FIRST_START):
    """The kernel, whose first cell has run."""
    cell = kernel.run("1 + 1", timeout=timeout)
    assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])
    return kernel


class Lasting:
    """A kernel that many tests use, and another one when a test has broken it: each test fails for itself."""

    def __init__(self, setup="", check="1 + 1", answer="2"):
        self.setup, self.check, self.answer = setup, check, answer
        self.kernel = None

    def get(self):
        if self.kernel is None or not self.lives():
            self.close()
            self.kernel = begin()
            warm(self.kernel)
            self.mend()
        self.kernel.drain()
        return self.kernel

    def mend(self):
        """Makes again what is lost with the process that runs cells."""
        if self.setup:
            cell = self.kernel.run(self.setup)
            assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])

    def lives(self):
        try:
            return value(self.kernel.run(self.check, timeout=5)) == self.answer
        except (TimeoutError, AssertionError):
            return False

    def close(self):
        if self.kernel is not None:
            kill(self.kernel)
            self.kernel = None


def kill(kernel):
    """Ends a kernel and whatever it has left."""
    kernel.close()
    for process in marked(kernel.mark):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


def told(cell):
    """The whole of an error, or nothing."""
    return "\n".join(cell.reply["content"].get("traceback", []))


def value(cell):
    """The cell's result as text; it went well."""
    assert cell.status == "ok", told(cell)
    results = cell.contents("execute_result")
    assert len(results) == 1, [(m["msg_type"], m["content"]) for m in cell.outputs]
    return results[0]["data"]["text/plain"]


def processes():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def read(process, name):
    """A file of a process in /proc; empty when the process is gone or a zombie."""
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""


def marked(mark):
    """The living processes that carry the mark in their environment: a kernel and all that was started under it."""
    wanted = f"{MARK}={mark}".encode()
    return [process for process in processes() if wanted in read(process, "environ").split(b"\0")]


def named(word):
    """The living processes with the word in their command line."""
    return [p for p in processes() if p != os.getpid() and word.encode() in read(p, "cmdline") and alive(p)]


def alive(process):
    fields = read(process, "stat").rpartition(b")")[2].split()
    return bool(fields) and fields[0] not in (b"Z", b"X")


def described(found):
    return {process: read(process, "cmdline").replace(b"\0", b" ").decode(errors="replace")[:120] for process in found}


def gone(find, seconds=SOON):
    """What `find` finds has ended within the time."""
    until(lambda: not find(), seconds, lambda: described(find()))
