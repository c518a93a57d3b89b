"""Subshells: consoles beside the notebook. Questions are answered at once, cells take turns."""

import time

import pytest

SLEEP = "std::thread::sleep(std::time::Duration::from_secs({}));"


@pytest.fixture
def subshell(kernel):
    reply = kernel.control("create_subshell_request")
    assert reply["status"] == "ok"
    yield reply["subshell_id"]
    kernel.control("delete_subshell_request", subshell_id=reply["subshell_id"])


def execute(kernel, code, subshell):
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "stop_on_error": True}
    return kernel.send("execute_request", content, subshell)


def test_made_listed_deleted(kernel):
    made = [kernel.control("create_subshell_request")["subshell_id"] for _ in range(2)]
    assert len(set(made)) == 2
    assert sorted(kernel.control("list_subshell_request")["subshell_id"]) == sorted(made)
    for subshell in made:
        assert kernel.control("delete_subshell_request", subshell_id=subshell) == {"status": "ok"}
    assert kernel.control("list_subshell_request") == {"status": "ok", "subshell_id": []}
    again = kernel.control("delete_subshell_request", subshell_id=made[0])
    assert (again["status"], again["ename"]) == ("error", "UnknownSubshell") and made[0] in again["evalue"]


def test_questions_are_answered_while_the_main_shell_runs(kernel, subshell):
    slow = kernel.start('println!("running");\n' + SLEEP.format(3))
    kernel.wait_for_output(slow, "running")
    start = time.monotonic()
    for msg_type, content in (
        ("kernel_info_request", {}),
        ("is_complete_request", {"code": "1 + 1"}),
        ("history_request", {"hist_access_type": "tail", "n": 1, "raw": True, "output": False}),
    ):
        msg_id = kernel.send(msg_type, content, subshell)
        reply = kernel.reply(msg_id)
        assert reply["parent_header"]["subshell_id"] == subshell
        assert all(said["parent_header"]["subshell_id"] == subshell for said in kernel.iopub(msg_id))
    assert time.monotonic() - start < 1
    cell = kernel.wait(slow)
    assert cell.status == "ok" and "subshell_id" not in cell.reply["parent_header"]


def test_a_cell_of_a_subshell_runs_next(kernel, subshell):
    slow = kernel.start('println!("running");\n' + SLEEP.format(3))
    behind = kernel.start('println!("behind");')
    kernel.wait_for_output(slow, "running")
    beside = execute(kernel, "let beside = 41;\nprintln!(\"beside\");", subshell)
    texts, beside_shows, ended = [], [], set()
    while not ended >= {slow, behind, beside}:
        said = kernel.kc.get_iopub_msg(timeout=30)
        parent = said["parent_header"].get("msg_id")
        if said["content"].get("name") == "stdout":
            texts.append(said["content"]["text"])
        if parent == beside and said["msg_type"] in ("stream", "clear_output"):
            beside_shows.append(said["content"].get("text", "(cleared)"))
        if parent in (slow, behind, beside):
            assert (said["parent_header"].get("subshell_id") == subshell) == (parent == beside)
        if said["content"].get("execution_state") == "idle":
            ended.add(parent)
    waiting = "waiting for the cell that runs in another console of this kernel\n"
    assert texts == ["beside\n", "behind\n"] and beside_shows == [waiting, "(cleared)", "beside\n"]
    # One notebook, one set of variables, one count.
    first, second, third = (kernel.reply(of)["content"] for of in (slow, beside, behind))
    assert [second["execution_count"], third["execution_count"]] == [first["execution_count"] + n for n in (1, 2)]
    assert kernel.run('println!("{}", beside + 1);').text() == "42\n"


def test_an_error_aborts_only_its_own_shell(kernel, subshell):
    bad = kernel.start('println!("running");\n' + SLEEP.format(2) + '\npanic!("boom");')
    kernel.wait_for_output(bad, "running")
    behind = kernel.start('println!("must not run");')
    beside = execute(kernel, 'println!("runs");', subshell)
    replies = {of: kernel.reply(of)["content"]["status"] for of in (bad, beside, behind)}
    assert replies == {bad: "error", beside: "ok", behind: "aborted"}


def test_deleting_a_subshell_gives_up_its_waiting_cells(kernel, subshell):
    slow = kernel.start('println!("running");\n' + SLEEP.format(1))
    kernel.wait_for_output(slow, "running")
    beside = execute(kernel, 'println!("must not run");', subshell)
    # The shell channel has taken the cell when it answers what came after it.
    kernel.reply(kernel.send("kernel_info_request", {}))
    assert kernel.control("delete_subshell_request", subshell_id=subshell)["status"] == "ok"
    assert kernel.reply(slow)["content"]["status"] == "ok"
    assert kernel.reply(beside)["content"]["status"] == "aborted"


@pytest.mark.parametrize("unknown", ["no such", ""])
def test_an_unknown_subshell_is_refused(kernel, unknown):
    for msg_type, content in (("execute_request", {"code": "6 * 7"}), ("kernel_info_request", {})):
        msg_id = kernel.send(msg_type, content, unknown)
        states = [said["content"]["execution_state"] for said in kernel.iopub(msg_id)]
        assert states == ["busy", "idle"]
        reply = kernel.reply(msg_id)
        assert reply["msg_type"] == msg_type.replace("request", "reply")
        assert (reply["content"]["status"], reply["content"]["ename"]) == ("error", "UnknownSubshell")
