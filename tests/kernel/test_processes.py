"""Nothing that a cell starts outlives what ended it, and nothing that it starts keeps it from ending."""

import os
import signal
import subprocess
import sys
import time

import pytest
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from client import Client
from living import MARK, SOON, Lasting, alive, begin, described, gone, kill, marked, named, processes, read, told, until, value, warm

# How long programs would live; a number of its own names those of one test.
numbers = iter(range(1_000_000 + os.getpid() * 1000, 10**9))


@pytest.fixture
def word():
    """A time to sleep by which programs are known; none is left."""
    number = str(next(numbers))
    yield number
    for process in named(number):
        os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def lasting(installed):
    holder = Lasting("let kept = 5u64;", "kept", "5")
    yield holder
    holder.close()


@pytest.fixture
def kernels(installed):
    started = []

    def start(**options):
        started.append(begin(**options))
        return started[-1]

    yield start
    for kernel in started:
        kill(kernel)


def shell(text):
    return f'let _ = std::process::Command::new("sh").args(["-c", r#"{text}"#]).spawn()?;\n'


# Ways to start a program that does not go by itself, each with the number of programs.
PROGRAMS = {
    "a program": ("sleep W", 1),
    "children of a program": ("sleep W & sleep W", 3),
    "a session of its own": ("exec setsid sleep W", 1),
    "deaf to signals": ("trap '' INT TERM HUP QUIT; sleep W; sleep W", 2),
    "forked twice": ("(sleep W &) ; (sleep W &)", 2),
    "a daemon": ("(setsid nohup sleep W </dev/null >/dev/null 2>&1 &)", 1),
    "deaf python": ("exec python3 -c 'import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 3, 15)]; time.sleep(W)'", 1),
}
ALL = "".join(shell(text) for text, _ in PROGRAMS.values())
COUNT = sum(count for _, count in PROGRAMS.values())

# Programs that start others when they are asked to end, or after that.
LATE = {
    "deaf, and starts one later": "trap '' INT; sleep 1; sleep W",
    "deaf, and starts a daemon later": "trap '' INT; sleep 1; setsid nohup sleep W >/dev/null 2>&1 & sleep 1.5",
    "leaves a daemon behind": "trap 'setsid nohup sleep W >/dev/null 2>&1 & exit 0' INT; sleep 0.2; while :; do sleep 0.1; done",
}

# How the cell goes on.
WAITS = 'println!("started"); let _ = std::process::Command::new("sleep").arg("W").status()?;'
DEAF = 'println!("started"); loop { std::thread::sleep(std::time::Duration::from_millis(10)); }'
# Compiled without end.
COMPILES = "#[allow(long_running_const_eval)]\nconst SLOW: u64 = { let mut i = 0u64; while i < u64::MAX { i += 1; } i };\nSLOW"


def with_programs(kernel, code, word, count):
    """The request of a cell that has started so many programs."""
    request = kernel.start(code.replace("W", word))
    kernel.wait_for_output(request, "started")
    until(lambda: len(named(word)) >= count, 10, lambda: described(named(word)))
    return request


def compilers(mark, names=("rustc",)):
    return [process for process in marked(mark) if read(process, "comm").decode().strip() in names and alive(process)]


def compiling(kernel):
    request = kernel.start(COMPILES)


    def at_work():
        """Not the compiler of a cell of the kernel's own, which soon ends."""
        before = set(compilers(kernel.mark))
        time.sleep(0.5)
        return before & set(compilers(kernel.mark))

    until(at_work, 20, "no compiler")
    return request


