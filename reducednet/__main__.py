"""Run the command line as a program: `python -m reducednet`, and the script `reducednet`."""
import os
import sys
from importlib import import_module
from typing import Any

BAD_CALL = 2
UNFORESEEN = 70
INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code, even after an unexpected error.

    Exit code 1 is reserved: it means that `verify` refuted a claim. NumPy is imported only inside,
    since Ctrl-C may arrive while it loads. C libraries may turn an interrupt into another error, so
    it is recorded here.
    """
    interrupts: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    if sys.argv[1:2] in (["demo"], ["compare"]):
        # Their networks are small, and SciPy's L-BFGS pays dearly for threads: with two threads
        # the demo takes 2.4 times the CPU time, and up to 9 times the time on a busy machine.
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the caller handles Ctrl-C
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
    """Write to standard error, if that is possible, and return the exit code."""
    try:
        sys.stderr.write(text)
    except (OSError, AttributeError):
        pass
    return code


if __name__ == "__main__":
    sys.exit(main())
