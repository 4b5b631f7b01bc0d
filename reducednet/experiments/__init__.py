"""Many training runs compared: studies, their files, targets and the demo.

May import `verification` and the rooms below it.
"""
