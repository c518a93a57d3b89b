"""What happens in JupyterLab while a cell runs: bars and charts that move, the Stop button."""

import re

TRAINING = """let digits = datasets::digits()?;
let run = Mlp::new([64, 32, 10]).train(&digits, Recipe::new().epochs(20_000).batch(32).sgd(0.01))?;"""
# How long the bar in an output is, in pixels.
LENGTH = """area => area.querySelector("span span[style*='width']").getBoundingClientRect().width"""
LIVE = """fn parabola(n: i32) -> plotly::Plot {
    let mut plot = plotly::Plot::new();
    plot.add_trace(plotly::Scatter::new((0..n).collect(), (0..n).map(|x| x * x).collect()));
    plot
}
let live = show_updatable(&parabola(2));
let mut n = 2;
while !jook::interrupt::requested() {
    std::thread::sleep(std::time::Duration::from_millis(60));
    n += 1;
    live.update(&parabola(n));
}
"""
TWO = """fn bars(title: &str, y: Vec<i32>) -> plotly::Plot {
    let mut plot = plotly::Plot::new();
    plot.add_trace(plotly::Bar::new(vec!["a", "b"], y));
    plot.set_layout(plotly::Layout::new().title(title));
    plot
}
show(&bars("first", vec![1, 2]));
bars("second", vec![3, 1])"""


def test_a_progress_bar_moves(open_cells, picture):
    notebook = open_cells(TRAINING)
    notebook.start(0)
    notebook.output(0).get_by_text("training").wait_for()
    seen = []

    def moved():
        """The bar's length and the steps beside it, when both are further than at the last look."""
        width, text = notebook.output(0).evaluate(LENGTH), notebook.text(0)
        steps = int(re.search(r"(\d+)/1140000", text).group(1))
        if not seen or (width > seen[-1][0] and steps > seen[-1][1]):
            seen.append((width, steps))
        return len(seen) > 3

    notebook.until(moved)
    picture("progress")
    notebook.stop()
    notebook.wait(0)


def test_stop_ends_a_training_and_the_next_cell_reads_its_history(open_cells, picture):
    notebook = open_cells(TRAINING, 'println!("{} epochs, {}", run.history.len(), run.ending);', "run.history")
    notebook.start(0)
    notebook.output(0).get_by_text("training").wait_for()
    notebook.page.wait_for_timeout(500)
    notebook.stop()
    notebook.wait(0)
    notebook.run(1)
    epochs, ending = re.search(r"(\d+) epochs, (.*)", notebook.text(1)).groups()
    assert 1 <= int(epochs) < 20_000 and ending.startswith("interrupted after step ")
    notebook.run(2)
    [curve] = notebook.until(lambda: notebook.charts(2))
    assert curve["drawn"] and len(curve["y"]) > 1
    picture("stopped")


def test_a_live_chart_grows_and_never_leaves_the_page(open_cells, picture):
    notebook = open_cells(LIVE)
    notebook.start(0)
    notebook.until(lambda: notebook.charts(0))
    notebook.watch(0)
    notebook.until(lambda: notebook.frames().states > 10)
    picture("live")
    notebook.stop()
    notebook.wait(0)
    # At its end the front end's own renderer draws it.
    notebook.output(0).locator(".jp-RenderedPlotly .main-svg").first.wait_for()
    frames = notebook.frames()
    assert frames.empty == 0 and len(frames.heights) == 1, frames
    [chart] = notebook.charts(0)
    assert len(chart["y"]) > 10 and chart["y"] == [x * x for x in range(len(chart["y"]))]


def test_two_charts_in_one_cell_are_both_there(open_cells, picture):
    notebook = open_cells(TWO)
    notebook.run(0)
    notebook.until(lambda: len(notebook.charts(0)) == 2)
    assert [(chart["title"], chart["drawn"]) for chart in notebook.charts(0)] == [("first", 2), ("second", 2)]
    picture("two")
