"""Makes the small pictures of the index: the chart that decides, of each lesson, from executed notebooks.

Usage: python notebooks/pictures/make.py FOLDER   (of executed notebooks, as `jook run notebooks/*.ipynb -o FOLDER/` leaves
them; needs playwright and Chromium, which the tests' environment has)
"""

import json
import shutil
import sys
from pathlib import Path

import plotly.offline
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
PLOTLY = "application/vnd.plotly.v1+json"

# The cell of each lesson whose last chart, or else first image, is its picture.
CELLS = {
    "01_first_bowl": "curve", "02_convolution": "shift-chart", "03_inception_on_a_laptop": "compare",
    "10_overfitting": None, "11_augmentation": "amount-chart", "12_augmenting_text_and_audio": "box",
    "13_early_stopping": "curve", "14_dropout": "wrong", "15_weight_penalties": "histogram",
    "16_width_depth_concat": "width-chart", "20_softmax_and_center_loss": None, "21_contrastive_and_triplet": None,
    "30_batch_size": "accuracy-chart", "31_activations": None, "32_initialization": "probe", "33_learning_rate": None,
    "34_optimizers": "valley", "35_the_doctor": "box", "39_the_article_on_tuning": "chart",
}


def charts(notebook, cell):
    """The charts of a cell, or of all."""
    for one in json.loads(notebook.read_text())["cells"]:
        if one["cell_type"] == "code" and cell in (None, one["id"]):
            for output in one["outputs"]:
                if PLOTLY in output.get("data", {}):
                    yield output["data"][PLOTLY]


def picture(page, figure, path):
    layout = {**figure["layout"], "width": 420, "height": 250, "paper_bgcolor": "white", "plot_bgcolor": "white",
              "showlegend": False, "title": {"text": ""}, "margin": {"l": 40, "r": 10, "t": 12, "b": 36}}
    # Names that would lie upon one another say nothing.
    if len(layout["yaxis"].get("ticktext", [])) > 12:
        layout["yaxis"] = {**layout["yaxis"], "showticklabels": False}
    page.evaluate("(figure) => Plotly.newPlot('chart', figure.data, figure.layout, {staticPlot: true})",
                  {"data": figure["data"], "layout": layout})
    page.locator("#chart").screenshot(path=path)


def main(folder):
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 440, "height": 270})
        page.set_content(f"<script>{plotly.offline.get_plotlyjs()}</script><div id=chart></div>")
        for lesson, cell in CELLS.items():
            executed = Path(folder) / f"{lesson}.ipynb"
            if not executed.exists():
                print(f"{executed} is not there", file=sys.stderr)
                continue
            found = list(charts(executed, cell)) or list(charts(executed, None))
            if found:
                picture(page, found[-1] if cell else found[0], HERE / f"{lesson}.png")
                print(lesson)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
