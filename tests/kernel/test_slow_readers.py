"""A subscriber that does not read: it must not stop the others, nor the Stop button."""

import json
import time

import pytest

from client import FIRST_START
from raw import Raw, message
from test_gate import memory
from test_running import until

pytestmark = pytest.mark.long

# Text of a cell is cut at some size; what it shows is not.
PAGE = 'show(&Bundle::text("0123456789".repeat(10_000)))'


def sleeper(kernel):
    """One that has subscribed to everything, unsigned, and reads nothing."""
    raw = Raw(kernel, "iopub").meet()
    raw.send(message(b"\x01"))
    return raw


def flood(kernel, tmp_path):
    """Starts a cell that shows things without an end; returns its id and the process that runs it."""
    note = tmp_path / "pid"
    code = f'std::fs::write({json.dumps(str(note))}, std::process::id().to_string())?; loop {{ {PAGE}; }}'
    running = kernel.start(code)
    until(lambda: note.exists() and note.read_text(), 60)
    return running, int(note.read_text())


def stuck(kernel):
    """Waits until nothing more is published: the subscriber's buffers are full."""
    end = time.monotonic() + 60
    quiet = time.monotonic()
    while time.monotonic() - quiet < 2:
        assert time.monotonic() < end, "iopub goes on"
        if kernel.kc.iopub_channel.msg_ready():
            kernel.kc.iopub_channel.get_msg()
            quiet = time.monotonic()
        else:
            time.sleep(0.01)


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_interrupt_and_shutdown_act_at_once(own_kernel, tmp_path):
    own_kernel.wait_until_warm(timeout=FIRST_START)
    with sleeper(own_kernel):
        _, cell = flood(own_kernel, tmp_path)
        stuck(own_kernel)
        for request in ({"msg_type": "kernel_info_request"}, {"msg_type": "interrupt_request"}):
            start = time.monotonic()
            assert own_kernel.control(**request)["status"] == "ok"
            # It takes half a second; this is for machines that are busy.
            assert time.monotonic() - start < 4, request
        # A cell that does not listen is killed by a second one, after two seconds.
        time.sleep(2.5)
        assert own_kernel.interrupt()["status"] == "ok"
        until(lambda: gone(cell), 5)
        start = time.monotonic()
        assert own_kernel.shut_down(restart=False) == {"status": "ok", "restart": False}
        until(lambda: own_kernel.manager.provisioner.process.poll() is not None, 5)
        assert time.monotonic() - start < 6


def test_shutdown_ends_a_cell_that_nobody_reads(own_kernel, tmp_path):
    own_kernel.wait_until_warm(timeout=FIRST_START)
    with sleeper(own_kernel):
        _, cell = flood(own_kernel, tmp_path)
        stuck(own_kernel)
        start = time.monotonic()
        own_kernel.shut_down(restart=True)
        until(lambda: own_kernel.manager.provisioner.process.poll() is not None and gone(cell), 6)
        assert time.monotonic() - start < 6


def test_it_is_disconnected_and_the_others_miss_nothing(own_kernel):
    own_kernel.wait_until_warm(timeout=FIRST_START)
    before = memory(own_kernel.manager.provisioner.pid)
    pages = 3000
    with sleeper(own_kernel) as raw:
        running = own_kernel.start(f'for i in 0..{pages} {{ show(&Bundle::text(format!("{{i}} {{}}", "0123456789".repeat(10_000)))); }}')
        most, text, told = 0, [], False
        end = time.monotonic() + 180
        while not told:
            assert time.monotonic() < end, "the cell does not end"
            said = own_kernel.kc.get_iopub_msg(timeout=60)
            if said["parent_header"].get("msg_id") != running:
                continue
            if said["msg_type"] == "display_data":
                text.append(said["content"]["data"]["text/plain"])
            told = said["content"].get("execution_state") == "idle"
            most = max(most, memory(own_kernel.manager.provisioner.pid))
        assert [int(page.split()[0]) for page in text] == list(range(pages))
        assert all(len(page) > 100_000 for page in text)
        assert own_kernel.reply(running)["content"]["status"] == "ok"
        raw.socket.settimeout(20)
        assert raw.closed(60)
    assert own_kernel.run("6 * 7").status == "ok"
    # 300 MB were shown; what waited for the sleeper was a small part of it.
    assert most - before < 200 << 20, f"{(most - before) >> 20} MiB more"


@pytest.mark.parametrize("readers", [1, 3])
def test_who_reads_slowly_gets_everything(own_kernel, readers):
    """Ten megabytes, at a few a second."""
    own_kernel.wait_until_warm(timeout=FIRST_START)
    raws = [sleeper(own_kernel) for _ in range(readers)]
    try:
        running = own_kernel.start('for i in 0..10_000 { println!("{i} {}", "0123456789".repeat(100)); }')
        for raw in raws:
            text, over = [], False
            while not over:
                frames = raw.message()
                header, parent, content = (json.loads(frames[at]) for at in (-4, -3, -1))
                if parent.get("msg_id") != running:
                    continue
                text.append(content.get("text", ""))
                over = content.get("execution_state") == "idle"
                time.sleep(0.01)
            assert [int(line.split()[0]) for line in "".join(text).splitlines()] == list(range(10_000))
    finally:
        for raw in raws:
            raw.socket.close()
