"""Widgets, through the comm protocol as the front end of ipywidgets speaks it."""

import pytest

from cells import TRAINING
from client import TIMEOUT, comms, ok, said

VIEW = "application/vnd.jupyter.widget-view+json"
INTERACT = """
interact(FloatSlider::new("noise", 0.0, 1.0, 0.1), |noise| {
    datasets::two_moons(50, noise, 0).map(|moons| format!("{} moons at {noise}", moons.len()))
})?;
"""


@pytest.fixture
def kernel(module_kernel):
    module_kernel.drain()
    return module_kernel


def state_of(cell, model):
    """The state that a model was opened with."""
    return next(o["data"]["state"] for o in cell.contents("comm_open") if o["comm_id"] == model)


def the_model(cell):
    """The one widget that a cell shows: its model's id, state and text."""
    [output] = [m["content"]["data"] for m in cell.outputs if VIEW in m["content"].get("data", {})]
    assert output[VIEW]["version_major"] == 2
    model = output[VIEW]["model_id"]
    return model, state_of(cell, model), output["text/plain"]


def change(kernel, model, **state):
    """Changes fields, as the person does; returns what was published about it."""
    return said(kernel, "comm_msg", comm_id=model, data={"method": "update", "state": state, "buffer_paths": []})


def next_update(kernel, place):
    """The next state of what is on display there."""
    while True:
        content = kernel.kc.get_iopub_msg(timeout=TIMEOUT)["content"]
        if content.get("transient") == {"display_id": place}:
            return content


def echoed(**state):
    return {"method": "echo_update", "state": state, "buffer_paths": []}


def test_a_slider_is_a_model_with_layout_and_style(kernel):
    cell = ok(kernel.run('let noise = FloatSlider::new("noise", 0.0, 1.0, 0.1).step(0.05); noise'))
    model, state, text = the_model(cell)
    assert text == "noise: 0.1 (slider 0 to 1)"
    assert state["_model_name"] == "FloatSliderModel" and state["_view_name"] == "FloatSliderView"
    assert (state["_model_module"], state["_model_module_version"]) == ("@jupyter-widgets/controls", "2.0.0")
    assert [state[field] for field in ("description", "min", "max", "value", "step")] == ["noise", 0, 1, 0.1, 0.05]
    # All of it is there before the view.
    layout, style = (state_of(cell, state[part].removeprefix("IPY_MODEL_")) for part in ("layout", "style"))
    assert (layout["_model_name"], layout["_model_module"]) == ("LayoutModel", "@jupyter-widgets/base")
    assert style["_model_name"] == "SliderStyleModel"
    for opened in (m for m in cell.messages if m["msg_type"] == "comm_open"):
        assert opened["content"]["target_name"] == "jupyter.widget"
        assert opened["metadata"]["version"] == "2.1.0"
    assert max(i for i, t in enumerate(cell.types) if t == "comm_open") < min(
        i for i, m in enumerate(cell.messages) if VIEW in m["content"].get("data", {})
    )
    # The person moves it, and the cell reads it.
    assert change(kernel, model, value=0.35) == [("comm_msg", {"comm_id": model, "data": echoed(value=0.35)})]
    assert ok(kernel.run("println!(\"{}\", noise.value());")).text() == "0.35\n"
    # The cell moves it, and the person sees it.
    moved = ok(kernel.run("noise.set_value(0.75);")).contents("comm_msg")
    assert moved[0] == {"comm_id": model, "data": {"method": "update", "state": {"value": 0.75}, "buffer_paths": []}}
    [(_, told)] = said(kernel, "comm_msg", comm_id=model, data={"method": "request_state"})
    assert told["data"]["method"] == "update" and told["data"]["state"]["value"] == 0.75
    # Shown again, it is the same model.
    assert ok(kernel.run("show(&noise);")).contents("display_data")[0]["data"][VIEW]["model_id"] == model


