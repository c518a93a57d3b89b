"""The smaller requests, and the channels themselves."""

import json
import time

import pytest
import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.kernelspec import get_kernel_spec

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
    assert info["protocol_version"] == "5.5" and info["supported_features"] == ["kernel subshells"]
    # CodeMirror (JupyterLab) knows Rust by this MIME type, VS Code by its name, nbconvert by the lexer.
    assert (language["name"], language["mimetype"], language["file_extension"]) == ("rust", "text/x-rustsrc", ".rs")
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


def test_inspect_in_brief_and_in_full(kernel):
    brief, full = (
        request(kernel, lambda: kernel.kc.inspect("String", 6, detail_level=level))["data"] for level in (0, 1)
    )
    for data in (brief, full):
        assert data["text/plain"].startswith("alloc::string\n\npub struct String")
        assert "<code" in data["text/html"]
    assert "# Examples\n\nYou can create" in full["text/plain"]
    assert "Examples" not in brief["text/plain"] and "??" in brief["text/plain"].splitlines()[-1]


def test_methods_stand_before_the_private_fields_of_their_name(kernel):
    assert kernel.run("let data = vec![1.5, 2.5];").status == "ok"
    found = request(kernel, lambda: kernel.kc.inspect("data.len()", 7))["data"]["text/plain"]
    assert "fn len(&self)" in found and "number of elements" in found
    matches = request(kernel, lambda: kernel.kc.complete("data.le", 7))["matches"]
    assert "len()" in matches and "len" not in matches


def test_private_fields_are_not_offered(kernel):
    cell = """
    pub struct Pot { pub rice: f64, water: f64 }
    let pot = Pot { rice: 1.0, water: 9.0 };
    let (list, net) = (vec![1.5], Mlp::new([2, 2]));
    """
    assert kernel.run(cell).status == "ok"

    def fields(name):
        reply = request(kernel, lambda: kernel.kc.complete(f"{name}.", len(name) + 1))
        kinds = reply["metadata"]["_jupyter_types_experimental"]
        return {kind["text"] for kind in kinds if kind["type"] == "instance"}

    # A notebook's own are its author's to use.
    assert fields("pot") == {"rice", "water"}
    assert fields("list") == fields("net") == set()


@pytest.mark.parametrize("code, cursor", [("", 0), ("   ", 2), ("no_such_name", 5), ("1 + ", 4)])
def test_inspect_of_nothing(kernel, code, cursor):
    reply = request(kernel, lambda: kernel.kc.inspect(code, cursor))
    assert (reply["status"], reply["found"], reply["data"]) == ("ok", False, {})
    # Where there is something, it is found.
    assert request(kernel, lambda: kernel.kc.inspect("String", 6))["found"]


@pytest.mark.parametrize(
    "code, status",
    [("let a = 1;", "complete"), ("fn f() {", "incomplete"), ("let a = )(", "invalid")],
)
def test_is_complete(kernel, code, status):
    msg_id = kernel.kc.is_complete(code)
    assert kernel.reply(msg_id)["content"]["status"] == status


def test_comm_info(kernel):
    def comms(*target):
        return request(kernel, lambda: kernel.kc.comm_info(*target))["comms"]

    before = comms()
    assert kernel.run('use jook::comm::{self, json}; let asked = comm::open("asked", json!({}))?;').status == "ok"
    new = {id: about for id, about in comms().items() if id not in before}
    assert list(new.values()) == [{"target_name": "asked"}]
    assert comms("asked") == new and comms("nobody") == {}
    assert kernel.run("asked.close()?;").status == "ok"
    assert comms() == before


def test_an_unknown_comm_is_closed(kernel):
    message = kernel.kc.session.msg("comm_open", {"comm_id": "c1", "target_name": "nobody", "data": {}})
    kernel.kc.shell_channel.send(message)
    closed = [m for m in kernel.iopub(message["header"]["msg_id"]) if m["msg_type"] == "comm_close"]
    assert [m["content"]["comm_id"] for m in closed] == ["c1"]


def test_an_unknown_request_is_refused(kernel):
    reply = kernel.reply(kernel.send("dance_request", {}))
    assert (reply["msg_type"], reply["content"]["status"]) == ("dance_reply", "error")


@pytest.mark.parametrize(
    "kind, content",
    [
        ("history", {"hist_access_type": "wrong"}),
        ("complete", {"code": "a", "cursor_pos": -3}),
        ("execute", {"code": 5}),
    ],
)
def test_a_request_that_cannot_be_read_is_answered(kernel, kind, content):
    reply = kernel.reply(kernel.send(f"{kind}_request", content))
    assert (reply["msg_type"], reply["content"]["status"]) == (f"{kind}_reply", "error")
    assert f"a {kind}_request cannot be read" in reply["content"]["evalue"]
    assert kernel.run("6 * 7").status == "ok"


def test_ports_are_told(kernel):
    ports = {f"{name}_port": getattr(kernel.kc, f"{name}_port") for name in ("shell", "iopub", "stdin", "control", "hb")}
    assert kernel.reply(kernel.send("connect_request", {}))["content"] == {"status": "ok", **ports}
    request = kernel.kc.session.msg("connect_request", {})
    kernel.kc.control_channel.send(request)
    assert kernel.control_reply(request["header"]["msg_id"]) == {"status": "ok", **ports}


def test_heartbeat_echoes(kernel):
    for beat in (b"ping", b"\x00\xff some bytes"):
        with zmq.Context.instance().socket(zmq.REQ) as heart:
            heart.connect(f"tcp://{kernel.kc.ip}:{kernel.kc.hb_port}")
            heart.send(beat)
            assert heart.poll(5000) and heart.recv() == beat
            heart.close(linger=0)


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
    assert spec["kernel_protocol_version"] == "5.5"
    assert get_kernel_spec("jook").kernel_protocol_version == "5.5"
    assert (folder / "logo-64x64.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "logo-svg.svg").read_text()
