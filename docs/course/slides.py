"""Make the slides of the three lectures from the figures of the notebooks.

    python docs/course/slides.py [--lecture N] [FOLDER]

The notebooks of a lecture are executed, and its slides are written to FOLDER/lecture-N.html: one
file without any dependency, with the figures in it. The arrow keys turn the slides.
"""
from __future__ import annotations

import argparse
import html
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "tutorials"
SECONDS_A_CELL = 120

Notebook = dict[str, Any]


class Slide(NamedTuple):
    """One slide: a figure of a notebook with a question, or a question alone.

    Attributes
    ----------
    notebook : str
        The file's name without its ending; empty for a slide without a figure.
    cell : str
        The id of the cell that draws the figure; empty for a slide without one.
    title : str
    question : str
        What the lecturer asks while the slide is shown.
    """

    notebook: str
    cell: str
    title: str
    question: str


class Lecture(NamedTuple):
    """A lecture's title and its slides."""

    title: str
    slides: tuple[Slide, ...]


LECTURES = (
    Lecture("One function, many networks", (
        Slide("", "", "A trained network is a list of numbers",
              "How many of them could be thrown away, with not one value of the network changed? "
              "And how could you be sure?"),
        Slide("0_hello", "draw-fit", "Twenty neurons fit two waves",
              "The curve is made of straight pieces. How many of the 20 neurons bend it here?"),
        Slide("0_hello", "draw-kinks", "Where the breakpoints are",
              "Of what use to the network is a neuron whose breakpoint is outside the strip?"),
        Slide("1_one_neuron", "first-picture", "One neuron: s(2x − 1)",
              "Multiply w and b by 4. What changes in the picture? Which factor undoes it?"),
        Slide("1_one_neuron", "circle", "The length of w moves out",
              "Which part of w can be moved to the outgoing weight, and which part cannot?"),
        Slide("1_one_neuron", "three-neurons", "Dead, unstable, always on",
              "For w = 1 on [0, 1]: from which threshold to which is the neuron unstable?"),
        Slide("", "", "Guess",
              "Draw w and b from N(0, 1). What share of such neurons is unstable on [0, 1]?"),
        Slide("1_one_neuron", "wedge", "One in four",
              "Why just a quarter? Look at the angle between the two lines."),
        Slide("1_one_neuron", "map-of-neurons", "All neurons of the unit square",
              "The paper takes the strip between the dashed lines. For which domain is that just right?"),
        Slide("2_the_mapping", "draw-by-hand", "Clip the threshold",
              "Which of the three neurons has lost something, and where can the loss be put?"),
        Slide("2_the_mapping", "draw-pair", "Two ramps face each other",
              "What is their sum? What is it if the two factors are not equal?"),
        Slide("2_the_mapping", "draw-price", "2N or N + 1",
              "All N neurons are always on. Why is one new neuron enough for all of them?"),
        Slide("0_hello", "draw-reduced", "Before and after reduce",
              "Every neuron has moved. How far has the function moved?"),
        Slide("", "", "To take home",
              "The networks of one hidden layer of N neurons without output bias: N reduced "
              "neurons are not always enough. Find the smallest example. (Problem set 1.)"),
    )),
    Lecture("What helps training?", (
        Slide("", "", "Two networks are one and the same function",
              "They start training from the same loss. Can they end at different ones? Why?"),
        Slide("5_training", "one-start", "One start, two spaces",
              "Both curves begin at one point. Say in one sentence what this does not prove."),
        Slide("5_training", "fits", "What they have learned",
              "Why did the standard network not get further?"),
        Slide("5_training", "hinges", "Where the neurons were at the start",
              "How many neurons of the standard network cannot bend anything on [0, 1]?"),
        Slide("", "", "Take it apart",
              "Give a free network the same redrawn start. Whose error will it be nearer to: "
              "the standard network's, or the reduced one's?"),
        Slide("5_training", "ablation-picture", "One thing at a time",
              "What is the start's share of the gain, and what the space's? What is the last row?"),
        Slide("6_geometry", "tangent", "The part of a gradient that turns w",
              "What would the other part do, and why may it be dropped?"),
        Slide("6_geometry", "two-ways", "Two ways back to the circle",
              "The retraction divides by a length. To whom does that length belong?"),
        Slide("6_geometry", "draw-lost", "If it is forgotten",
              "Why does the height fall with every layer, and never rise?"),
        Slide("7_variable_projection", "solved-picture", "Outgoing weights: least squares",
              "Not one breakpoint has moved. What is left of the error?"),
        Slide("7_variable_projection", "one-threshold", "One threshold slides",
              "Why is the solid curve nowhere above the dashed one?"),
        Slide("7_variable_projection", "race", "The race",
              "Steps are not seconds. What else would you want to know?"),
        Slide("8_deep_networks", "draw-bounds", "Deep layers: two bounds",
              "Both bounds are right. Which would you draw thresholds from?"),
        Slide("8_deep_networks", "spaces", "Does the reduced space win?",
              "Six functions, one target. What may be concluded from this, and what may not?"),
        Slide("", "", "To take home",
              "“The reduced space trains better.” Rewrite the sentence so that it is true."),
    )),
    Lecture("What can be proved", (
        Slide("", "", "Two networks agree at a hundred thousand points",
              "Are they the same function? Who could tell where they differ?"),
        Slide("10_equal_or_not", "refuted", "A difference that hides",
              "The computer returns 0 at every sample. What is the function?"),
        Slide("", "", "Three answers",
              "Equivalent, not equivalent, unknown. What must a prover show for the first two, "
              "so that you need not trust it?"),
        Slide("10_equal_or_not", "milp-scales", "A solver with a tolerance",
              "The right answer is 1 at every scale. Why does the solver report success?"),
        Slide("", "", "How good can it get?",
              "Twenty random starts, and the best error is 0.0054. Will the next twenty find 0.004?"),
        Slide("12_how_good_can_it_get", "eight-runs", "Eight samples, three runs",
              "Why has no network of two binary neurons a smaller error than the three best runs?"),
        Slide("12_how_good_can_it_get", "floor", "The same with lines",
              "Constants need not meet. Lines of a ReLU network must. What does that change?"),
        Slide("12_how_good_can_it_get", "noise-picture", "Is a lower error a better fit?",
              "From which size on does the network fit what is not there?"),
        Slide("13_one_best_network", "three-samples", "All neurons, two curves",
              "One number a sample bounds every network of every width. What must hold of it?"),
        Slide("13_one_best_network", "dual-picture", "The dual in one picture",
              "Where do the neurons of the best network sit? Why there?"),
        Slide("13_one_best_network", "gap", "The gap closes",
              "One curve comes from above and one from below. What is proved when they meet?"),
        Slide("", "", "To take home",
              "A small gradient, a small error, a small gap: which of the three is a proof?"),
    )),
)


