"""Widgets in JupyterLab, moved by the keyboard and the mouse."""

from notebook import Notebook

SLIDER = """interact(FloatSlider::new("noise", 0.0, 1.0, 0.1).step(0.05), |noise| {
    datasets::two_moons(60, noise, 0).map(|moons| moons.chart())
})?"""
CONTROLS = """let list = Dropdown::new("activation", ["relu", "tanh"]);
show(&list);
let button = Button::new("Count");
show(&button);
let area = Area::new();
let (place, mut times) = (area.clone(), 0);
button.on_click(move || { times += 1; place.set(&format!("pressed {times}")) });
let place = area.clone();
list.on_change(move |choice| place.set(&format!("now {choice}")));"""


def test_a_slider_moves_a_chart_which_never_leaves_the_page(open_cells, picture):
    notebook = open_cells(SLIDER, "1 + 1")
    notebook.run(0)
    [first] = notebook.until(lambda: notebook.charts(0))
    notebook.watch(0)
    handle = notebook.output(0).locator(".noUi-handle")
    handle.focus()
    for _ in range(8):
        handle.press("ArrowRight")
    moved = notebook.until(lambda: [chart for chart in notebook.charts(0) if chart["y"] != first["y"]])
    notebook.until(lambda: "0.50" in notebook.text(0))
    # At rest the front end's own renderer draws it.
    notebook.output(0).locator(".jp-RenderedPlotly .main-svg").first.wait_for()
    frames = notebook.frames()
    assert len(moved) == 1 and frames.empty == 0 and frames.states > 2, frames
    assert frames.heights == {first["height"]}
    picture("slider")
    # What is kept is the last state, for readers without JupyterLab too.
    data = notebook.saved()["cells"][0]["outputs"][1]["data"]
    assert data["application/vnd.plotly.v1+json"]["data"][0]["y"] == notebook.charts(0)[0]["y"]
    assert "DecompressionStream" in "".join(data["text/html"])


def test_a_saved_notebook_is_there_again_when_it_is_opened(open_cells, picture):
    notebook = open_cells(
        SLIDER,
        'polars::df!("kind" => ["rice", "water"], "cups" => [1, 9])?',
        'println!("printed"); show(&"first"); datasets::two_moons(60, 0.1, 0)?.chart()',
        "not_there",
    )
    for at in range(4):
        notebook.run(at)
    notebook.until(lambda: notebook.charts(2))
    notebook.saved()
    again = Notebook(notebook.page, notebook.server, notebook.name)
    # Nothing has run: what is seen comes from the file, and the slider's model from the kernel. JupyterLab shows a
    # picture of a chart until somebody moves it.
    for at in (0, 2):
        again.output(at).locator(".jp-RenderedPlotly img, .jp-RenderedPlotly .main-svg").first.wait_for()
    assert "rice" in again.text(1) and "cups" in again.text(1)
    assert again.text(2).split()[:2] == ["printed", "first"] and "cannot find value `not_there`" in again.text(3)
    handle = again.output(0).locator(".noUi-handle")
    handle.wait_for()
    picture("opened_again")
    handle.focus()
    handle.press("ArrowRight")
    # The model lives; JupyterLab keeps no display's id in the file, so that the picture stays as it is.
    again.until(lambda: "0.15" in again.text(0))


def test_a_dropdown_and_a_button(open_cells, picture):
    notebook = open_cells(CONTROLS)
    notebook.run(0)
    output = notebook.output(0)
    output.get_by_role("combobox").select_option("tanh")
    output.get_by_text("now tanh").wait_for()
    press = output.get_by_role("button", name="Count")
    press.click()
    output.get_by_text("pressed 1").wait_for()
    press.click()
    output.get_by_text("pressed 2").wait_for()
    assert "now tanh" not in notebook.text(0)
    picture("controls")
