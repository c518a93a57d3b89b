"""What works while a cell runs: questions to its user, requests beside it, interrupt, shutdown, restart."""

import os
import signal
import time

import pytest

# What the crate evcxr_input prints to ask for a line; written out so that no dependency is needed.
ASK = """
fn ask(request: &str, prompt: &str) -> String {
    println!("{request}:{prompt}");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim().to_string()
}
"""

# A training that would take hours, with a variable made before it. It stops itself at the next step.
TRAINING = """
let before = 41;
let digits = datasets::digits()?;
println!("training");
let run = Mlp::new([64, 32, 10]).train(&digits, Recipe::new().epochs(1_000_000).batch(32).sgd(0.01))?;
"""


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def test_input(kernel):
    asked = []

    def answer(request):
        asked.append(request)
        return "Jook"

    assert kernel.run(ASK).status == "ok"
    cell = kernel.run('println!("hello {}", ask("EVCXR_INPUT_REQUEST", "name? "));', on_input=answer)
    assert asked == [{"prompt": "name? ", "password": False}]
    assert cell.text() == "hello Jook\n"
    cell = kernel.run('println!("hello {}", ask("EVCXR_INPUT_REQUEST_PASSWORD", "word? "));', on_input=answer)
    assert asked[-1] == {"prompt": "word? ", "password": True}


def test_input_without_a_user_is_empty(kernel):
    assert kernel.run(ASK).status == "ok"
    cell = kernel.run('println!("hello {}!", ask("EVCXR_INPUT_REQUEST", "name? "));')
    assert cell.text() == "hello !\n"


def test_requests_are_answered_while_a_cell_runs(kernel):
    slow = kernel.start('println!("running");\nstd::thread::sleep(std::time::Duration::from_secs(6));')
    kernel.wait_for_output(slow, "running")
    start = time.monotonic()
    for send in (
        kernel.kc.kernel_info,
        lambda: kernel.kc.complete("Str", 3),
        lambda: kernel.kc.inspect("String", 3),
        lambda: kernel.kc.is_complete("1 + 1"),
        lambda: kernel.kc.history(hist_access_type="tail", n=1),
    ):
        assert kernel.reply(send())["content"].get("status") in ("ok", "complete")
    assert time.monotonic() - start < 5
    assert kernel.wait(slow).status == "ok"


@pytest.mark.parametrize("way", ["message", "signal"])
def test_interrupting_a_training_keeps_everything(kernel, way):
    kernel.run("use jook::prelude::*;")
    training = kernel.start(TRAINING)
    kernel.wait_for_output(training, "training")
    time.sleep(1)
    start = time.monotonic()
    if way == "message":
        assert kernel.interrupt()["status"] == "ok"
    else:
        os.kill(kernel.manager.provisioner.pid, signal.SIGINT)
    cell = kernel.wait(training, timeout=30)
    assert time.monotonic() - start < 5
    assert cell.status == "ok", cell.reply["content"]
    after = kernel.run('println!("{} {}", before + 1, run.history().height() > 0);')
    assert after.text() == "42 true\n", after.reply["content"]


def test_interrupt_spares_a_cell_sent_later(kernel):
    assert kernel.interrupt()["status"] == "ok"
    assert kernel.run("6 * 7").status == "ok"


def test_interrupt_aborts_the_cells_behind(kernel):
    kernel.run("use jook::prelude::*;")
    training = kernel.start(TRAINING)
    behind = kernel.start('println!("must not run");')
    kernel.wait_for_output(training, "training")
    kernel.interrupt()
    kernel.wait(training)
    assert kernel.wait(behind).status == "aborted"


@pytest.mark.parametrize("restart", [False, True])
def test_shutdown_replies_then_exits(own_kernel, restart):
    pid = own_kernel.manager.provisioner.pid
    own_kernel.manager.stop_restarter = lambda: None
    request = own_kernel.kc.session.msg("shutdown_request", {"restart": restart})
    own_kernel.kc.control_channel.send(request)
    assert own_kernel.control_reply(request["header"]["msg_id"]) == {"status": "ok", "restart": restart}
    until(lambda: own_kernel.manager.provisioner.process.poll() is not None, 10)
    assert not os.path.exists(f"/proc/{pid}/exe")


def test_restart_gives_a_fresh_session(own_kernel):
    own_kernel.run("let old = 1;")
    own_kernel.manager.restart_kernel()
    own_kernel.kc.wait_for_ready(timeout=60)
    own_kernel.wait_until_warm(300)
    cell = own_kernel.run("old")
    assert cell.status == "error" and "old" in "\n".join(cell.reply["content"]["traceback"])
    assert own_kernel.run("6 * 7").reply["content"]["execution_count"] <= 3


def test_shutdown_while_a_cell_runs(own_kernel):
    running = own_kernel.start('println!("running");\nloop { std::thread::sleep(std::time::Duration::from_secs(1)); }')
    own_kernel.wait_for_output(running, "running")
    own_kernel.manager.shutdown_kernel()
    assert own_kernel.manager.provisioner is None or not own_kernel.manager.is_alive()