def test_a_new_page_asks_for_every_model(kernel):
    ok(kernel.run('show(&Button::new("Press"));'))
    assert said(kernel, "comm_open", comm_id="ctl", target_name="jupyter.widget.control", data={}) == []
    [(_, told)] = said(kernel, "comm_msg", comm_id="ctl", data={"method": "request_states"})
    states = told["data"]["states"]
    assert told["data"]["method"] == "update_states"
    assert set(states) == set(comms(kernel, "jupyter.widget"))
    for state in states.values():
        assert state["model_name"] == state["state"]["_model_name"]
        assert {"model_module", "model_module_version"} < set(state)
    assert "ButtonModel" in {state["model_name"] for state in states.values()}
    said(kernel, "comm_close", comm_id="ctl", data={})


def test_interact_updates_one_output_in_place(kernel):
    cell = ok(kernel.run(INTERACT))
    model, _, _ = the_model(cell)
    shown = [m["content"] for m in cell.outputs if "display_id" in m["content"].get("transient", {})]
    place = shown[0]["transient"]["display_id"]
    assert shown[-1]["data"]["text/plain"] == "50 moons at 0.1"
    assert {content["transient"]["display_id"] for content in shown} == {place}
    about = change(kernel, model, value=0.5)
    assert about[0] == ("comm_msg", {"comm_id": model, "data": echoed(value=0.5)})
    [(kind, update)] = about[1:]
    assert kind == "update_display_data" and update["transient"]["display_id"] == place
    assert update["data"]["text/plain"] == "50 moons at 0.5"
    # The same value asks for nothing; one past the end is corrected.
    assert [kind for kind, _ in change(kernel, model, value=0.5)] == ["comm_msg"]
    about = change(kernel, model, value=7)
    assert about[1][1]["data"] == {"method": "update", "state": {"value": 1.0}, "buffer_paths": []}
    assert about[2][1]["data"]["text/plain"] == "50 moons at 1"


def test_interact_draws_a_chart_while_a_training_runs(kernel):
    cell = ok(kernel.run(
        'let moons = interact((IntSlider::new("points", 50, 500, 100), Dropdown::new("seed", ["1", "2"])), |(n, seed)| {\n'
        "    datasets::two_moons(n as usize, 0.1, seed.parse().unwrap()).map(|moons| moons.chart())\n"
        "})?;"
    ))
    models = [o["comm_id"] for o in cell.contents("comm_open") if o["data"]["state"]["_model_name"] == "IntSliderModel"]
    training = kernel.start(TRAINING)
    kernel.wait_for_output(training, "started")
    about = change(kernel, models[0], value=200)
    kind, update = about[-1]
    assert kind == "update_display_data"
    # HTML that redraws the chart in place, with the library that came with the first state.
    assert "application/vnd.plotly.v1+json" not in update["data"] and len(update["data"]["text/html"]) < 100_000
    # When it stays as it is, in full: this is what gets saved.
    rest = next_update(kernel, update["transient"]["display_id"])
    assert len(rest["data"]["application/vnd.plotly.v1+json"]["data"][0]["x"]) > 50
    assert "DecompressionStream" in rest["data"]["text/html"] and len(rest["data"]["text/html"]) > 1_000_000
    kernel.interrupt()
    ok(kernel.wait(training))
    assert ok(kernel.run('println!("{:?}", moons.value());')).text() == '(200, "1")\n'


def test_a_button_fills_an_area_and_a_dropdown_tells_its_choice(kernel):
    cell = ok(kernel.run(
        'let list = Dropdown::new("activation", ["relu", "tanh"]);\n'
        "show(&list);\n"
        'let button = Button::new("Choose");\n'
        "show(&button);\n"
        "let area = Area::new();\n"
        "let (place, choice) = (area.clone(), list.clone());\n"
        "button.on_click(move || place.set(&choice.value()));\n"
        "let place = area.clone();\n"
        'list.on_change(move |choice| place.set(&format!("now {choice}")));'
    ))
    by_name = {o["data"]["state"]["_model_name"]: o for o in cell.contents("comm_open")}
    choice, press = by_name["DropdownModel"]["comm_id"], by_name["ButtonModel"]["comm_id"]
    assert by_name["DropdownModel"]["data"]["state"]["_options_labels"] == ["relu", "tanh"]
    about = change(kernel, choice, index=1)
    assert about[1][0] == "update_display_data" and about[1][1]["data"]["text/plain"] == "now tanh"
    [(kind, update)] = said(
        kernel, "comm_msg", comm_id=press, data={"method": "custom", "content": {"event": "click"}, "buffer_paths": []}
    )
    assert kind == "update_display_data" and update["data"]["text/plain"] == "tanh"