def building(kernel, tmp_path, word):
    """The request of a cell whose dependency has a build script that does not end."""
    # Not of this name, which is that of what it starts.
    name = f"slow_{next(numbers)}"
    (tmp_path / name / "src").mkdir(parents=True)
    (tmp_path / name / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\nbuild = "build.rs"\n')
    (tmp_path / name / "src" / "lib.rs").write_text("pub fn one() -> u64 { 1 }")
    (tmp_path / name / "build.rs").write_text(
        f'fn main() {{ std::process::Command::new("sh").args(["-c", "sleep {word} & sleep {word}"]).status().unwrap(); }}'
    )
    request = kernel.start(f':dep {name} = {{ path = "{tmp_path / name}" }}\n{name}::one()')
    until(lambda: len(named(f"sleep\0{word}")) == 2, 60, "the build script does not run")
    return request


@pytest.mark.parametrize("kind", LATE)
def test_a_stop_ends_what_a_stopped_program_starts(lasting, word, kind):
    kernel = lasting.get()
    request = kernel.start((shell(LATE[kind]) + WAITS).replace("W", word))
    kernel.wait_for_output(request, "started")
    time.sleep(0.3)
    kernel.interrupt()
    kernel.wait(request, timeout=SOON)
    time.sleep(SOON)
    assert not named(word), described(named(word))
    assert value(kernel.run("kept")) == "5"


def test_a_stop_spares_what_an_earlier_cells_server_starts(lasting, word, tmp_path):
    kernel = lasting.get()
    ended = tmp_path / "ended"
    kernel.run(shell(f"while :; do sleep 0.5 || echo killed >> {ended}; : of {word}; done"))
    request = kernel.start(WAITS.replace("W", word))
    kernel.wait_for_output(request, "started")
    time.sleep(0.8)
    kernel.interrupt()
    kernel.wait(request, timeout=SOON)
    time.sleep(2.5)
    assert len(named(word)) == 1 and not ended.exists(), described(named(word))


@pytest.mark.parametrize("end", ["", 'if who == 0 { panic!("of the copy") }'])
def test_a_cell_that_forks_comes_to_an_end_once(lasting, end):
    kernel = lasting.get()
    cell = kernel.run(f'unsafe extern "C" {{ fn fork() -> i32; }} let who = unsafe {{ fork() }}; {end}')
    assert cell.status == "ok", told(cell)
    for n in range(3):
        assert value(kernel.run(f"kept + {n}", timeout=10)) == str(5 + n)
    assert value(kernel.run("who > 0")) == "true"


@pytest.mark.parametrize("deed", ["kill(0, 9);", "kill(getppid(), 9);"])
def test_a_cell_that_kills_those_above_it_leaves_nothing(kernels, word, deed):
    kernel = warm(kernels())
    kernel.run(shell(f"(setsid nohup sleep {word} </dev/null >/dev/null 2>&1 &)"))
    until(lambda: named(word), 10)
    kernel.run(f'unsafe extern "C" {{ fn kill(pid: i32, signal: i32) -> i32; fn getppid() -> i32; }} unsafe {{ {deed} }}', timeout=20)
    gone(lambda: named(word))
    # The cell may have come to its end before it was killed: then the next one is told.
    kernel.run("1", timeout=20)
    assert value(kernel.run("6 * 7", timeout=20)) == "42"


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_stop_ends_what_the_cell_started(lasting, word, kind):
    """And only that: the variables are there."""
    kernel = lasting.get()
    text, count = PROGRAMS[kind]
    request = with_programs(kernel, shell(text) + WAITS, word, count + 1)
    kernel.interrupt()
    gone(lambda: named(word))
    kernel.wait(request, timeout=SOON)
    assert value(kernel.run("kept")) == "5"


def test_a_stop_ends_a_cell_that_waits_for_a_program(lasting, word):
    kernel = lasting.get()
    for wait in [
        'std::process::Command::new("sleep").arg("W").status()?;',
        'std::process::Command::new("sh").args(["-c", "sleep W; true"]).output()?;',
        'let mut child = std::process::Command::new("sleep").arg("W").spawn()?; child.wait()?;',
        'std::thread::spawn(|| std::process::Command::new("sleep").arg("W").status()).join().unwrap()?;',
    ]:
        request = with_programs(kernel, f'println!("started"); {wait}', word, 1)
        began = time.monotonic()
        kernel.interrupt()
        cell = kernel.wait(request, timeout=10)
        assert time.monotonic() - began < 1.5, wait
        assert cell.reply["content"]["ename"] == "Interrupted" and "programs" in cell.reply["content"]["evalue"], told(cell)
        assert not named(word) and value(kernel.run("kept")) == "5"


def test_a_stop_spares_what_an_earlier_cell_started(lasting, word):
    """A server that a notebook talks to."""
    kernel = lasting.get()
    server, other = word + "1", word + "2"
    kernel.run(f'let server = std::process::Command::new("sleep").arg("{server}").spawn()?;')
    kernel.run(shell(f"(sleep {server} &)"))
    until(lambda: len(named(server)) == 2, 5)
    for _ in range(2):
        request = with_programs(kernel, shell("sleep W") + WAITS, other, 2)
        kernel.interrupt()
        kernel.wait(request, timeout=SOON)
        gone(lambda: named(other))
        assert len(named(server)) == 2
    assert value(kernel.run("kept")) == "5"
    assert kernel.run("let mut server = server; server.kill()?; server.wait()?;").status == "ok"
    assert len(named(server)) == 1
    # Nor does the end of a cell end it.
    assert kernel.run("1 + 1").status == "ok" and len(named(server)) == 1


def test_a_killing_stop_ends_everything(lasting, word):
    kernel = lasting.get()
    request = with_programs(kernel, ALL + DEAF, word, COUNT)
    kernel.interrupt()
    time.sleep(2.2)
    kernel.interrupt()
    began = time.monotonic()
    cell = kernel.wait(request, timeout=20)
    assert time.monotonic() - began < SOON and cell.reply["content"]["ename"] == "Interrupted"
    gone(lambda: named(word))
    assert value(kernel.run("6 * 7", timeout=20)) == "42"
    lasting.mend()


@pytest.mark.parametrize("what", ["compiler", "build script"])
def test_a_stop_ends_compilers(lasting, word, what, tmp_path):
    kernel = lasting.get()
    request = compiling(kernel) if what == "compiler" else building(kernel, tmp_path, word)
    kernel.interrupt()
    cell = kernel.wait(request, timeout=SOON)
    assert cell.reply["content"]["ename"] == "Interrupted", told(cell)
    gone(lambda: named(word) + compilers(kernel.mark, ("rustc", "cargo", "build-script-bu", "cc", "ld", "lld")))
    assert value(kernel.run("kept")) == "5"
    if what == "build script":
        # Nothing waits for a lock.
        name = f"quick_{next(numbers)}"
        (tmp_path / name / "src").mkdir(parents=True)
        (tmp_path / name / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n')
        (tmp_path / name / "src" / "lib.rs").write_text("pub fn two() -> u64 { 2 }")
        assert value(kernel.run(f':dep {name} = {{ path = "{tmp_path / name}" }}\n{name}::two() + kept', timeout=40)) == "7"


class Orphan:
    """A kernel whose parent is not this process."""

    def __init__(self, jook, folder):
        self.mark = f"orphan{os.getpid()}-{next(numbers)}"
        path, _ = write_connection_file(str(folder / "connection.json"))
        code = f"import subprocess, time, os; subprocess.Popen([{str(jook)!r}, 'kernel', {path!r}], env={{**os.environ, 'JPY_PARENT_PID': str(os.getpid())}}); time.sleep(1e6)"
        self.parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, MARK: self.mark}, start_new_session=True)
        self.kc = BlockingKernelClient(connection_file=path)
        self.kc.load_connection_file()
        self.kc.start_channels()
        self.kc.wait_for_ready(timeout=60)

    run, start, wait, iopub, reply = Client.run, Client.start, Client.wait, Client.iopub, Client.reply
    wait_for_output, drain = Client.wait_for_output, Client.drain

    def close(self):
        self.kc.stop_channels()
        self.parent.kill()
        self.parent.wait()


