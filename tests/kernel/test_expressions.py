"""User expressions and pages: what a reply to a cell may carry besides its end."""

from datetime import datetime

import pytest


def test_the_reply_says_when_the_cell_started(kernel):
    reply = kernel.run("6 * 7").reply
    assert reply["metadata"]["status"] == "ok"
    # Jupyter's client has read the header's time already.
    started, replied = datetime.fromisoformat(reply["metadata"]["started"]), reply["header"]["date"]
    assert 0 <= (replied - started).total_seconds() < 60


def test_user_expressions(kernel):
    before = kernel.run("let words = vec![\"a\", \"b\"];").reply["content"]["execution_count"]
    cell = kernel.run(
        "let n = 6;",
        user_expressions={
            "value": "n * 7",
            "moved": "words",
            "table": "polars::df!(\"x\" => [1, 2])?",
            "unit": "()",
            "missing": "no_such_name",
            "panic": "words[9]",
        },
    )
    assert cell.status == "ok" and cell.outputs == []
    values = cell.reply["content"]["user_expressions"]
    assert values["value"] == {"status": "ok", "data": {"text/plain": "42"}, "metadata": {}}
    assert values["unit"]["data"] == {"text/plain": "()"}
    assert {"text/plain", "text/html"} <= set(values["table"]["data"])
    for name, ename in (("missing", "E0425"), ("panic", "Panic")):
        assert (values[name]["status"], values[name]["ename"]) == ("error", ename)
        assert values[name]["evalue"] and values[name]["traceback"]
    after = kernel.run('println!("{}", words.len());')
    assert after.text() == "2\n", "an expression took its variable away"
    assert after.reply["content"]["execution_count"] == before + 2
    history = kernel.reply(kernel.kc.history(hist_access_type="tail", n=2))["content"]["history"]
    assert [entry[2] for entry in history] == ["let n = 6;", 'println!("{}", words.len());']


def test_user_expressions_after_an_error_are_not_evaluated(kernel):
    cell = kernel.run('panic!("boom");', user_expressions={"x": "1"})
    assert cell.status == "error" and cell.reply["content"]["user_expressions"] == {}


def test_user_expressions_of_an_empty_cell(kernel):
    cell = kernel.run("", silent=True, user_expressions={"x": "1 + 1"})
    assert cell.reply["content"]["user_expressions"]["x"]["data"] == {"text/plain": "2"}


@pytest.mark.parametrize("code, whole", [("?String", False), ("??String", True)])
def test_a_page(kernel, code, whole):
    before = kernel.run("6 * 7").reply["content"]["execution_count"]
    cell = kernel.run(code)
    assert cell.status == "ok" and cell.outputs == []
    (page,) = cell.reply["content"]["payload"]
    assert (page["source"], page["start"]) == ("page", 0)
    assert "pub struct String" in page["data"]["text/plain"] and "<code" in page["data"]["text/html"]
    assert ("# Examples" in page["data"]["text/plain"]) == whole
    assert cell.reply["content"]["execution_count"] == before + 1


def test_a_page_about_a_variable_and_about_nothing(kernel):
    kernel.run("let words = vec![String::new()];")
    (page,) = kernel.run("?words").reply["content"]["payload"]
    assert "Vec<String>" in page["data"]["text/plain"]
    cell = kernel.run("?no_such_name")
    assert cell.status == "ok" and cell.reply["content"]["payload"] == []
    assert cell.text("stderr") == "nothing is known about `no_such_name`\n"
