"""Write the students' copies of the tutorials: the same notebooks without the solutions.

    python tutorials/student_copies.py             # into tutorials/student/
    python tutorials/student_copies.py FOLDER

In the masters a solution is a cell with the tag "solution": it assigns names and defines functions,
nothing else. In the copy each of them waits for an answer, and the check that follows gives a hint until it is right.
"""
import ast
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def is_solution(cell):
    """Tell whether a notebook's cell is a solution.

    >>> is_solution({"cell_type": "code", "metadata": {"tags": ["solution"]}})
    True
    """
    return "solution" in cell["metadata"].get("tags", [])


def placeholder(source):
    """Return the source with ``...`` in the place of each answer.

    >>> print(placeholder("slope = 2 * 3\\n\\ndef relu(z):\\n    return max(z, 0)"))
    slope = ...  # your answer
    def relu(z):
        ...  # your answer
    """
    lines = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            lines += [f"{name} = ...  # your answer" for name in names(node)]
        elif isinstance(node, ast.FunctionDef):
            head = ast.get_source_segment(source, node).split("\n")[0]
            lines += [head, "    ...  # your answer"]
        else:
            raise ValueError(f"a solution must assign names or define functions, got {ast.unparse(node)}")
    return "\n".join(lines)


def names(node):
    """Return the names that an assignment gives values to.

    >>> names(ast.parse("a, b = 1, 2").body[0])
    ['a', 'b']
    """
    return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def student_copy(notebook):
    """Return the notebook, as read from its JSON, with a placeholder in each solution's place.

    >>> cell = {"cell_type": "code", "id": "s", "metadata": {"tags": ["solution"]}, "source": ["x = 1"]}
    >>> student_copy({"cells": [cell]})["cells"][0]["source"]
    ['x = ...  # your answer']
    """
    return {**notebook, "cells": [answerless(cell) if is_solution(cell) else cell for cell in notebook["cells"]]}


def answerless(cell):
    """Return a solution's cell as the student sees it, open and with nothing but placeholders.

    >>> answerless({"metadata": {"tags": ["solution"]}, "source": ["x = 1"]})["metadata"]
    {'tags': ['exercise']}
    """
    source = placeholder("".join(cell["source"])).splitlines(keepends=True)
    return {**cell, "metadata": {"tags": ["exercise"]}, "source": source}


def main(folder=HERE / "student"):
    """Write the copy of every tutorial into the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(HERE.glob("*.ipynb")):
        copy = student_copy(json.loads(path.read_text(encoding="utf-8")))
        text = json.dumps(copy, indent=1, ensure_ascii=False)
        (folder / path.name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
