"""`python -m reducednet` and the script `reducednet`: the command line as a program."""
import sys
import traceback
from contextlib import suppress
from importlib import import_module

UNFORESEEN = 70
INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code, whatever goes wrong: 1 is for what `verify` refutes.

    Nothing is imported before: Ctrl-C may come while NumPy is still being loaded.
    """
    try:
        return int(import_module(".cli", "reducednet").program())
    except KeyboardInterrupt:
        with suppress(OSError, AttributeError):
            sys.stderr.write("\nreducednet: interrupted\n")
        return INTERRUPTED
    except Exception:
        with suppress(OSError, AttributeError):  # closed or full, it takes no traceback
            sys.stderr.write(f"{traceback.format_exc()}reducednet: nobody foresaw this error; please report it\n")
        return UNFORESEEN


if __name__ == "__main__":
    sys.exit(main())
