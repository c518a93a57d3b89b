"""A notebook that is open in JupyterLab, as the person in front of it sees and uses it."""

import re
from dataclasses import dataclass

# A first chart loads a library of five megabytes; machines that test are busy.
PATIENCE = 60_000

# The charts within an element that can be seen: how high they are, and what they show.
CHARTS = """area => [...area.querySelectorAll('.js-plotly-plot')]
    .filter(plot => plot.querySelector('svg.main-svg')?.getBoundingClientRect().height > 50)
    .map(plot => ({
        height: plot.getBoundingClientRect().height,
        title: plot.querySelector('.gtitle')?.textContent ?? '',
        y: Array.from(plot.data[0].y ?? []),
        drawn: plot.querySelectorAll('.trace path, .heatmaplayer image').length,
    }))"""

# Looks at an element before each painting of the page, and keeps what is about to be painted: whether a chart with
# a line or points is there, how high the charts are, which data they show.
WATCH = """area => {
    const charts = %s;
    window.jookFrames = [];
    (function look() {
        const seen = charts(area);
        window.jookFrames.push([seen.filter(chart => chart.drawn).length, seen[0]?.height, JSON.stringify(seen[0]?.y)]);
        window.requestAnimationFrame(look);
    })();
}""" % CHARTS


@dataclass
class Frames:
    """What was painted while an output was watched."""

    count: int
    # Paintings without a chart.
    empty: int
    # Different data.
    states: int
    heights: set


class Notebook:
    def __init__(self, page, server, name):
        self.page, self.server, self.name = page, server, name
        page.goto(f"{server.address}/lab/tree/{name}?reset&token={server.token}")
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")
        self.cells.first.wait_for(timeout=PATIENCE)
        page.get_by_text("Jook (Rust) | Idle").wait_for(timeout=PATIENCE)

    def focus(self, at):
        """Puts the cursor at the end of a cell's code."""
        self.cells.nth(at).locator(".cm-content").click()
        self.page.keyboard.press("Control+End")

    def start(self, at):
        """Runs a cell, and does not wait for it."""
        self.focus(at)
        self.page.keyboard.press("Control+Enter")

    def run(self, at):
        self.start(at)
        self.wait(at)

    def wait(self, at, patience=PATIENCE):
        """Waits until a cell has run."""
        self.prompt(at).filter(has_text=re.compile(r"\[\d+\]")).wait_for(timeout=patience)

    def prompt(self, at):
        return self.cells.nth(at).locator(".jp-InputPrompt")

    def is_busy(self, at):
        return "*" in self.prompt(at).text_content()

    def stop(self):
        """Presses the Stop button."""
        self.page.locator('[data-command="notebook:interrupt-kernel"]').click()

    def output(self, at):
        return self.cells.nth(at).locator(".jp-Cell-outputArea")

    def text(self, at):
        return self.output(at).inner_text()

    def charts(self, at):
        """What can be seen of the charts of a cell."""
        return self.output(at).evaluate(CHARTS)

    def watch(self, at):
        """Looks at the chart of a cell in each painting from now on."""
        self.output(at).evaluate(WATCH)

    def frames(self):
        """What was painted of it so far."""
        frames = self.page.evaluate("window.jookFrames")
        drawn = [frame for frame in frames if frame[0]]
        heights, states = {frame[1] for frame in drawn}, {frame[2] for frame in drawn}
        return Frames(len(frames), len(frames) - len(drawn), len(states), heights)

    def until(self, condition, patience=PATIENCE):
        """Waits until a condition holds, and returns what it found."""
        waited = 0
        while not (found := condition()):
            assert waited < patience, f"not within {patience} ms; the page says:\n{self.page.inner_text('body')}"
            self.page.wait_for_timeout(50)
            waited += 50
        return found

    def menu(self, bar, name):
        """Chooses an entry of a menu."""
        self.page.get_by_role("menuitem", name=bar, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(name, exact=True).click()

    def complete(self, at, wanted):
        """Asks what could follow a cell's code; returns the list. JupyterLab gives up after a second, and a person
        then asks again."""
        self.focus(at)
        found = self.page.locator(".jp-Completer").get_by_text(wanted, exact=True)
        for _ in range(10):
            self.page.keyboard.press("Tab")
            self.page.wait_for_timeout(2000)
            if found.is_visible():
                return found
        raise AssertionError(f"{wanted!r} is not offered: {self.page.inner_text('body')}")

    def saved(self):
        """The notebook as it is in its file after it was saved."""
        self.menu("File", "Save Notebook")
        # The tab shows a dot as long as something is not in the file.
        self.page.locator(".lm-TabBar-tab.lm-mod-current.jp-mod-dirty").wait_for(state="detached", timeout=PATIENCE)
        return self.server.ask("GET", f"contents/{self.name}")["content"]
