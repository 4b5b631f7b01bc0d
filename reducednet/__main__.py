"""`python -m reducednet` and the script `reducednet`: the command line as a program."""
import sys
from importlib import import_module
from typing import Any

BAD_CALL = 2
UNFORESEEN = 70
INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code, whatever goes wrong: 1 is for what `verify` refutes.

    Nothing of weight is imported before: Ctrl-C may come while NumPy is still being loaded. Libraries in
    C make other errors of it, so that it is noted here.
    """
    interrupts: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is not for Ctrl-C to end this
            signal.signal(signal.SIGINT, interrupt)
        code: int = import_module(".cli.main", __package__).program()
        return INTERRUPTED if interrupts and code == BAD_CALL else code
    except KeyboardInterrupt:
        return _end("\nreducednet: interrupted\n", INTERRUPTED)
    except Exception:
        if interrupts:
            return _end("\nreducednet: interrupted\n", INTERRUPTED)
        from traceback import format_exc

        return _end(f"{format_exc()}reducednet: nobody foresaw this error; please report it\n", UNFORESEEN)


def _end(text: str, code: int) -> int:
    """Write to standard error, where there is one that takes it, and return the exit code."""
    try:
        sys.stderr.write(text)
    except (OSError, AttributeError):
        pass
    return code


if __name__ == "__main__":
    sys.exit(main())
