"""The quantisations that rumpun writes; nothing heavy is imported to know their names."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

__all__ = ["FINER", "QUANTISATIONS", "Quantisation"]

Quantisation = Literal["Q8_0", "Q4_0", "Q4_1", "F16", "F32"]
QUANTISATIONS: Final[tuple[Quantisation, ...]] = get_args(Quantisation)
# what embedding and output take where nothing is said: they are looked up and scored with, so they stay finer
FINER: Final[Mapping[Quantisation, Quantisation]] = {"Q4_0": "Q8_0", "Q4_1": "Q8_0"}
