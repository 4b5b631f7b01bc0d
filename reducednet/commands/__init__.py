"""The commands: each module adds its parser (`add_parser`) and answers a call of it (`run`)."""
from . import compare, demo, reduce, verify

COMMANDS = (demo, compare, reduce, verify)
