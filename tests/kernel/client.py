"""A thin layer over jupyter_client: run a cell, get everything that was said about it."""

import json
import time
from dataclasses import dataclass
from queue import Empty

TIMEOUT = 60
# The first start on a machine builds the toolkit.
FIRST_START = 1800


@dataclass
class Cell:
    """A finished execute request: its reply and its iopub messages in order."""

    reply: dict
    messages: list

    @property
    def status(self):
        return self.reply["content"]["status"]

    @property
    def types(self):
        return [message["msg_type"] for message in self.messages]

    def contents(self, msg_type):
        return [message["content"] for message in self.messages if message["msg_type"] == msg_type]

    def text(self, name="stdout"):
        return "".join(stream["text"] for stream in self.contents("stream") if stream["name"] == name)

    @property
    def outputs(self):
        """The messages between `execute_input` and `idle`."""
        return [message for message in self.messages if message["msg_type"] not in ("status", "execute_input")]

    @property
    def states(self):
        return [status["execution_state"] for status in self.contents("status")]


def merged(pieces):
    """Neighbours on the same stream joined."""
    whole = []
    for name, text in pieces:
        if whole and whole[-1][0] == name:
            whole[-1] = (name, whole[-1][1] + text)
        else:
            whole.append((name, text))
    return whole


class Client:
    def __init__(self, manager):
        self.manager = manager
        self.kc = manager.client()
        self.kc.start_channels()
        self.kc.wait_for_ready(timeout=TIMEOUT)

    def wait_until_warm(self, timeout=FIRST_START):
        """The first cell waits for the toolkit, the second for what the kernel prepares while nobody waits."""
        for _ in range(2):
            cell = self.run("1 + 1", timeout=timeout)
            assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])

    def close(self):
        self.kc.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def drain(self):
        for channel in (self.kc.iopub_channel, self.kc.shell_channel):
            while channel.msg_ready():
                channel.get_msg()

    def run(self, code, timeout=TIMEOUT, on_input=None, **options):
        return self.wait(self.start(code, allow_stdin=on_input is not None, **options), timeout, on_input)

    def start(self, code, allow_stdin=False, **options):
        """Sends a cell without waiting for it; `wait` waits for the returned id."""
        return self.kc.execute(code, allow_stdin=allow_stdin, **options)

    def wait(self, msg_id, timeout=TIMEOUT, on_input=None):
        messages = self.iopub(msg_id, timeout, on_input)
        return Cell(self.reply(msg_id, timeout), messages)

    def iopub(self, msg_id, timeout=TIMEOUT, on_input=None):
        """iopub messages about a request up to its `idle`."""
        messages = []
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if on_input and self.kc.stdin_channel.msg_ready():
                self.kc.input(on_input(self.kc.get_stdin_msg()["content"]))
            try:
                message = self.kc.get_iopub_msg(timeout=0.05 if on_input else 1)
            except Empty:
                continue
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            messages.append(message)
            if message["content"].get("execution_state") == "idle":
                return messages
        raise TimeoutError(f"no idle within {timeout} s; got {[m['msg_type'] for m in messages]}")

    def wait_for_output(self, msg_id, wanted, timeout=TIMEOUT):
        """Reads iopub until the cell's stdout contains `wanted`."""
        text = ""
        end = time.monotonic() + timeout
        while wanted not in text:
            assert time.monotonic() < end, f"no {wanted!r} in {text!r}"
            try:
                message = self.kc.get_iopub_msg(timeout=1)
            except Empty:
                continue
            if message["parent_header"].get("msg_id") == msg_id and message["msg_type"] == "stream":
                text += message["content"]["text"]

    def reply(self, msg_id, timeout=TIMEOUT):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                message = self.kc.get_shell_msg(timeout=1)
            except Empty:
                continue
            if message["parent_header"].get("msg_id") == msg_id:
                return message
        raise TimeoutError(f"no reply within {timeout} s")

    def control(self, msg_type, **content):
        """Sends a request on the control channel; returns the reply's content."""
        request = self.kc.session.msg(msg_type, content)
        self.kc.control_channel.send(request)
        return self.control_reply(request["header"]["msg_id"])

    def interrupt(self):
        """Sends an interrupt request, as the Stop button does; returns the reply's content."""
        return self.control("interrupt_request")

    def shut_down(self, restart):
        """Sends a shutdown request without any help of the manager; returns the reply's content."""
        return self.control("shutdown_request", restart=restart)

    def send(self, msg_type, content, subshell=None):
        """Sends a request on the shell channel, to a subshell if one is named; returns its id."""
        request = self.kc.session.msg(msg_type, content)
        if subshell is not None:
            request["header"]["subshell_id"] = subshell
        self.kc.shell_channel.send(request)
        return request["header"]["msg_id"]

    def control_reply(self, msg_id):
        while True:
            message = self.kc.get_control_msg(timeout=10)
            if message["parent_header"].get("msg_id") == msg_id:
                return message["content"]


def ok(cell):
    """The cell, which went well."""
    assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])
    return cell


def said(kernel, msg_type, **content):
    """Sends a comm message; returns what was published about it between busy and idle."""
    messages = kernel.iopub(kernel.send(msg_type, content), timeout=10)
    assert messages[0]["content"]["execution_state"] == "busy"
    return [(m["msg_type"], m["content"]) for m in messages[1:-1]]


def comms(kernel, target=None):
    """The open comms, those for one target if it is named."""
    msg_id = kernel.kc.comm_info(target)
    return kernel.reply(msg_id)["content"]["comms"]


def shown(kind, data=None, id=None, wait=False):
    """A Rust statement that shows something by way of the toolkit: text, and HTML beside it. What has an id can be
    updated; so named is the variable that does it."""
    if kind == "clear":
        return f"clear_output({str(wait).lower()});"
    bundle = f"&Bundle::text({json.dumps(data.get('text/plain', ''))})"
    if "text/html" in data:
        bundle += f".html({json.dumps(data['text/html'])})"
    if kind == "update":
        return f"{id}.update({bundle});"
    return f"let {id} = show_updatable({bundle});" if id else f"show({bundle});"


def plain(text):
    return {"text/plain": text}
