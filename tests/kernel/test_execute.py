"""Executing cells: what is said, in which order, and that nothing is lost."""

import pytest

from client import plain, shown


def test_busy_input_outputs_idle(kernel):
    cell = kernel.run('println!("hello");\neprintln!("oh");')
    assert cell.status == "ok"
    assert cell.states == ["busy", "idle"]
    assert cell.types[:2] == ["status", "execute_input"] and cell.types[-1] == "status"
    assert cell.contents("execute_input")[0]["code"] == 'println!("hello");\neprintln!("oh");'
    assert (cell.text(), cell.text("stderr")) == ("hello\n", "oh\n")
    assert cell.reply["content"]["execution_count"] == cell.contents("execute_input")[0]["execution_count"]


def test_result_carries_the_count(kernel):
    cell = kernel.run("6 * 7")
    (result,) = cell.contents("execute_result")
    assert result["data"]["text/plain"] == "42"
    assert result["execution_count"] == cell.reply["content"]["execution_count"]


def test_counts_go_up_by_one(kernel):
    counts = [kernel.run("6 * 7").reply["content"]["execution_count"] for _ in range(2)]
    assert counts[1] == counts[0] + 1


def test_text_and_displays_keep_their_order(kernel):
    cell = kernel.run(
        "\n".join(
            [
                'println!("before");',
                shown("display", data=plain("first")),
                'println!("between");',
                shown("display", data={"text/plain": "second", "text/html": "<b>second</b>"}),
                'println!("after");',
            ]
        )
    )
    said = [m["content"].get("text") or m["content"]["data"]["text/plain"] for m in cell.outputs]
    assert said == ["before\n", "first", "between\n", "second", "after\n"]
    assert cell.contents("display_data")[1]["data"]["text/html"] == "<b>second</b>"


def test_update_in_place(kernel):
    cell = kernel.run(
        "\n".join(
            [shown("display", data=plain("0 %"), id="bar")]
            + [shown("update", data=plain(f"{percent} %"), id="bar") for percent in (50, 100)]
        )
    )
    (bar,) = cell.contents("display_data")
    updates = cell.contents("update_display_data")
    assert [update["data"]["text/plain"] for update in updates] == ["50 %", "100 %"]
    assert bar["transient"]["display_id"] and all(update["transient"] == bar["transient"] for update in updates)


def test_clear_output(kernel):
    cell = kernel.run('println!("old");\n' + shown("clear", wait=True) + '\nprintln!("new");')
    assert [m["msg_type"] for m in cell.outputs] == ["stream", "clear_output", "stream"]
    assert cell.contents("clear_output") == [{"wait": True}]


PLOTLY = "application/vnd.plotly.v1+json"


def test_a_chart_comes_in_every_form(kernel):
    cell = kernel.run(
        """
        let mut plot = plotly::Plot::new();
        plot.add_trace(plotly::Scatter::new(vec![1, 2, 3], vec![1, 3, 2]));
        show(&plot);
        """
    )
    (display,) = cell.contents("display_data")
    data = display["data"]
    assert data[PLOTLY]["data"][0]["y"] == [1, 3, 2]
    assert len(data["text/html"]) > 1_000_000 and "https://" not in data["text/html"][:1000]
    assert data["text/plain"]


def test_a_live_chart_sends_its_library_once(kernel):
    cell = kernel.run(
        """
        fn chart(y: i32) -> Bundle {
            let mut plot = plotly::Plot::new();
            plot.add_trace(plotly::Scatter::new(vec![0], vec![y]));
            Bundle::text("a chart").plot(&plot)
        }
        let live = show_updatable(&chart(0));
        for y in 1..10 { live.update(&chart(y)); }
        """
    )
    bundles = [message["content"]["data"] for message in cell.outputs]
    assert len(bundles) == 11 and all(bundle["text/plain"] for bundle in bundles)
    # The first state and the last are complete: the last one is saved. What is between redraws the chart in place.
    complete = {at: bundle[PLOTLY]["data"][0]["y"] for at, bundle in enumerate(bundles) if PLOTLY in bundle}
    assert complete == {0: [0], 10: [9]}
    sizes = [len(bundle["text/html"]) for bundle in bundles]
    assert [at for at, size in enumerate(sizes) if size > 1_000_000] == [0, 1, 10] and max(sizes[2:10]) < 10_000


def test_everything_of_the_toolkit_shows_in_order(kernel):
    cell = kernel.run(
        """
        let digits = datasets::digits()?;
        show(&digits);
        println!("between");
        show(&digits.few_shot(10, 7)?);
        polars::df!("x" => [1, 2])?
        """
    )
    assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])
    kinds = [message["msg_type"] for message in cell.outputs]
    assert kinds == ["display_data"] * (len(kinds) - 3) + ["stream", "display_data", "execute_result"] and len(kinds) >= 4
    for message in cell.outputs:
        if "data" in message["content"]:
            assert {"text/plain", "text/html"} <= set(message["content"]["data"])
    assert "1797" in cell.contents("display_data")[0]["data"]["text/plain"]


