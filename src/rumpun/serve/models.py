"""The models that a service holds."""

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rumpun.engines.port import About, Engine
from rumpun.errors import UsageError
from rumpun.serve.faults import Fault
from rumpun.serve.turns import Turns

__all__ = ["CAUTION", "Place", "ServedModel", "Shelf"]

CAUTION = "It can be wrong and sound sure of it: check what matters with a person or a source you trust."
DEFAULT = "default"  # the alias that always names the first model


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """One loaded model, with what people may want to know about it."""

    engine: Engine
    name: str  # in /v1/models, and what clients ask for
    slots: int = 4  # requests answered at once
    base_name: str = ""
    layer_name: str = ""  # empty when no layer is on it
    card: Path | None = None  # CARD.md
    lineage: Path | None = None  # an artefact's folder
    caution: str = CAUTION  # a plain sentence for the page: what this model cannot do
    # language -> the system text before a chat in it that has none; the layer learnt to answer after these
    system: Mapping[str, str] = field(default_factory=dict)
    created: int = field(default_factory=lambda: int(time.time()))  # seconds since 1970


class Place:
    """A model at work: its queue and its threads. Lives on the event loop."""

    def __init__(self, model: ServedModel, queue_length: int) -> None:
        if model.slots < 1:
            raise UsageError(f"{model.name}: slots is {model.slots}, at least 1 is needed")
        self.model = model
        self.about: About = model.engine.about()
        self.turns = Turns(model.slots, queue_length)
        self.pool = ThreadPoolExecutor(model.slots, thread_name_prefix=f"engine-{model.name}")


class Shelf:
    """Models by name; the first is the default."""

    def __init__(self, models: Sequence[ServedModel], queue_length: int) -> None:
        if not models:
            raise UsageError("no model to serve", "name one with --base")
        names = [model.name for model in models]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"two models are called '{name}'", "serve each under a name of its own")
            if not re.fullmatch(r"[^\s\x00-\x1f]{1,200}", name):
                raise UsageError(
                    f"'{name[:80]}' cannot name a model", "use up to 200 characters, none a space"
                )
        self.places = {model.name: Place(model, queue_length) for model in models}
        self.default = self.places[names[0]]

    def find(self, name: str | None) -> Place:
        """The model that a request names; nothing, or "default", is the first.

        Raises:
            Fault: 404, no model has this name.
        """
        if name is None or (name == DEFAULT and name not in self.places):
            return self.default
        place = self.places.get(name)
        if place is None:
            known = ", ".join([*self.places, DEFAULT])
            raise Fault(
                404,
                f"no model is called '{name[:120]}' here; this service has: {known}",
                param="model",
                code="model_not_found",
            )
        return place

    def close(self) -> None:
        """End the threads and free the engines."""
        for place in self.places.values():
            place.pool.shutdown(wait=True, cancel_futures=True)
            place.model.engine.close()
