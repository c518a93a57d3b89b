"""Whoever can reach a port can send it anything: it costs the kernel next to nothing, and nobody else anything."""

import json
import os
import struct
import subprocess
import time

import pytest
import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from client import Client
from conftest import ROOT, start_kernel
from living import gone, named, read
from raw import COMMAND, GREETING, LONG, MORE, Raw, frame, message, ready
from test_running import until

CHANNELS = ("shell", "control", "stdin", "iopub", "hb")


def memory(pid):
    """Bytes of memory that a process holds."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def beats(kernel):
    """Whether the heartbeat answers."""
    with zmq.Context.instance().socket(zmq.REQ) as heart:
        heart.linger = 0
        heart.connect(f"tcp://{kernel.kc.ip}:{kernel.kc.hb_port}")
        heart.send(b"beat")
        return bool(heart.poll(10_000)) and heart.recv() == b"beat"


def lives(kernel):
    """The kernel, which answers."""
    assert kernel.manager.provisioner.process.poll() is None, "the kernel has ended"
    assert kernel.reply(kernel.kc.kernel_info())["content"]["status"] == "ok"
    return kernel


@pytest.fixture(scope="module")
def target(installed):
    """A kernel that others must not suffer with."""
    client = start_kernel()
    yield client
    client.close()


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("flags", [0, MORE, COMMAND], ids=["message", "more", "command"])
@pytest.mark.parametrize("met", [False, True], ids=["before READY", "after READY"])
def test_an_announced_length_costs_nothing(target, channel, flags, met):
    before = memory(target.manager.provisioner.pid)
    for length in (1 << 62, 1 << 45, 64 << 30, (1 << 64) - 1, (1 << 63) - 1):
        with Raw(target, channel) as raw:
            raw.meet() if met else raw.send(GREETING)
            raw.send(struct.pack(">BQ", flags | LONG, length) + b"some")
            assert raw.closed(15), f"the kernel waits for {length} bytes"
    lives(target)
    assert memory(target.manager.provisioner.pid) - before < 32 << 20


def test_a_large_message_costs_what_has_come_of_it(target):
    """Within the bound, where a length is believed, but only as far as the bytes come."""
    before = memory(target.manager.provisioner.pid)
    raws = [Raw(target, "shell").meet() for _ in range(20)]
    for raw in raws:
        raw.send(struct.pack(">BQ", LONG, 900 << 20) + bytes(1000))
    lives(target)
    assert memory(target.manager.provisioner.pid) - before < 64 << 20
    for raw in raws:
        raw.socket.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        GREETING[:10] + b"\x02" + GREETING[11:],
        GREETING[:12] + b"PLAIN".ljust(20, b"\0") + GREETING[32:],
        GREETING + ready(b"PUB"),
        GREETING + ready(b"DEALER")[:-3] + b"\xff\xff\xff",
        GREETING + frame(b"\x05HELLO", COMMAND),
        GREETING + message(b"hello"),
        GREETING + ready(b"DEALER") + frame(b"", 0x80),
        GREETING + ready(b"DEALER") + frame(b"a", MORE) + frame(b"\x04PING", COMMAND),
    ],
    ids=["http", "version", "mechanism", "kind", "ready", "hello", "message", "flags", "inside"],
)
def test_who_does_not_keep_to_the_protocol_is_turned_away(target, said):
    with Raw(target, "shell") as raw:
        raw.send(said)
        # Sooner than who says nothing.
        assert raw.closed(8)
    lives(target)


def test_who_is_turned_away_is_counted(start, tmp_path):
    """The log holds the first ten; of those after them it tells when their number has doubled."""
    log = tmp_path / "stderr.txt"
    with log.open("wb") as stderr:
        kernel = start(stderr=stderr)
    for _ in range(1, 20):
        with Raw(kernel, "shell") as raw:
            raw.send(b"GET / HTTP/1.1\r\n\r\n")
            assert raw.closed(15)
    lives(kernel)
    said = log.read_text()
    told = [at for at in range(1, 20) if f"dropped a connection, {at} so far: it does not speak ZeroMQ's protocol" in said]
    assert told == [*range(1, 11), 16]


def test_who_says_nothing_has_ten_seconds(target):
    start = time.monotonic()
    with Raw(target, "control") as silent, Raw(target, "control") as half:
        half.send(GREETING[:40])
        assert silent.closed(60) and half.closed(30)
    assert 5 < time.monotonic() - start < 60


def test_there_are_only_so_many_connections(target):
    crowd = [Raw(target, "shell") for _ in range(300)]
    try:
        until(lambda: 0 < sum(not raw.closed(0.02) for raw in crowd) <= 128)
        # Who was there before is served as ever.
        lives(target)
    finally:
        for raw in crowd:
            raw.socket.close()
    time.sleep(0.5)
    with Raw(target, "shell") as raw:
        raw.meet()


@pytest.mark.parametrize("channel", CHANNELS)
def test_strangers_who_say_nothing_keep_nobody_out(target, channel):
    """However many there are, and though they have met the kernel."""
    crowd = []
    try:
        for _ in range(150):
            crowd.append(Raw(target, channel))
            crowd[-1].meet()
        newcomer = BlockingKernelClient(connection_file=target.kc.connection_file)
        newcomer.load_connection_file()
        newcomer.start_channels()
        try:
            newcomer.wait_for_ready(timeout=30)
            assert newcomer.kernel_info(reply=True, timeout=10)["content"]["status"] == "ok"
            assert beats(target)
        finally:
            newcomer.stop_channels()
        lives(target)
    finally:
        for raw in crowd:
            raw.socket.close()


def test_a_stranger_who_beats_and_does_not_listen_stops_nobody(target):
    with Raw(target, "hb") as raw:
        raw.meet()
        raw.socket.settimeout(1)
        sent = 0
        try:
            while sent < 64 << 20:
                raw.send(message(b"", bytes(50_000)))
                sent += 50_000
        except TimeoutError:
            pass
        assert beats(target)
    assert beats(target)


def test_a_message_may_come_byte_by_byte(target):
    session = target.kc.session
    request = session.msg("kernel_info_request", {})
    frames = session.serialize(request)
    with Raw(target, "shell") as raw:
        for byte in GREETING + ready(b"DEALER") + message(*frames):
            raw.send(bytes([byte]))
        raw.read(64)
        flags, length = raw.read(2)
        assert flags == COMMAND and raw.read(length).startswith(b"\x05READY")
        reply = raw.message()
    assert json.loads(reply[reply.index(b"<IDS|MSG>") + 3])["msg_id"] == request["header"]["msg_id"]


def test_who_takes_the_name_of_another_hears_nothing_of_it(target):
    name = target.kc.session.bsession
    with Raw(target, "shell") as thief:
        thief.meet(identity=name)
        lives(target)
        thief.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            thief.socket.recv(1)


def test_a_ping_is_answered(target):
    with Raw(target, "shell") as raw:
        raw.meet()
        raw.send(frame(b"\x04PING\x00\x00context", COMMAND))
        flags, length = raw.read(2)
        assert flags == COMMAND and raw.read(length) == b"\x04PONGcontext"


def test_a_subscriber_is_welcomed_first(target):
    with Raw(target, "iopub") as raw:
        raw.meet()
        raw.send(message(b"\x01") + message(b"\x01some.topic"))
        welcomes = [raw.message() for _ in range(2)]
    topics = [json.loads(frames[-1])["subscription"] for frames in welcomes]
    assert topics == ["", "some.topic"] and [frames[0] for frames in welcomes] == [b"", b"some.topic"]


@pytest.mark.parametrize("missing", ["username", "session", "version", "date"])
def test_a_header_needs_an_id_and_a_type_only(target, missing):
    request = target.kc.session.msg("kernel_info_request", {})
    del request["header"][missing]
    target.kc.shell_channel.socket.send_multipart(target.kc.session.serialize(request))
    assert target.reply(request["header"]["msg_id"], timeout=20)["content"]["status"] == "ok"


def test_a_message_that_is_sent_again_counts_once(kernel):
    session = kernel.kc.session
    kernel.run("let mut count = 0;")
    request = session.msg("execute_request", {"code": "count += 1;", "silent": False})
    frames = session.serialize(request)
    for _ in range(3):
        kernel.kc.shell_channel.socket.send_multipart(frames)
    kernel.wait(request["header"]["msg_id"])
    # Nor on another channel.
    kernel.kc.control_channel.socket.send_multipart(frames)
    assert kernel.run("count").contents("execute_result")[0]["data"]["text/plain"] == "1"


def test_sockets_in_the_file_system(installed, tmp_path):
    """`ipc` instead of ports."""
    manager = KernelManager(kernel_name="jook", transport="ipc", ip=str(tmp_path / "kernel"))
    manager.start_kernel(cwd=str(ROOT))
    client = Client(manager)
    try:
        sockets = list(tmp_path.glob("kernel-*"))
        assert len(sockets) == 5 and all(socket.is_socket() for socket in sockets)
        lives(client)
        client.shut_down(restart=True)
        until(lambda: manager.provisioner.process.poll() is not None, 10)
        # The kernel takes them away itself.
        assert not list(tmp_path.glob("kernel-*"))
    finally:
        client.kc.stop_channels()
        manager.shutdown_kernel(now=True)


def test_an_empty_key_is_said_aloud(jook, tmp_path):
    ports = {f"{name}_port": 0 for name in CHANNELS}
    file = tmp_path / "connection.json"
    connection = {"ip": "127.0.0.1", "transport": "tcp", "key": "", "signature_scheme": "hmac-sha256", **ports}
    file.write_text(json.dumps(connection))
    log = tmp_path / "stderr.txt"
    with log.open("wb") as stderr:
        kernel = subprocess.Popen([jook, "kernel", file], stderr=stderr, cwd=ROOT)
    try:
        end = time.monotonic() + 20
        while "message signing is disabled" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
    finally:
        kernel.terminate()
        kernel.wait(timeout=20)


def test_a_kernel_whose_client_died_before_it_could_look_ends(jook, tmp_path):
    """A shell starts it and is gone at once, before it can be asked for its parent."""
    ports = {f"{name}_port": 0 for name in CHANNELS}
    file = tmp_path / "connection.json"
    connection = {"ip": "127.0.0.1", "transport": "tcp", "key": "k", "signature_scheme": "hmac-sha256", **ports}
    file.write_text(json.dumps(connection))
    script = 'export JPY_PARENT_PID=$$; (sleep 1; exec "$0" kernel "$1") >/dev/null 2>&1 & echo $!'
    started = subprocess.run(["sh", "-c", script, jook, file], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    pid = int(started.stdout)
    end = time.monotonic() + 60
    try:
        while os.path.exists(f"/proc/{pid}") and "zombie" not in open(f"/proc/{pid}/status").read():
            assert time.monotonic() < end, "the kernel lives on"
            time.sleep(0.2)
    except FileNotFoundError:
        pass
    finally:
        if os.path.exists(f"/proc/{pid}"):
            os.kill(pid, 9)


@pytest.mark.parametrize(
    "starts",
    ["sh -c '\"$@\"; exit $?' sh \"$@\"", "sh -c 'sh -c \"\\\"\\$@\\\"; exit \\$?\" sh \"$@\"; exit $?' sh \"$@\""],
    ids=["a launcher", "two launchers"],
)
def test_a_kernel_whose_client_dies_behind_launchers_ends(jook, tmp_path, starts):
    file = tmp_path / "connection.json"
    ports = {f"{name}_port": 0 for name in CHANNELS}
    file.write_text(json.dumps({"ip": "127.0.0.1", "transport": "tcp", "key": "k", "signature_scheme": "hmac-sha256", **ports}))
    script = f"export JPY_PARENT_PID=$$; {starts} & wait"
    client = subprocess.Popen(["sh", "-c", script, "sh", jook, "kernel", file], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kernels = lambda: [p for p in named(str(file)) if read(p, "comm").strip() == b"jook"]  # noqa: E731
    until(kernels)
    time.sleep(2)
    [kernel] = kernels()
    client.kill()
    client.wait()
    try:
        gone(kernels, 10)
    finally:
        for process in named(str(file)):
            os.kill(process, 9)


def test_usage_is_told(kernel):
    # Twice: a share of the processor is of the time between two questions.
    kernel.control("usage_request")
    kernel.run("let end = std::time::Instant::now() + std::time::Duration::from_secs(1); while std::time::Instant::now() < end {}")
    usage = kernel.control("usage_request")
    assert usage["pid"] == kernel.manager.provisioner.pid and usage["hostname"] and usage["cpu_count"] == os.cpu_count()
    # The cell ran in another process, which counts.
    assert usage["kernel_cpu"] > 5 and usage["kernel_memory"] > memory(usage["pid"]) / 2
    host = usage["host_virtual_memory"]
    assert 0 < host["available"] < host["total"] and 0 <= host["percent"] <= 100 and 0 <= usage["host_cpu_percent"] <= 100
