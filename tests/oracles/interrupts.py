"""Lists that are interrupted at one of their changes, as by Ctrl-C."""


class Changes:
    """Counts the changes of some lists; the one with the number `last` is interrupted."""

    def __init__(self, last):
        self.last, self.count = last, 0

    def note(self):
        self.count += 1
        if self.count > self.last:
            raise KeyboardInterrupt


class WatchedList(list):
    """A list whose changes are counted."""

    def __init__(self, values, changes):
        super().__init__(values)
        self.changes = changes

    def __setitem__(self, index, value):
        self.changes.note()
        super().__setitem__(index, value)

    def __iadd__(self, values):
        self.changes.note()
        return super().__iadd__(values)


class WatchedDict(dict):
    """A dict whose changes are counted."""

    def __init__(self, values, changes):
        super().__init__(values)
        self.changes = changes

    def __setitem__(self, key, value):
        self.changes.note()
        super().__setitem__(key, value)

    def __ior__(self, values):
        self.changes.note()
        return super().__ior__(values)

    def pop(self, *arguments):
        self.changes.note()
        return super().pop(*arguments)


def watch(thing, last):
    """Let the lists and dicts of an object be interrupted after so many changes."""
    changes = Changes(last)
    for name, value in vars(thing).items():
        kind = {list: WatchedList, dict: WatchedDict}.get(type(value))
        if kind:
            setattr(thing, name, kind(value, changes))
    return thing