def test_a_handler_trains_with_its_own_progress(kernel):
    """Work on other threads that a handler starts speaks as part of the handler, also between cells."""
    cell = ok(kernel.run(
        'let start = Button::new("Train"); show(&start);\n'
        "start.on_click(|| {\n"
        "    let progress = Progress::new(\"apart\", 3);\n"
        "    std::thread::scope(|scope| { scope.spawn(|| {\n"
        "        std::thread::sleep(std::time::Duration::from_millis(400));\n"
        "        progress.step(2, \"two\");\n"
        "    }); });\n"
        "    progress.finish(\"done\");\n"
        "});"
    ))
    model, _, _ = the_model(cell)
    about = said(kernel, "comm_msg", comm_id=model, data={"method": "custom", "content": {"event": "click"}})
    assert [kind for kind, _ in about] == ["display_data", "update_display_data"]


def test_a_panic_is_shown_in_place_and_the_next_value_works(kernel):
    cell = ok(kernel.run(
        'interact(IntSlider::new("n", 0, 9, 1), |n| { assert!(n != 3, "three is bad"); 10 / n.max(1) })?;'
    ))
    model, _, _ = the_model(cell)
    about = change(kernel, model, value=3)
    assert "three is bad" in about[-1][1]["data"]["text/plain"]
    assert change(kernel, model, value=2)[-1][1]["data"]["text/plain"] == "5"


def test_what_a_closure_prints_stands_above_its_result(kernel):
    cell = ok(kernel.run(
        'interact(IntSlider::new("n", 0, 9, 1), |n| { println!("tried {n}"); if n == 3 { panic!("three"); } n * 2 })?;\n'
        'println!("the cell");'
    ))
    model, _, _ = the_model(cell)
    shown = {m["content"]["transient"]["display_id"]: m["content"]["data"]["text/plain"]
             for m in cell.outputs if "display_id" in m["content"].get("transient", {})}
    words, result = shown
    assert list(shown.values()) == ["tried 1", "2"] and cell.text() == "the cell\n"
    for value, texts in ((2, ["tried 2", "4"]), (4, ["tried 4", "8"])):
        updates = [content for kind, content in change(kernel, model, value=value) if kind == "update_display_data"]
        assert [u["data"]["text/plain"] for u in updates] == texts
        assert [u["transient"]["display_id"] for u in updates] == [words, result]
    about = change(kernel, model, value=3)
    number = cell.reply["content"]["execution_count"]
    said = [content["text"] for kind, content in about if kind == "stream"]
    assert said == [f"a handler panicked at line 1 of cell [{number}]: three\n"]


def test_what_cannot_be_shown_says_how_to_put_it_right(kernel):
    cell = kernel.run('interact(IntSlider::new("n", 9, 0, 1), |n| n)?;')
    assert cell.status == "error" and "lower end first" in "\n".join(cell.reply["content"]["traceback"])
    cell = ok(kernel.run('Dropdown::new("none", [""; 0])'))
    assert "no options" in cell.outputs[0]["content"]["data"]["text/plain"]


def test_a_widget_that_the_front_end_closed_stays_a_value(kernel):
    cell = ok(kernel.run('let n = IntSlider::new("n", 0, 9, 1); n'))
    model, _, _ = the_model(cell)
    assert said(kernel, "comm_close", comm_id=model, data={}) == []
    assert model not in comms(kernel)
    assert ok(kernel.run("n.set_value(4); println!(\"{}\", n.value());")).text() == "4\n"
