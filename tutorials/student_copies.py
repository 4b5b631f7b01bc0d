"""Write the students' copies of the tutorials: the notebooks without their solutions, and `exercises.py`.

    python tutorials/student_copies.py [--nbgrader] [FOLDER]

A solution is a cell with the tag "solution". In the copy every name that it gives a value is `...`, every
function that it defines is without a body, and the comments at its head, the task, are kept.
"""
from __future__ import annotations

import argparse
import ast
import json
import shutil
import sys
from copy import deepcopy
from itertools import takewhile
from pathlib import Path
from typing import Any

TUTORIALS = Path(__file__).parent


def masters() -> list[Path]:
    """Return the notebooks in the order in which they are read."""
    return sorted(TUTORIALS.glob("[0-9]*_*.ipynb"), key=lambda path: int(path.name.split("_")[0]))


def is_solution(cell: dict[str, Any]) -> bool:
    """Return True if a cell holds a solution."""
    return "solution" in cell["metadata"].get("tags", [])


def placeholder(source: str) -> str:
    """Return the placeholder that a student's copy has instead of a solution.

    Examples
    --------
    >>> print(placeholder("# Two numbers.\\nlow, high = -1, 0"))
    # Two numbers.
    low = ...  # your answer
    high = ...  # your answer
    >>> print(placeholder("def double(x):\\n    return 2 * x"))
    def double(x):
        ...  # your code
    """
    task = list(takewhile(lambda line: line.startswith("#"), source.splitlines()))
    return "\n".join(task + [line for statement in ast.parse(source).body for line in _asked(statement)])


def _asked(statement: ast.stmt) -> list[str]:
    """Return the lines that ask for what a statement gives: a function, or values of names."""
    if isinstance(statement, ast.FunctionDef):
        return [f"def {statement.name}({ast.unparse(statement.args)}):", "    ...  # your code"]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    nodes = [node for target in targets for node in ast.walk(target)]
    return [f"{node.id} = ...  # your answer" for node in nodes if isinstance(node, ast.Name)]


def student_copy(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with a placeholder in every solution's cell."""
    copy = deepcopy(notebook)
    for cell in filter(is_solution, copy["cells"]):
        cell["source"] = placeholder("".join(cell["source"])).splitlines(keepends=True)
        cell["metadata"] = {"tags": ["answer"]}
    return copy


def add_marks(copy: dict[str, Any]) -> None:
    """Add nbgrader's metadata: answers are to be written, checks are locked, and count one point each.

    The copies are the source of an assignment: put them into the folder source/NAME of a course,
    and `nbgrader generate_assignment NAME` releases them.
    """
    for cell in copy["cells"]:
        tags = cell["metadata"].get("tags", [])
        answer, call = "answer" in tags, "raises-exception" in tags
        if answer or call or "check" in tags:
            cell["metadata"]["nbgrader"] = {
                "schema_version": 3, "grade_id": cell["id"], "solution": answer, "grade": call,
                "locked": not answer, "task": False, **({"points": 1} if call else {}),
            }


def main(arguments: list[str]) -> int:
    """Write all copies into a folder; one that is there may hold a student's answers, and is kept."""
    parser = argparse.ArgumentParser(description="Write the students' copies of the tutorials.")
    parser.add_argument("folder", nargs="?", default="student_copies", type=Path)
    parser.add_argument("--nbgrader", action="store_true", help="add the metadata that nbgrader reads")
    options = parser.parse_args(arguments)
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    kept = 0
    shutil.copy(TUTORIALS / "exercises.py", folder)  # the checks import it
    for master in masters():
        copy = student_copy(json.loads(master.read_text(encoding="utf-8")))
        if options.nbgrader:
            add_marks(copy)
        try:
            with open(folder / master.name, "x", encoding="utf-8") as file:
                file.write(json.dumps(copy, indent=1, ensure_ascii=False) + "\n")
        except FileExistsError:
            kept += 1
            print(f"{folder / master.name} is there already: not written", file=sys.stderr)
    return 1 if kept else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