def notebooks_of(lecture: Lecture) -> list[str]:
    """Return the names of a lecture's notebooks, each once, in the order of the slides."""
    return list(dict.fromkeys(slide.notebook for slide in lecture.slides if slide.notebook))


def execute(name: str, cells: set[str]) -> Notebook:
    """Execute a notebook of the tutorials up to the last of some cells, and return it."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4)
    last = max(place for place, cell in enumerate(notebook.cells) if cell["id"] in cells)
    del notebook.cells[last + 1:]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # keeps figures as outputs
    }
    client = NotebookClient(notebook, timeout=SECONDS_A_CELL,
                            resources={"metadata": {"path": str(TUTORIALS)}})
    client.execute(env=environment)
    return notebook


def executed(lecture: Lecture) -> dict[str, Notebook]:
    """Execute the notebooks of a lecture, as far as its slides need them."""
    return {
        name: execute(name, {slide.cell for slide in lecture.slides if slide.notebook == name})
        for name in notebooks_of(lecture)
    }


def read_executed(lecture: Lecture, folder: Path) -> dict[str, Notebook]:
    """Read those of a lecture's notebooks that somebody has executed and put into a folder."""
    paths = {name: folder / f"{name}.ipynb" for name in notebooks_of(lecture)}
    return {name: json.loads(path.read_text(encoding="utf-8"))
            for name, path in paths.items() if path.exists()}


def figures(notebook: Notebook, cell_id: str) -> list[str]:
    """Return the figures that a cell has drawn, as PNG images in base64."""
    outputs = [output for cell in notebook["cells"] if cell["id"] == cell_id
               for output in cell.get("outputs", [])]
    images = [output["data"]["image/png"] for output in outputs
              if "image/png" in output.get("data", {})]
    return ["".join(image).replace("\n", "") for image in images]


