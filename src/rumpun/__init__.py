"""rumpun: small, proven language models for Southeast Asia, grown out of open bases.

`import rumpun` is light; each public name is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from rumpun.version import __version__

_PUBLIC = {
    "Encoder": "rumpun.encoder",
    "Guard": "rumpun.guard",
    "Model": "rumpun.engines.model",
    "identify": "rumpun.language",
}

__all__ = ["Encoder", "Guard", "Model", "__version__", "identify"]

if TYPE_CHECKING:
    from rumpun.encoder import Encoder
    from rumpun.engines.model import Model
    from rumpun.guard import Guard
    from rumpun.language import identify


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'rumpun' has no attribute '{name}'")
