"""Comms: opened by either side, heard at any time, closed with the process that has them."""

import time

import pytest

from client import FIRST_START
from conftest import start_kernel

ECHO = """
use jook::comm::{self, json};
comm::on_target("echo", |comm, data| {
    let _ = comm.send(json!({"opened with": data}));
    comm.on_message(|comm, data| {
        if data["panic"] == true {
            panic!("asked to");
        }
        show(&format!("heard {data}"));
        let _ = comm.send(json!({"echo": data}));
    });
})?;
"""
# Long enough for everything that is asked meanwhile; stopped at the end.
TRAINING = """
let digits = datasets::digits()?;
println!("started");
let run = Mlp::new([64, 32, 10]).train(&digits, Recipe::new().epochs(1_000_000).batch(32).sgd(0.01))?;
"""


@pytest.fixture(scope="module")
def speaking():
    """A kernel with a target, and a process to lose."""
    client = start_kernel()
    client.wait_until_warm(FIRST_START)
    ok(client.run(ECHO))
    yield client
    client.close()


@pytest.fixture
def kernel(speaking):
    speaking.drain()
    return speaking


def ok(cell):
    assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])
    return cell


def send(kernel, msg_type, **content):
    """Sends a comm message; returns its id."""
    message = kernel.kc.session.msg(msg_type, content)
    kernel.kc.shell_channel.send(message)
    return message["header"]["msg_id"]


def said(kernel, msg_type, **content):
    """Sends a comm message; returns what was published about it between busy and idle."""
    messages = kernel.iopub(send(kernel, msg_type, **content), timeout=10)
    assert messages[0]["content"]["execution_state"] == "busy"
    return [(m["msg_type"], m["content"]) for m in messages[1:-1]]


def comms(kernel, target=None):
    msg_id = kernel.kc.comm_info(target)
    return kernel.reply(msg_id)["content"]["comms"]


def test_the_front_end_opens_and_both_sides_speak(kernel):
    opened = said(kernel, "comm_open", comm_id="c1", target_name="echo", data={"a": 1})
    assert opened == [("comm_msg", {"comm_id": "c1", "data": {"opened with": {"a": 1}}})]
    assert comms(kernel) == {"c1": {"target_name": "echo"}}
    assert comms(kernel, "echo") == comms(kernel) and comms(kernel, "other") == {}
    # Between cells, and with what the handler shows as an output of the message.
    (shown, output), (answer, content) = said(kernel, "comm_msg", comm_id="c1", data={"b": "é😀\n"})
    assert shown == "display_data" and output["data"]["text/plain"] == 'heard {"b":"é😀\\n"}'
    assert (answer, content["data"]) == ("comm_msg", {"echo": {"b": "é😀\n"}})
    assert said(kernel, "comm_close", comm_id="c1", data={}) == []
    assert comms(kernel) == {}


def test_what_nobody_knows(kernel):
    closed = said(kernel, "comm_open", comm_id="c2", target_name="nobody", data={})
    assert closed == [("comm_close", {"comm_id": "c2", "data": {}})]
    assert said(kernel, "comm_msg", comm_id="c2", data={}) == []
    assert said(kernel, "comm_close", comm_id="c2", data={}) == []


def test_a_cell_opens_sends_and_closes(kernel):
    cell = ok(kernel.run(
        'let mine = comm::open("panel", json!({"title": "Losses"}))?;\n'
        'show("between");\n'
        'mine.send(json!({"loss": 0.5}))?;\n'
        'mine.on_message(|comm, data| { let _ = comm.send(json!({"got": data["x"]})); });'
    ))
    # Open is published before what is shown after it.
    assert cell.types.index("comm_open") < cell.types.index("display_data")
    opened, sent = cell.contents("comm_open")[0], cell.contents("comm_msg")[0]
    assert opened["target_name"] == "panel" and opened["data"] == {"title": "Losses"}
    assert sent == {"comm_id": opened["comm_id"], "data": {"loss": 0.5}}
    heard = said(kernel, "comm_msg", comm_id=opened["comm_id"], data={"x": [1, None]})
    assert [content["data"] for _, content in heard] == [{"got": [1, None]}]
    cell = ok(kernel.run("mine.close()?; mine.close()?; println!(\"{}\", mine.is_open());"))
    assert [close["comm_id"] for close in cell.contents("comm_close")] == [opened["comm_id"]]
    assert cell.text() == "false\n"
    cell = kernel.run("mine.send(json!({}))?;")
    assert cell.status == "error" and "closed" in cell.reply["content"]["evalue"]


