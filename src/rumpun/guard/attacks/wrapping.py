"""The whole text put into something: an encoding, or a long harmless text."""

import base64
import codecs
import random
from collections.abc import Sequence

from rumpun.guard.attacks.attack import ANY, Attack

__all__ = ["BASE64", "HEX", "ROT13", "padding"]


def _hex(text: str, dice: random.Random) -> str:
    digits = text.encode().hex(dice.choice((" ", ":"))) if dice.random() < 0.5 else text.encode().hex()
    return digits.upper() if dice.random() < 0.3 else digits


def padding(texts: Sequence[str], *, characters: int = 4000) -> Attack:
    """The text somewhere inside so many code points of harmless text, which the caller gives.

    Raises:
        ValueError: there is no text to pad with.
    """
    if not any(text.strip() for text in texts):
        raise ValueError("padding: no text to pad with; give some harmless texts")

    def change(text: str, dice: random.Random) -> str:
        around: list[str] = []
        while sum(map(len, around)) < characters:
            around.append(dice.choice(texts))
        place = dice.randint(0, len(around))
        return "\n".join((*around[:place], text, *around[place:]))

    return Attack(
        name="padding", kind="wrapping", scripts=(ANY,), change=change, about="a long harmless text around it"
    )


BASE64 = Attack(
    name="base64", kind="wrapping", scripts=(ANY,), about="the text in base64",
    change=lambda text, _: base64.b64encode(text.encode()).decode(),
)  # fmt: skip
HEX = Attack(name="hex", kind="wrapping", scripts=(ANY,), change=_hex, about="the text in hexadecimal digits")
ROT13 = Attack(
    name="rot13", kind="wrapping", scripts=("Latn",), about="each Latin letter thirteen places on",
    change=lambda text, _: codecs.encode(text, "rot13"),
)  # fmt: skip
