"""Damage to good files, the same from the same generator: what a fuzz test is made of."""
import re

HUGE = [b"1000000000000", b"1e999", b"-1e308", b"nan", b"inf", b"9" * 400, b"0", b"-1", b"1e-400", b"2147483648"]
WORDS = [b"\n", b",", b"-", b"e9", b"(", b")", b";", b"//", b"X_0", b"\0", b"\xff" * 9, b"\x80" * 10 + b"\x01"]


def flipped(data, rng, other):
    """Change some bits."""
    for place in rng.integers(0, len(data), rng.integers(1, 4)):
        data[place] ^= 1 << rng.integers(8)
    return data


def overwritten(data, rng, other):
    start = rng.integers(len(data))
    data[start:start + rng.integers(1, 9)] = rng.bytes(rng.integers(0, 9))
    return data


def truncated(data, rng, other):
    return data[:rng.integers(len(data))]


def repeated(data, rng, other):
    start = rng.integers(len(data))
    stop = start + rng.integers(1, 200)
    return data[:stop] + data[start:stop] * int(rng.integers(1, 4)) + data[stop:]


def without(data, rng, other):
    start = rng.integers(len(data))
    return data[:start] + data[start + rng.integers(1, 200):]


def spliced(data, rng, other):
    """Go on in another good file."""
    return data[:rng.integers(len(data))] + other[rng.integers(len(other)):]


def with_number(data, rng, other):
    """Put a number that is huge, or none, in the place of one that is written in digits."""
    numbers = list(re.finditer(rb"-?\d+(\.\d*)?(e-?\d+)?", data))
    if not numbers:
        return flipped(data, rng, other)
    match = numbers[rng.integers(len(numbers))]
    return data[:match.start()] + HUGE[rng.integers(len(HUGE))] + data[match.end():]


def with_word(data, rng, other):
    place = rng.integers(len(data) + 1)
    return data[:place] + WORDS[rng.integers(len(WORDS))] + data[place:]


def enlarged(data, rng, other):
    """Set eight bytes to the largest ones, as in a length or a size."""
    start = rng.integers(len(data))
    data[start:start + 8] = [b"\xff" * 8, b"\x7f" * 8, (10**12).to_bytes(8, "little")][rng.integers(3)]
    return data


DAMAGES = (flipped, overwritten, truncated, repeated, without, spliced, with_number, with_word, enlarged)


def mutated(data, rng, other):
    """Return the bytes with one to three damages; `other` is a file that may be spliced in."""
    for _ in range(rng.integers(1, 4)):
        data = DAMAGES[rng.integers(len(DAMAGES))](bytearray(data), rng, other)
        if not data:
            break
    return bytes(data)