def test_a_thread_that_outlives_its_cell_speaks_between_cells(kernel):
    cell = ok(kernel.run(
        'let late = comm::open("late", json!({}))?;\n'
        "std::thread::spawn(move || {\n"
        "    std::thread::sleep(std::time::Duration::from_secs(1));\n"
        '    let _ = late.send(json!({"late": true}));\n'
        "});"
    ))
    end = time.monotonic() + 10
    while time.monotonic() < end:
        message = kernel.kc.get_iopub_msg(timeout=10)
        if message["msg_type"] == "comm_msg":
            break
    assert message["content"]["data"] == {"late": True}
    assert message["parent_header"]["msg_id"] == cell.reply["parent_header"]["msg_id"]


def test_a_handler_that_panics_says_so_and_goes_on(kernel):
    said(kernel, "comm_open", comm_id="c3", target_name="echo", data={})
    errors = [c["text"] for t, c in said(kernel, "comm_msg", comm_id="c3", data={"panic": True}) if t == "stream"]
    assert "a handler panicked: asked to" in "".join(errors)
    assert said(kernel, "comm_msg", comm_id="c3", data={"n": 2})[-1][1]["data"] == {"echo": {"n": 2}}
    said(kernel, "comm_close", comm_id="c3", data={})


def test_comms_are_answered_while_a_training_runs(kernel):
    said(kernel, "comm_open", comm_id="c4", target_name="echo", data={})
    training = kernel.start(TRAINING)
    kernel.wait_for_output(training, "started")
    took = []
    for n in range(10):
        start = time.monotonic()
        about = said(kernel, "comm_msg", comm_id="c4", data={"n": n})
        took.append(time.monotonic() - start)
        assert [t for t, _ in about] == ["display_data", "comm_msg"] and about[1][1]["data"] == {"echo": {"n": n}}
        start = time.monotonic()
        assert "c4" in comms(kernel)
        took.append(time.monotonic() - start)
    kernel.interrupt()
    ok(kernel.wait(training))
    assert sorted(took)[len(took) // 2] < 0.3, took
    said(kernel, "comm_close", comm_id="c4", data={})


def test_messages_keep_their_order(kernel):
    said(kernel, "comm_open", comm_id="c5", target_name="echo", data={})
    sent = [send(kernel, "comm_msg", comm_id="c5", data={"n": n}) for n in range(200)]
    heard, idle = [], []
    while len(idle) < len(sent):
        message = kernel.kc.get_iopub_msg(timeout=10)
        if message["msg_type"] == "comm_msg":
            assert message["parent_header"]["msg_id"] == sent[len(heard)]
            heard.append(message["content"]["data"]["echo"]["n"])
        if message["content"].get("execution_state") == "idle":
            idle.append(message["parent_header"]["msg_id"])
    assert heard == list(range(200)) and idle == sent
    said(kernel, "comm_close", comm_id="c5", data={})


@pytest.mark.parametrize("way", ["std::process::abort();", ":restart"])
def test_comms_close_with_their_process(kernel, way):
    ok(kernel.run(ECHO))
    said(kernel, "comm_open", comm_id=way, target_name="echo", data={})
    cell = ok(kernel.run('let again = comm::open("panel", json!({}))?;'))
    own = cell.contents("comm_open")[0]["comm_id"]
    cell = kernel.run(way)
    # The process is heard to end apart from the cell.
    closed = [content["comm_id"] for content in cell.contents("comm_close")]
    end = time.monotonic() + 5
    while not {own, way} <= set(closed) and time.monotonic() < end:
        message = kernel.kc.get_iopub_msg(timeout=5)
        closed += [message["content"]["comm_id"]] if message["msg_type"] == "comm_close" else []
    assert {own, way} <= set(closed)
    assert comms(kernel) == {}
    # Targets went too; the next process has its own.
    assert said(kernel, "comm_open", comm_id="c6", target_name="echo", data={})[0][0] == "comm_close"
    ok(kernel.run(ECHO))
    assert said(kernel, "comm_open", comm_id="c6", target_name="echo", data={})[0][0] == "comm_msg"
    said(kernel, "comm_close", comm_id="c6", data={})


def test_a_message_that_a_process_dies_of_is_closed(kernel):
    ok(kernel.run(
        'comm::on_target("deadly", |comm, _| comm.on_message(|_, _| std::process::abort()))?;'
    ))
    said(kernel, "comm_open", comm_id="c7", target_name="deadly", data={})
    about = said(kernel, "comm_msg", comm_id="c7", data={})
    assert about == [] or about[-1][0] == "comm_close"
