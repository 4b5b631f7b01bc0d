"""Bounds of f - g, layer by layer, from neurons that are matched.

May import `certificates` and the rooms below `verification`.
"""