def slide_section(slide: Slide, notebooks: dict[str, Notebook]) -> str:
    """Return one slide as a section of HTML."""
    words = f"<h2>{html.escape(slide.title)}</h2>"
    question = f'<p class="question">{html.escape(slide.question)}</p>'
    if not slide.notebook:
        return f'<section class="words">{words}{question}</section>'
    images = figures(notebooks.get(slide.notebook, {"cells": []}), slide.cell)
    shown = "".join(f'<img alt="{html.escape(slide.title)}" src="data:image/png;base64,{image}">'
                    for image in images)
    missing = "<p>The figure is not here: the notebook was not executed.</p>"
    number = slide.notebook.split("_")[0]
    source = f'<p class="source">notebook {number}, cell {html.escape(slide.cell)}</p>'
    return f"<section>{words}<div>{shown or missing}</div>{question}{source}</section>"


def deck(number: int, notebooks: dict[str, Notebook]) -> str:
    """Return the slides of lecture `number`, counted from 1, as one page of HTML."""
    lecture = LECTURES[number - 1]
    title = html.escape(f"Lecture {number} · {lecture.title}")
    first = (f'<section class="words"><h1>{title}</h1>'
             "<p>reducednet · arrow keys turn the slides</p></section>")
    sections = [first, *(slide_section(slide, notebooks) for slide in lecture.slides)]
    return PAGE.replace("TITLE", title).replace("SECTIONS", "\n".join(sections))


def write_deck(number: int, notebooks: dict[str, Notebook], folder: Path) -> Path:
    """Write the slides of lecture `number` into a folder, and return the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"lecture-{number}.html"
    path.write_text(deck(number, notebooks), encoding="utf-8")
    return path


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
body { margin: 0; font-family: system-ui, sans-serif; color: #222; background: #fff; }
section { box-sizing: border-box; min-height: 100vh; padding: 3vh 5vw;
          display: flex; flex-direction: column; justify-content: space-between; }
section.words { justify-content: center; }
section div { text-align: center; }
section.words .question { font-size: 2.4rem; }
h1, h2 { margin: 0 0 1rem; font-size: 2rem; }
img { max-width: 100%; height: 62vh; object-fit: contain; }
.question { font-size: 1.6rem; line-height: 1.35; max-width: 60rem; margin: 1rem 0; }
.source { color: #777; font-size: 0.85rem; margin: 0; }
#number { position: fixed; right: 1rem; bottom: 0.8rem; color: #777; display: none; }
.turned section { display: none; height: 100vh; }
.turned section.shown { display: flex; }
.turned #number { display: block; }
@media print {
  .turned section { display: flex; break-after: page; }
  #number { display: none !important; }
}
</style>
</head>
<body>
SECTIONS
<p id="number"></p>
<script>
// Without a script all slides stand one below the other.
var slides = document.querySelectorAll("section");
var forward = ["ArrowRight", "ArrowDown", "PageDown", " ", "Enter"];
var back = ["ArrowLeft", "ArrowUp", "PageUp", "Backspace"];
var current = 0;

function show(number) {
  current = Math.min(Math.max(number, 0), slides.length - 1);
  slides.forEach(function (slide, place) {
    slide.classList.toggle("shown", place === current);
  });
  document.getElementById("number").textContent = (current + 1) + " / " + slides.length;
  history.replaceState(null, "", "#" + (current + 1));
}

document.addEventListener("keydown", function (event) {
  if (event.ctrlKey || event.metaKey || event.altKey) { return; }
  if (forward.includes(event.key)) { show(current + 1); }
  else if (back.includes(event.key)) { show(current - 1); }
  else if (event.key === "Home") { show(0); }
  else if (event.key === "End") { show(slides.length - 1); }
  else { return; }
  event.preventDefault();
});
document.addEventListener("click", function (event) {
  show(event.clientX < window.innerWidth / 3 ? current - 1 : current + 1);
});
window.addEventListener("hashchange", function () {
  show((parseInt(location.hash.slice(1), 10) || 1) - 1);
});
document.body.classList.add("turned");
show((parseInt(location.hash.slice(1), 10) || 1) - 1);
</script>
</body>
</html>
"""


def main(arguments: list[str]) -> int:
    """Execute the notebooks of one lecture or of all, and write the slides."""
    numbers = range(1, len(LECTURES) + 1)
    parser = argparse.ArgumentParser(description="Make slides from the figures of the notebooks.")
    parser.add_argument("folder", nargs="?", default="slides", type=Path)
    parser.add_argument("--lecture", type=int, choices=numbers, help="this lecture alone")
    options = parser.parse_args(arguments)
    for number in [options.lecture] if options.lecture else numbers:
        try:
            notebooks = executed(LECTURES[number - 1])
        except ModuleNotFoundError as missing:
            advice = 'python -m pip install ".[tutorials]"'
            print(f"{missing.name} is missing: {advice}", file=sys.stderr)
            return 1
        print(write_deck(number, notebooks, options.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
