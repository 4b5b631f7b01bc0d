"""Run the command line in this process."""
from reducednet.cli import main


def call(capsys, *arguments):
    """Return the exit code, stdout and stderr of the command line in this process."""
    try:
        code = main.main([str(argument) for argument in arguments])
    except SystemExit as end:  # argparse ends so
        code = end.code
    return code, *capsys.readouterr()