def end(kernel, way):
    """Ends the kernel; what is left must go."""
    if way == "shutdown":
        kernel.shut_down(restart=False)
    elif way == "restart":
        kernel.shut_down(restart=True)
    elif way == "killed":
        os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)
        kernel.manager.provisioner.process.wait()
    elif way == "terminated":
        os.kill(kernel.manager.provisioner.pid, signal.SIGTERM)
    elif way == "hung up":
        os.kill(kernel.manager.provisioner.pid, signal.SIGHUP)
    else:
        kernel.parent.kill()
        kernel.parent.wait()


@pytest.mark.parametrize("way", ["shutdown", "restart", "killed", "terminated", "parent gone"])
@pytest.mark.parametrize("what", ["programs", "compiler", "build script"])
def test_nothing_outlives_its_kernel(kernels, jook, word, tmp_path, way, what):
    if what != "programs" and way in ("restart", "terminated"):
        pytest.skip("as shutdown")
    orphan = way == "parent gone"
    kernel = warm(Orphan(jook, tmp_path) if orphan else kernels())
    try:
        if what == "programs":
            with_programs(kernel, ALL + DEAF, word, COUNT)
        elif what == "compiler":
            compiling(kernel)
        else:
            building(kernel, tmp_path, word)
        end(kernel, way)
        gone(lambda: [p for p in set(marked(kernel.mark) + named(word)) if alive(p) and not ours(p)])
    finally:
        if orphan:
            kill(kernel)


def ours(process):
    return process == os.getpid()


def test_nothing_outlives_a_kernel_that_is_idle(kernels, word):
    """What earlier cells started goes with it."""
    for way in ["shutdown", "killed"]:
        kernel = warm(kernels())
        kernel.run((ALL + 'println!("started");').replace("W", word))
        until(lambda: len(named(word)) >= COUNT, 10, lambda: described(named(word)))
        end(kernel, way)
        gone(lambda: [p for p in set(marked(kernel.mark) + named(word)) if alive(p)])


def test_nothing_outlives_a_kernel_that_is_starting(kernels):
    for way in ["shutdown", "killed"]:
        kernel = kernels()
        kernel.start("1 + 1")
        time.sleep(0.5)
        end(kernel, way)
        gone(lambda: [p for p in marked(kernel.mark) if alive(p)])


