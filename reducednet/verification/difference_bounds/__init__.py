"""Match the neurons of two networks, and bound f - g layer by layer.

May import `certificates` and the rooms below `verification`.
"""
