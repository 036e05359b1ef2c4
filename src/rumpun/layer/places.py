"""A run's cost in one place: on this machine, by what was measured or stated, or on a named GPU, computed."""

import os
from dataclasses import dataclass

import msgspec

from rumpun.layer import calibrate
from rumpun.layer.cost import Load, memory_of, operations, pass_that_fits, shared_memory
from rumpun.layer.machines import Gpu, computes_bfloat16, cores, find_card, machines, processor, share_reached
from rumpun.parts import missing
from rumpun.steps import Progress, quiet

__all__ = ["HERE", "Asked", "Place", "on_gpu", "on_this_machine"]

HERE = "this machine"
_BUSY = 0.5  # runnable processes beside a trial that are worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a user may state instead of what would be measured or assumed."""

    gpus: tuple[str, ...] = ()  # short names in machines.toml
    measure: bool = True  # try a few steps here where no figure is kept
    tokens_per_second: float | None = None  # of this machine
    watts: float | None = None  # of this machine
    utilisation: float | None = None  # share of a GPU's figure that is reached


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a step costs in one place."""

    name: str
    device: str  # as torch names it; "" where that is not known
    basis: str  # measured, stated or computed
    tokens_per_second: float | None
    hours: float | None
    memory_bytes: int  # at the peak; measured where `basis` is
    memory: dict[str, int]  # computed, by what it is for
    watts: float
    watts_basis: str  # measured, stated, data sheet or assumed
    watt_hours: float | None
    cards: int = 1  # that must share the frozen weights
    notes: tuple[str, ...] = ()


def on_this_machine(load: Load, asked: Asked, progress: Progress = quiet) -> Place:
    """By the speed stated, measured now or kept from before; without any, the memory alone.

    Raises:
        EnvironmentFault: it is to be measured and cannot be.
    """
    lacking = missing("train")
    speed = None
    if not lacking and not asked.tokens_per_second:
        speed = calibrate.cached(load)
        if asked.measure and (speed is None or _quieter(speed)):
            speed = calibrate.calibrate(load, progress)
    notes = []
    if speed is None and not asked.tokens_per_second:
        why = f"{', '.join(lacking)} not installed" if lacking else "not measured"
        notes.append(f"{why}: no hours for this machine")
    if speed and speed.load > _BUSY:
        notes.append(f"measured beside other work (load {speed.load})")
    rate = load.batch_tokens / speed.step_seconds if speed else asked.tokens_per_second
    seconds = _seconds(load, rate, notes)
    if speed and seconds is not None:
        seconds += speed.start_seconds
    gpu = speed is not None and not speed.device.startswith("cpu")
    low = speed.precision == "bfloat16" if speed else _low(load)
    memory = memory_of(load, place="cuda" if gpu else "cpu", number_bytes=2 if low else 4)
    watts, watts_basis = _watts(asked, speed)
    return Place(
        name=HERE,
        device=speed.device if speed else "",
        basis="measured" if speed else "stated" if rate else "computed",
        tokens_per_second=rate,
        hours=_hours(seconds),
        memory_bytes=speed.memory_bytes if speed else sum(memory.values()),
        memory=memory,
        watts=watts,
        watts_basis=watts_basis,
        watt_hours=None if seconds is None else watts * seconds / 3600,
        notes=(processor(), *notes),
    )


def _quieter(speed: calibrate.Speed) -> bool:
    """Whether a figure that was taken beside other work is worth taking again."""
    return speed.load > _BUSY and os.getloadavg()[0] < speed.load / 2


def _seconds(load: Load, rate: float | None, notes: list[str]) -> float | None:
    """Of training at so many tokens a second, until the recipe's `minutes_max`."""
    if rate is None:
        return None
    seconds, most = load.tokens / rate, 60 * load.params.minutes_max
    if 0 < most < seconds:
        notes.append(f"minutes_max ends it after about {most * rate:,.0f} tokens")
        return most
    return seconds


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 3600


def _low(load: Load) -> bool:
    asked = load.params.precision
    return asked == "bfloat16" or (asked == "auto" and computes_bfloat16())


def _watts(asked: Asked, speed: calibrate.Speed | None) -> tuple[float, str]:
    card = find_card(speed.device) if speed else None
    if asked.watts is not None:
        return asked.watts, "stated"
    if card is not None:
        return card.watts, "data sheet"
    if speed and speed.watts:
        return speed.watts, "measured"
    return machines().processor["watts_per_core"] * cores(), "assumed"


def on_gpu(gpu: Gpu, load: Load, asked: Asked) -> Place:
    """Computed from the table's figures and the share of them that is reached."""
    share = asked.utilisation or share_reached(load.shape.hidden)
    low = gpu.bfloat16 and load.params.precision != "float32"
    rate = None
    if low or not gpu.bfloat16:
        rate = gpu.tflops * 1e12 * share / sum(operations(load).values())
    memory = memory_of(load, place="cuda", number_bytes=2 if low else 4)
    cards, words = _fitted(gpu, load, memory)
    notes = [f"{share:.0%} of {gpu.tflops:g} TFLOP/s" if rate else "no float32 figure in the table"]
    if not gpu.bfloat16 and load.params.precision != "float32":
        notes.append("it does not compute in bfloat16: set precision = 'float32'")
    hours = _hours(_seconds(load, rate, notes))
    return Place(
        name=gpu.name,
        device=gpu.matches,
        basis="computed",
        tokens_per_second=rate,
        hours=hours,
        memory_bytes=sum(memory.values()),
        memory=memory,
        watts=gpu.watts,
        watts_basis="data sheet",
        watt_hours=None if hours is None else hours * gpu.watts,
        cards=cards,
        notes=(*notes, *words),
    )


def _fitted(gpu: Gpu, load: Load, memory: dict[str, int]) -> tuple[int, list[str]]:
    """Cards that are needed, and what is to be changed so that the run fits."""
    if sum(memory.values()) <= gpu.memory_bytes:
        return 1, []
    number_bytes = 2 if gpu.bfloat16 and load.params.precision != "float32" else 4
    fitting = pass_that_fits(load, place="cuda", number_bytes=number_bytes, memory_bytes=gpu.memory_bytes)
    if fitting:
        return 1, [f"does not fit: set micro_tokens = {fitting}"]
    width = load.params.sequence_tokens
    least = memory_of(load, place="cuda", number_bytes=number_bytes, pass_tokens=width)
    shared, besides = shared_memory(load, number_bytes)
    room = gpu.memory_bytes - (sum(least.values()) - shared + besides)
    if room <= 0:
        mend = (
            "set gradient_checkpointing, or train a layer" if load.full else "lower sequence_tokens or rank"
        )
        return 1, [f"does not fit on any number of cards: {mend}"]
    cards = -(-shared // room)
    what = "the blocks' numbers" if load.full else "the weights"
    return cards, [f"does not fit on one card: {cards} share {what}, with micro_tokens = {width}"]
