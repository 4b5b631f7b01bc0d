"""The command line: `python -m reducednet COMMAND`, one module a command.

May import every room, and the package root.
"""
