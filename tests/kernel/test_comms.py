"""Comms: opened by either side, heard at any time, closed with the process that has them."""

import time

import pytest

from cells import TRAINING
from client import comms, merged, ok, said

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


@pytest.fixture(scope="module")
def speaking(module_kernel):
    """A kernel with a target, and a process to lose."""
    ok(module_kernel.run(ECHO))
    return module_kernel


@pytest.fixture
def kernel(speaking):
    speaking.drain()
    return speaking


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


def test_binary_data_passes_both_ways(kernel):
    ok(kernel.run(
        'comm::on_target("binary", |comm, _| {\n'
        "    let opened = comm::take_buffers();\n"
        '    let _ = comm.send(json!({"opened with": opened.len()}));\n'
        "    comm.on_message(|comm, data| {\n"
        "        let buffers = comm::take_buffers();\n"
        "        let turned: Vec<Vec<u8>> = buffers.iter().map(|b| b.iter().rev().copied().collect()).collect();\n"
        "        let turned: Vec<&[u8]> = turned.iter().map(|b| &b[..]).collect();\n"
        "        let _ = comm.send_with_buffers(data, &turned);\n"
        "    });\n"
        "})?;"
    ))

    def tell(msg_type, buffers, **content):
        message = kernel.kc.session.msg(msg_type, content)
        kernel.kc.session.send(kernel.kc.shell_channel.socket, message, buffers=buffers)
        about = kernel.iopub(message["header"]["msg_id"], timeout=10)
        return [m for m in about if m["msg_type"] == "comm_msg"]

    [opened] = tell("comm_open", [b"a", b"bc"], comm_id="b1", target_name="binary", data={})
    assert opened["content"]["data"] == {"opened with": 2} and opened["buffers"] == []
    # Any bytes: line ends, quotes, none at all, more than a pipe holds.
    sent = [b"\n\r\x00\xff\"", b"", bytes(range(256)) * 4096]
    for n in range(2):
        [heard] = tell("comm_msg", sent, comm_id="b1", data={"n": n})
        assert heard["content"]["data"] == {"n": n}
        assert [bytes(buffer) for buffer in heard["buffers"]] == [buffer[::-1] for buffer in sent]
    # The next message is understood, and has none.
    [heard] = tell("comm_msg", [], comm_id="b1", data={"n": 2})
    assert heard["content"]["data"] == {"n": 2} and heard["buffers"] == []
    said(kernel, "comm_close", comm_id="b1", data={})
    cell = ok(kernel.run('let own = comm::open_with_buffers("panel", json!({"a": 1}), &[b"one", b"\\xff\\n"])?;'))
    [opened] = [m for m in cell.messages if m["msg_type"] == "comm_open"]
    assert opened["content"]["data"] == {"a": 1}
    assert [bytes(buffer) for buffer in opened["buffers"]] == [b"one", b"\xff\n"]


HANDLER_THAT_WORKS = """
comm::on_target("working", |comm, data| {
    let _ = comm.send(json!({"begun": true}));
    if data["deaf"] == true {
        std::thread::sleep(std::time::Duration::from_secs(4));
    } else {
        let digits = datasets::digits().unwrap();
        let run = Mlp::new([64, 32, 10]).train(&digits, Recipe::new().epochs(1_000_000).batch(32).sgd(0.01)).unwrap();
        let _ = comm.send(json!({"ending": run.ending.to_string()}));
    }
})?;
"""


def until_begun(kernel, comm_id, **data):
    """Opens a comm whose handler works on; returns the id of the message."""
    msg_id = kernel.send("comm_open", {"comm_id": comm_id, "target_name": "working", "data": data})
    while kernel.kc.get_iopub_msg(timeout=30)["msg_type"] != "comm_msg":
        pass
    return msg_id


def test_stop_reaches_a_handler_while_no_cell_runs(kernel):
    ok(kernel.run(HANDLER_THAT_WORKS))
    msg_id = until_begun(kernel, "w1")
    time.sleep(0.5)
    start = time.monotonic()
    kernel.interrupt()
    about = kernel.iopub(msg_id, timeout=30)
    assert time.monotonic() - start < 5
    endings = [m["content"]["data"]["ending"] for m in about if m["msg_type"] == "comm_msg"]
    assert len(endings) == 1 and "interrupted after step" in endings[0]
    # The request was for the handler alone.
    cell = ok(kernel.run("println!(\"{}\", jook::interrupt::requested());"))
    assert cell.text() == "false\n"
    # And without anything at work it is for nobody.
    kernel.interrupt()
    assert ok(kernel.run("println!(\"{}\", jook::interrupt::requested());")).text() == "false\n"
    said(kernel, "comm_close", comm_id="w1", data={})


def test_a_handler_that_ignores_a_stop_is_told_how_it_ends(kernel):
    ok(kernel.run(HANDLER_THAT_WORKS))
    msg_id = until_begun(kernel, "w2", deaf=True)
    kernel.interrupt()
    texts = [m["content"]["text"] for m in kernel.iopub(msg_id, timeout=30) if m["msg_type"] == "stream"]
    assert "does not answer to the stop request" in "".join(texts)
    said(kernel, "comm_close", comm_id="w2", data={})


def test_a_handler_that_panics_says_so_and_goes_on(kernel):
    said(kernel, "comm_open", comm_id="c3", target_name="echo", data={})
    errors = [c["text"] for t, c in said(kernel, "comm_msg", comm_id="c3", data={"panic": True}) if t == "stream"]
    assert "".join(errors) == "a handler panicked at line 7 of cell [3]: asked to\n"
    assert said(kernel, "comm_msg", comm_id="c3", data={"n": 2})[-1][1]["data"] == {"echo": {"n": 2}}
    said(kernel, "comm_close", comm_id="c3", data={})


def test_what_a_handler_prints_is_about_its_message(kernel):
    cell = """
    comm::on_target("talker", |comm, _| {
        comm.on_message(|_, data| { println!("heard {data}"); eprintln!("really"); print!("no end"); });
    })?;
    """
    ok(kernel.run(cell))
    said(kernel, "comm_open", comm_id="c9", target_name="talker", data={})
    about = said(kernel, "comm_msg", comm_id="c9", data={"n": 1})
    printed = [(content["name"], content["text"]) for kind, content in about if kind == "stream"]
    assert merged(printed) == [("stdout", 'heard {"n":1}\n'), ("stderr", "really\n"), ("stdout", "no end")]
    running = kernel.start("std::thread::sleep(std::time::Duration::from_secs(2)); println!(\"own\");")
    time.sleep(1)
    about = said(kernel, "comm_msg", comm_id="c9", data={"n": 2})
    assert any(kind == "stream" and "heard" in content["text"] for kind, content in about)
    assert kernel.wait(running).text() == "own\n"
    said(kernel, "comm_close", comm_id="c9", data={})


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
    sent = [kernel.send("comm_msg", {"comm_id": "c5", "data": {"n": n}}) for n in range(200)]
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
    kernel.send("comm_msg", {"comm_id": "c7", "data": {}})
    # Apart from the message, which nobody has answered.
    end = time.monotonic() + 20
    while (message := kernel.kc.get_iopub_msg(timeout=20))["msg_type"] != "comm_close":
        assert time.monotonic() < end
    assert message["content"]["comm_id"] == "c7" and comms(kernel) == {}
