"""Those who do not have the key: they are not heard, and find nothing to talk to beyond the five sockets."""

import socket
from pathlib import Path

import pytest

from client import TIMEOUT

def test_a_wrong_signature_is_dropped(kernel):
    session = kernel.kc.session
    message = session.msg("execute_request", {"code": 'println!("forged");', "silent": False})
    forged = session.serialize(message)
    at = forged.index(b"<IDS|MSG>") + 1
    for signature in (b"0" * 64, b"", b"not hex"):
        forged[at] = signature
        kernel.kc.shell_channel.socket.send_multipart(forged)
    msg_id = message["header"]["msg_id"]
    # The next request is answered, and about the forged ones nothing has been said.
    other = kernel.start('println!("signed");')
    about = []
    while True:
        said = kernel.kc.get_iopub_msg(timeout=TIMEOUT)
        about.append(said["parent_header"].get("msg_id"))
        if about[-1] == other and said["content"].get("execution_state") == "idle":
            break
    assert msg_id not in about
    kernel.reply(other)


def test_garbage_does_not_end_the_kernel(kernel):
    kernel.kc.shell_channel.socket.send_multipart([b"what", b"is", b"this"])
    with socket.create_connection((kernel.kc.ip, kernel.kc.shell_port)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert kernel.run("6 * 7").status == "ok"


def test_only_the_given_address_is_bound(kernel):
    assert kernel.kc.ip == "127.0.0.1"
    for port in (kernel.kc.shell_port, kernel.kc.iopub_port, kernel.kc.control_port, kernel.kc.hb_port):
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=2):
            pass


def test_dropped_messages_are_counted(start, tmp_path):
    said = tmp_path / "stderr.txt"
    with said.open("wb") as stderr:
        kernel = start(stderr=stderr)
    for at in range(1, 4):
        kernel.kc.shell_channel.socket.send_multipart([b"<IDS|MSG>", b"0" * 64, b"{}", b"{}", b"{}", b"{}"])
        kernel.reply(kernel.kc.kernel_info())
        assert f"dropped a message, {at} so far" in said.read_text()


def parents():
    """The parent of every process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(stat.parent.name)] = int(fields[1])
    return found


def tree(root):
    """A process and those it started, and those they started."""
    found, all_parents = [root], parents()
    for pid in found:
        found += [child for child, parent in all_parents.items() if parent == pid]
    return found


def listening(pids):
    """Address and port of every internet socket of these processes that takes what comes from outside."""
    inodes = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(handle.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            # 0A is LISTEN; a UDP socket has no such state.
            if (state == "0A" or table.startswith("udp")) and f"socket:[{rest[5]}]" in inodes:
                found.add((table, *local.split(":")))
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_nothing_else_listens(kernel):
    assert kernel.run("6 * 7").status == "ok"
    pids = tree(kernel.manager.provisioner.pid)
    assert len(pids) > 1, "the process that runs the cells is missing"
    kc = kernel.kc
    ports = (kc.shell_port, kc.iopub_port, kc.stdin_port, kc.control_port, kc.hb_port)
    # 127.0.0.1, as the kernel writes it.
    assert listening(pids) == {("tcp", "0100007F", f"{port:04X}") for port in ports}
