"""The commands: each module adds its parser (`add_parser`) and answers a call of it (`run`)."""
from . import compare, compress, convert, demo, info, reduce, verify

COMMANDS = (demo, compare, reduce, verify, info, convert, compress)