def test_the_bar_of_a_training_moves_in_place(kernel):
    cell = kernel.run(
        "let run = Mlp::new([64, 128, 128, 10])"
        ".train(&datasets::digits()?, Recipe::new().epochs(900).batch(32).sgd(0.05))?;"
    )
    assert cell.status == "ok", "\n".join(cell.reply["content"]["traceback"])
    (bar,) = cell.contents("display_data")
    updates = cell.contents("update_display_data")
    assert updates and {update["transient"]["display_id"] for update in updates} == {bar["transient"]["display_id"]}
    states = [message["data"]["text/html"] for message in [bar, *updates]]
    assert len(set(states)) == len(states)
    assert "completed" in updates[-1]["data"]["text/plain"] and "completed" not in bar["data"]["text/plain"]


def test_thousands_of_outputs_all_arrive(kernel):
    cell = kernel.run('for i in 0..5000 { show(&Bundle::text(i.to_string())); println!("{i}"); }', timeout=120)
    numbers = [int(display["data"]["text/plain"]) for display in cell.contents("display_data")]
    assert numbers == list(range(5000))
    assert cell.text().split() == [str(i) for i in range(5000)]


def test_much_text_is_few_messages(kernel):
    cell = kernel.run('for i in 0..20000 { println!("{i}"); }', timeout=120)
    assert cell.text().split() == [str(i) for i in range(20000)]
    # Jupyter's server drops the output of a kernel that sends more than 1000 messages a second.
    assert len(cell.contents("stream")) < 1000


@pytest.mark.parametrize(
    "code, ename, said",
    [
        ('let fine = 1;\nlet broken: u32 = "text";', "E0308", ["mismatched types", "broken"]),
        ('let list = vec![1, 2];\nprintln!("{}", list[7]);', "Panic", ["len is 2 but the index is 7"]),
        ('let n: u32 = "seven".parse()?;', "UserError", ["invalid digit"]),
        ('let d = Dataset::from_csv("no such.csv", "label")?;', "UserError", ["no such.csv"]),
    ],
)
def test_errors(kernel, code, ename, said):
    assert kernel.run("let mut survivor = 41;").status == "ok"
    cell = kernel.run(code)
    assert cell.status == "error"
    (error,) = cell.contents("error")
    reply = cell.reply["content"]
    for part in ("ename", "evalue", "traceback"):
        assert error[part] == reply[part]
    assert error["ename"] == ename and error["evalue"] and "\n" not in error["evalue"]
    traceback = "\n".join(error["traceback"])
    assert all(words in traceback for words in said), traceback
    assert cell.states == ["busy", "idle"]
    after = kernel.run('survivor += 1;\nprintln!("{survivor}");')
    assert after.text() == "42\n", after.reply["content"]


def test_an_error_aborts_the_cells_behind_it(kernel):
    bad = kernel.start('panic!("boom");')
    behind = kernel.start('println!("must not run");')
    cells = [kernel.wait(bad), kernel.wait(behind)]
    assert [cell.status for cell in cells] == ["error", "aborted"]
    assert cells[1].outputs == [] and cells[1].states == ["busy", "idle"]
    assert kernel.run("6 * 7").status == "ok"


def test_an_error_without_stop_on_error_aborts_nothing(kernel):
    bad = kernel.start('panic!("boom");', stop_on_error=False)
    behind = kernel.start('println!("runs");')
    assert kernel.wait(bad).status == "error"
    assert kernel.wait(behind).text() == "runs\n"


def test_silent(kernel):
    before = kernel.run("6 * 7").reply["content"]["execution_count"]
    cell = kernel.run('println!("quiet");\n6 * 7', silent=True)
    assert cell.types == ["status", "status"]
    assert kernel.run("6 * 7").reply["content"]["execution_count"] == before + 1


def test_without_history_the_count_stays(kernel):
    before = kernel.run("6 * 7").reply["content"]["execution_count"]
    cell = kernel.run('println!("shown");', store_history=False)
    assert cell.text() == "shown\n"
    assert kernel.run("6 * 7").reply["content"]["execution_count"] == before + 1


def test_an_empty_cell_is_no_execution(kernel):
    before = kernel.run("6 * 7").reply["content"]["execution_count"]
    assert kernel.run("  \n").status == "ok"
    assert kernel.run("6 * 7").reply["content"]["execution_count"] == before + 1


def test_a_variable_lives_on(kernel):
    assert kernel.run("let kept = vec![1, 2, 3];").status == "ok"
    cell = kernel.run('println!("{}", kept.len());')
    assert cell.text() == "3\n"


@pytest.mark.parametrize("cells", [['let t = Table::new(["a"]);\nt.row(["b"])'], ['let t = Table::new(["a"]);', 't.row(["b"])']])
def test_a_last_line_that_moves_a_variable_shows_as_itself(kernel, cells):
    *_, shown = [kernel.run(cell) for cell in cells]
    assert "<table" in shown.contents("execute_result")[0]["data"]["text/html"]
    assert kernel.run("t.clone()").status == "error"
