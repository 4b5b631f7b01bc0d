"""Compare many training runs: studies, their files, target functions and the demo.

May import `verification` and the rooms below it.
"""
