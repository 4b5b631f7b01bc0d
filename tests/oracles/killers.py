"""Callbacks that kill their own process, as a system without memory kills a worker."""
import os
import signal
from pathlib import Path


class Kill:
    """Kills its process: the first one that comes here, or with `path` None every one."""

    def __init__(self, path=None):
        self.path = path

    def __call__(self, state):
        if self.path is not None:
            if Path(self.path).exists():
                return
            Path(self.path).touch()
        os.kill(os.getpid(), signal.SIGKILL)


class KillAtCall:
    """Kills its process at the n-th call in that process."""

    def __init__(self, n):
        self.n = n

    def __call__(self, state):
        self.n -= 1
        if self.n == 0:
            os.kill(os.getpid(), signal.SIGKILL)
