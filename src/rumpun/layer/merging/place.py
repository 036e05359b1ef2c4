"""Where a command's result is put: a folder that takes its name when it is whole."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from rumpun.errors import EnvironmentFault, UsageError

__all__ = ["whole_folder"]


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its name when the block ends well, and is removed when it does not.

    Raises:
        UsageError: something stands there already.
        EnvironmentFault: the place cannot be written, or the disk is full.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{target}: exists already", "name another folder, or remove it")
    making = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        yield making
        if target.exists():
            target.rmdir()
        making.replace(target)
    except OSError as error:
        raise EnvironmentFault(
            f"{target}: cannot be written ({error.strerror or error})", "free space, or name another place"
        ) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