DEATHS = [
    ("std::process::exit(3);", "exit code 3"),
    ("std::process::abort();", "abort"),
    ("unsafe { std::ptr::write_volatile(8 as *mut u8, 1) };", "memory that is not its own"),
    ("fn deep(n: u64) -> u64 { if n == u64::MAX { 0 } else { 1 + std::hint::black_box(deep(std::hint::black_box(n + 1))) } }\ndeep(0);", "stack overflowed"),
    ('std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status()?; std::thread::sleep(std::time::Duration::from_secs(9));', "killed from outside"),
    ("struct Bomb; impl Drop for Bomb { fn drop(&mut self) { panic!(\"again\") } }\n{ let _bomb = Bomb; panic!(\"once\"); }", "abort"),
    ("std::thread::spawn(|| std::process::abort()).join().unwrap();", "abort"),
    ('{ unsafe extern "C" { fn raise(signal: i32) -> i32; } unsafe { raise(15) }; }', "ended"),
]  # fmt: skip


# The programs are to be seen before they go.
AFTER_A_MOMENT = "std::thread::sleep(std::time::Duration::from_millis(500));"


@pytest.mark.parametrize("code, cause", DEATHS, ids=range(len(DEATHS)))
def test_the_end_of_the_cells_process_is_told_at_once(lasting, word, code, cause):
    """Also while a program that the cell started holds the streams."""
    kernel = lasting.get()
    assert kernel.run("fn stays() -> u64 { 9 }").status == "ok"
    began = time.monotonic()
    request = with_programs(kernel, shell("sleep W & sleep W") + 'println!("started");' + AFTER_A_MOMENT + code, word, 1)
    cell = kernel.wait(request, timeout=20)
    took = time.monotonic() - began
    assert cell.status == "error" and cause in told(cell), told(cell)
    assert took < 5, took
    # Variables are gone, what is code is there.
    assert value(kernel.run("stays() + 33", timeout=20)) == "42"
    assert kernel.run("kept").status == "error"
    lasting.mend()


@pytest.mark.parametrize("code", ["close(1); close(2);", "close(0); close(1); close(2);", "for i in 0..64 { close(i); }"])
def test_a_cell_that_closed_its_streams_can_be_stopped(lasting, code):
    kernel = lasting.get()
    running = kernel.start(f'{{ unsafe extern "C" {{ fn close(fd: i32) -> i32; }} println!("started"); unsafe {{ {code} }} loop {{ std::hint::spin_loop(); }} }}')
    kernel.wait_for_output(running, "started")
    time.sleep(0.5)
    began = time.monotonic()
    request = kernel.start("6 * 7")
    kernel.interrupt()
    time.sleep(2.2)
    kernel.interrupt()
    # The cell behind it is aborted with it.
    kernel.reply(request, timeout=10)
    assert time.monotonic() - began < 6
    assert value(kernel.run("6 * 7", timeout=10)) == "42"
    lasting.mend()


def test_a_kernel_whose_cell_closed_its_streams_shuts_down(kernels):
    kernel = warm(kernels())
    running = kernel.start('{ unsafe extern "C" { fn close(fd: i32) -> i32; } println!("started"); unsafe { close(1); close(2); } loop { std::hint::spin_loop(); } }')
    kernel.wait_for_output(running, "started")
    time.sleep(0.5)
    began = time.monotonic()
    assert kernel.shut_down(restart=False)["status"] == "ok"
    kernel.manager.provisioner.process.wait(5)
    assert time.monotonic() - began < 2
    gone(lambda: [p for p in marked(kernel.mark) if alive(p)])


def test_the_processes_that_serve_the_kernel_may_be_killed(lasting):
    """As a machine without memory does. The next cells work, whatever the kernel has lost."""
    kernel = lasting.get()
    pid = kernel.manager.provisioner.pid
    helpers = [p for p in marked(kernel.mark) if p != pid]
    # There is at least the one that runs cells.
    assert helpers
    for helper in helpers:
        try:
            os.kill(helper, signal.SIGKILL)
        except ProcessLookupError:
            continue
        kernel.run("1 + 1", timeout=20)
        assert value(kernel.run('println!("here"); 6 * 7', timeout=20)) == "42"


@pytest.mark.long
def test_no_process_is_left_of_cells_that_ended(lasting):
    """Neither zombies nor helpers."""
    kernel = lasting.get()

    def count():
        # Copies of the session that answer beside a cell end after it.
        time.sleep(1)
        children = [p for p in processes() if read(p, "stat").rpartition(b")")[2].split()[1:2] == [str(kernel.manager.provisioner.pid).encode()]]
        return len(children) + len(marked(kernel.mark))

    before = count()
    for turn in range(3):
        kernel.run(f"!true\nlet more{turn} = std::process::Command::new(\"true\").status()?.success(); more{turn}")
        slow = kernel.start('println!("started"); std::thread::sleep(std::time::Duration::from_millis(900));')
        kernel.wait_for_output(slow, "started")
        kernel.kc.complete("kep", 3)
        kernel.wait(slow)
    assert count() <= before
