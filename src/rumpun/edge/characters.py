"""Characters that a token cuts through: which code points a few of their bytes may belong to (UTF-8, RFC 3629)."""

from collections.abc import Iterator

__all__ = ["cut_bytes", "ending", "inside", "starting"]

_END = 0x110000
_FIRST = {1: 0x80, 2: 0x800, 3: 0x10000}  # the least code point with so many bytes after the first
_MARKS = ((0xC0, 0xE0, 1), (0xE0, 0xF0, 2), (0xF0, 0xF8, 3))  # first byte from, below; bytes after it


def cut_bytes(content: bytes) -> tuple[bytes, str, bytes] | None:
    """(the end of a character, whole characters, the beginning of one); None where no text has these bytes.

    Bytes that are the middle or the end of one character stand in the first place.
    """
    head = 0
    while head < len(content) and 0x80 <= content[head] < 0xC0:
        head += 1
    tail = len(content)
    for back in range(1, min(3, tail - head) + 1):
        if content[tail - back] >= 0xC0:
            if _after(content[tail - back]) >= back:
                tail -= back
            break
    try:
        return content[:head], content[head:tail].decode(), content[tail:]
    except UnicodeDecodeError:
        return None


def starting(part: bytes) -> Iterator[int]:
    """Code points whose bytes begin so and go on."""
    after = _after(part[0])
    missing = after + 1 - len(part)
    first = (part[0] & (0x3F >> after)) << (6 * (len(part) - 1)) | _bits(part[1:])
    for point in range(first << (6 * missing), (first + 1) << (6 * missing)):
        if _FIRST[after] <= point < _END:
            yield point


def ending(part: bytes) -> Iterator[int]:
    """Code points whose bytes end so."""
    if len(part) in _FIRST:
        for point in range(_bits(part), _END, 1 << (6 * len(part))):
            if point >= _FIRST[len(part)]:
                yield point


def inside(part: bytes) -> Iterator[int]:
    """Code points with these bytes between their first and their last."""
    for more in range(1, 4 - len(part)):
        for point in range(_bits(part) << (6 * more), _END, 1 << (6 * (len(part) + more))):
            if point >= _FIRST[len(part) + more]:
                yield from range(point, point + (1 << (6 * more)))


def _after(first: int) -> int:
    """Bytes that follow the first of a character."""
    return next((after for low, high, after in _MARKS if low <= first < high), 0)


def _bits(part: bytes) -> int:
    found = 0
    for byte in part:
        found = found << 6 | byte & 0x3F
    return found
