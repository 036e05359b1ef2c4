"""Write src/rumpun/language/hanzi.txt: traditional Chinese characters and the simplified ones that stand for them.

    python scripts/make_hanzi.py

Needs PyICU (part `icu`). Characters of the basic plane alone, one for one, by ICU's transform Traditional-Simplified.
"""

from pathlib import Path

import icu

PAGE = Path(__file__).resolve().parent.parent / "src" / "rumpun" / "language" / "hanzi.txt"
FIRST, LAST = 0x3400, 0x9FFF


def in_simplified_text(character: str) -> bool:
    """Whether simplified text uses the character too, such as 著 of 著名: the mainland's set GB 2312 has it."""
    try:
        return bool(character.encode("gb2312"))
    except UnicodeEncodeError:
        return False


def main() -> None:
    """Write the table: traditional characters on the first line, simplified ones on the second."""
    transform = icu.Transliterator.createInstance("Traditional-Simplified")
    pairs = {}
    for character in map(chr, range(FIRST, LAST + 1)):
        other = transform.transliterate(character)
        if other != character and len(other) == 1 and not in_simplified_text(character):
            pairs[character] = other
    while any(other in pairs for other in pairs.values()):  # what is read is not read again
        pairs = {one: pairs.get(other, other) for one, other in pairs.items()}
    PAGE.write_text("".join(pairs) + "\n" + "".join(pairs.values()) + "\n", encoding="utf-8")


main()
