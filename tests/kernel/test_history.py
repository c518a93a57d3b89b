"""The history: of this kernel, and of those before it."""

import json
import os

import pytest


def history(kernel, **request):
    return kernel.reply(kernel.kc.history(**request))["content"]["history"]


def inputs(entries):
    return [entry[2] for entry in entries]


def test_history(kernel):
    kernel.run("6 * 7")
    kernel.run('println!("last");')
    tail = history(kernel, hist_access_type="tail", n=2)
    assert inputs(tail) == ["6 * 7", 'println!("last");']
    found = history(kernel, hist_access_type="search", pattern="6 ? 7", unique=True)
    assert inputs(found) == ["6 * 7"]
    with_output = history(kernel, hist_access_type="tail", n=2, output=True)
    assert with_output[0][2] == ["6 * 7", "42"]


def test_a_range_of_this_session(kernel):
    count = kernel.run("6 * 7").reply["content"]["execution_count"]
    kernel.run("6 * 8")
    (session, line, code), *rest = history(kernel, hist_access_type="range", session=0, start=count, stop=count + 2)
    assert (line, code, inputs(rest)) == (count, "6 * 7", ["6 * 8"])
    assert inputs(history(kernel, hist_access_type="range", session=session, start=count, stop=count + 1)) == ["6 * 7"]
    assert inputs(history(kernel, hist_access_type="range", session=0, start=count)) == ["6 * 7", "6 * 8"]


def test_what_is_not_stored_is_not_told(kernel):
    kernel.run("6 * 7")
    kernel.run("6 * 8", store_history=False)
    kernel.run("6 * 9", silent=True)
    assert inputs(history(kernel, hist_access_type="tail", n=1)) == ["6 * 7"]


@pytest.fixture
def past(tmp_path):
    """A history of two kernels, the second of which was killed while it wrote."""
    path = tmp_path / "history.jsonl"
    lines = [
        {"session": 1},
        {"session": 1, "count": 1, "input": "let a = 1;"},
        {"session": 1, "count": 2, "input": "a"},
        {"session": 1, "count": 2, "output": "1"},
        {"session": 2, "count": 1, "input": "a"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"session": 2, "count": 2, "inp')
    return path


def test_earlier_kernels_are_remembered(start, past):
    kernel = start(env={**os.environ, "JOOK_HISTORY": str(past)})
    assert history(kernel, hist_access_type="tail", n=9, output=True) == [
        [1, 1, ["let a = 1;", ""]],
        [1, 2, ["a", "1"]],
        [2, 1, ["a", ""]],
    ]
    assert history(kernel, hist_access_type="range", session=-1) == [[2, 1, "a"]]
    assert inputs(history(kernel, hist_access_type="range", session=1)) == ["let a = 1;", "a"]
    assert history(kernel, hist_access_type="range", session=0) == []
    assert inputs(history(kernel, hist_access_type="search", pattern="a", unique=True)) == ["a"]
    assert inputs(history(kernel, hist_access_type="search", pattern="let*")) == ["let a = 1;"]


def test_a_killed_kernel_leaves_its_cells_to_the_next(start, tmp_path):
    path = tmp_path / "deep" / "history.jsonl"
    options = {"env": {**os.environ, "JOOK_HISTORY": str(path)}}
    first = start(**options)
    # The toolkit is still starting: the cell is noted before it runs.
    running = first.start('println!("the last one");')
    while first.kc.get_iopub_msg(timeout=10)["msg_type"] != "execute_input":
        pass
    assert inputs(history(first, hist_access_type="tail", n=1)) == ['println!("the last one");'], running
    first.manager.shutdown_kernel(now=True)
    second = start(**options)
    assert history(second, hist_access_type="tail", n=1) == [[1, 1, 'println!("the last one");']]
    assert path.stat().st_mode & 0o077 == 0, "others can read it"


def test_off(start, tmp_path):
    env = {**os.environ, "JOOK_HISTORY": "off", "HOME": os.environ["HOME"], "XDG_DATA_HOME": str(tmp_path)}
    kernel = start(env=env)
    assert history(kernel, hist_access_type="tail", n=9) == []
    assert list(tmp_path.iterdir()) == []
