"""The smaller requests, and the channels themselves."""

import json
import socket
import time

import pytest
import zmq
from jupyter_client import BlockingKernelClient

from client import TIMEOUT


def request(kernel, send):
    """Sends a shell request; returns its reply's content and the statuses published about it."""
    msg_id = send()
    states = [m["content"]["execution_state"] for m in kernel.iopub(msg_id) if m["msg_type"] == "status"]
    assert states == ["busy", "idle"]
    return kernel.reply(msg_id)["content"]


def test_kernel_info(kernel):
    info = request(kernel, kernel.kc.kernel_info)
    language = info["language_info"]
    assert (info["status"], info["implementation"]) == ("ok", "jook")
    assert tuple(map(int, info["protocol_version"].split("."))) >= (5, 3)
    assert (language["name"], language["mimetype"], language["file_extension"]) == ("rust", "text/rust", ".rs")
    assert (language["pygments_lexer"], language["codemirror_mode"]) == ("rust", "rust")
    assert language["version"].startswith("1.")
    assert info["banner"] and all(link["url"].startswith("https://") for link in info["help_links"])


def test_complete_counts_codepoints(kernel):
    kernel.run("let mut letters = String::new();")
    # The emoji is one codepoint, but two UTF-16 units and four bytes.
    code = 'let a = "😀"; letters.push_s'
    reply = request(kernel, lambda: kernel.kc.complete(code, len(code)))
    assert reply["status"] == "ok"
    assert "push_str" in [match.split("(")[0] for match in reply["matches"]]
    assert code[reply["cursor_start"] : reply["cursor_end"]] == "push_s"
    kinds = reply["metadata"]["_jupyter_types_experimental"]
    assert [kind["text"] for kind in kinds] == reply["matches"]


def test_inspect(kernel):
    kernel.run("let words = vec![String::new()];")
    reply = request(kernel, lambda: kernel.kc.inspect("words", 5))
    assert reply["found"]
    assert "Vec" in reply["data"]["text/plain"]


def test_inspect_of_nothing(kernel):
    reply = request(kernel, lambda: kernel.kc.inspect("", 0))
    assert reply["status"] == "ok"


@pytest.mark.parametrize(
    "code, status",
    [("let a = 1;", "complete"), ("fn f() {", "incomplete"), ("let a = )(", "invalid")],
)
def test_is_complete(kernel, code, status):
    msg_id = kernel.kc.is_complete(code)
    assert kernel.reply(msg_id)["content"]["status"] == status


def test_history(kernel):
    kernel.run("6 * 7")
    kernel.run('println!("last");')
    history = request(kernel, lambda: kernel.kc.history(hist_access_type="tail", n=2))["history"]
    assert [entry[2] for entry in history] == ["6 * 7", 'println!("last");']
    found = request(kernel, lambda: kernel.kc.history(hist_access_type="search", pattern="6 ? 7", unique=True))
    assert [entry[2] for entry in found["history"]] == ["6 * 7"]
    with_output = request(kernel, lambda: kernel.kc.history(hist_access_type="tail", n=2, output=True))
    assert with_output["history"][0][2] == ["6 * 7", "42"]


def test_comm_info(kernel):
    assert request(kernel, lambda: kernel.kc.comm_info("nobody"))["comms"] == {}


def test_an_unknown_comm_is_closed(kernel):
    message = kernel.kc.session.msg("comm_open", {"comm_id": "c1", "target_name": "nobody", "data": {}})
    kernel.kc.shell_channel.send(message)
    closed = [m for m in kernel.iopub(message["header"]["msg_id"]) if m["msg_type"] == "comm_close"]
    assert [m["content"]["comm_id"] for m in closed] == ["c1"]


def test_an_unknown_request_is_refused(kernel):
    message = kernel.kc.session.msg("dance_request", {})
    kernel.kc.shell_channel.send(message)
    reply = kernel.reply(message["header"]["msg_id"])
    assert (reply["msg_type"], reply["content"]["status"]) == ("dance_reply", "error")


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


def test_heartbeat_echoes(kernel):
    for beat in (b"ping", b"\x00\xff some bytes"):
        with zmq.Context.instance().socket(zmq.REQ) as heart:
            heart.connect(f"tcp://{kernel.kc.ip}:{kernel.kc.hb_port}")
            heart.send(beat)
            assert heart.poll(5000) and heart.recv() == beat
            heart.close(linger=0)


def test_only_the_given_address_is_bound(kernel):
    assert kernel.kc.ip == "127.0.0.1"
    for port in (kernel.kc.shell_port, kernel.kc.iopub_port, kernel.kc.control_port, kernel.kc.hb_port):
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=2):
            pass


def test_a_second_client_hears_everything(kernel):
    # Not `manager.client()`: it shares the first client's session, and so its address on the shell channel.
    second = BlockingKernelClient(connection_file=kernel.manager.connection_file)
    second.load_connection_file()
    second.start_channels()
    second.wait_for_ready(timeout=TIMEOUT)
    try:
        kernel.run('println!("to everyone");')
        end = time.monotonic() + 10
        text = ""
        while "to everyone" not in text and time.monotonic() < end:
            message = second.get_iopub_msg(timeout=10)
            text += message["content"].get("text", "")
        assert "to everyone" in text
    finally:
        second.stop_channels()


def test_the_kernelspec(installed):
    folder = installed / "share" / "jupyter" / "kernels" / "jook"
    spec = json.loads((folder / "kernel.json").read_text())
    assert spec["argv"][1:] == ["kernel", "{connection_file}"]
    assert (spec["display_name"], spec["language"], spec["interrupt_mode"]) == ("Jook (Rust)", "rust", "message")
    assert (folder / "logo-64x64.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "logo-svg.svg").read_text()
