"""Run the command line: `python -m reducednet COMMAND`, one module per command.

May import every room, and the package root.
"""
