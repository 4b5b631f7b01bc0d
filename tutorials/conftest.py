"""The notebooks are run with the reducednet of this checkout; those whose extra is not installed are left out."""
import os
from importlib.util import find_spec
from pathlib import Path

ROOT = str(Path(__file__).parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # small matrices: threads would wait for one another
    os.environ.setdefault(variable, "1")

collect_ignore = ["student_copies"]
if find_spec("sklearn") is None:
    collect_ignore.append("10_from_elsewhere.ipynb")
