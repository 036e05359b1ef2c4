"""Where rumpun keeps things outside the checkout: the XDG folders, or all of it under RUMPUN_HOME."""

import os
from pathlib import Path

from rumpun.errors import InputError

__all__ = ["cache_folder", "config_folder", "data_folder", "shipped_folder", "source_data", "state_folder"]


def _folder(kind: str) -> Path:
    home = os.environ.get("RUMPUN_HOME")
    if home:
        return Path(home).expanduser().absolute() / kind
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("rumpun", appauthor=False))


def data_folder() -> Path:
    """Artefacts, bases and local models."""
    return _folder("data")


def cache_folder() -> Path:
    """What can be made again: assembled models, downloads in progress."""
    return _folder("cache")


def config_folder() -> Path:
    """Settings that people write."""
    return _folder("config")


def state_folder() -> Path:
    """Logs and locks."""
    return _folder("state")


def shipped_folder() -> Path:
    """The checkout's `layers/`: layers, guards and encoders that travel with the code."""
    beside = Path(__file__).resolve().parents[3] / "layers"
    if beside.is_dir():
        return beside
    return Path(__file__).resolve().parents[1] / "layers"


def source_data() -> Path:
    """The folder of source text: RUMPUN_DATA, or `shared/data` beside the checkout.

    Raises:
        InputError: neither is there; the hint says how to get the sources.
    """
    named = os.environ.get("RUMPUN_DATA")
    folder = Path(named).expanduser() if named else Path(__file__).resolve().parents[4] / "shared" / "data"
    if folder.is_dir():
        return folder
    raise InputError(
        f"{folder}: no folder of source text there",
        "set RUMPUN_DATA to a folder with inventory.toml and the files it names;"
        " docs/sources.md lists each source, its licence and its repository",
    )
