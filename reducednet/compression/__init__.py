"""Smaller networks with the same function, and the proof of that.

May import `verification` and the rooms below it.
"""
