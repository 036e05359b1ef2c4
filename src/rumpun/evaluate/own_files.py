"""Several files of one's own items, each a task with a name of its own."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rumpun.errors import UsageError
from rumpun.evaluate.own_items import Own, own_file
from rumpun.evaluate.tasks import tasks

__all__ = ["read_files"]


def read_files(
    files: Sequence[Path], languages: Sequence[str], *, name: str = "", labels: Sequence[str] = (),
    config: Path | None = None, compat: bool = False,
) -> list[Own]:  # fmt: skip
    """Each file as a task: see `own_items.own_file`, and with a config `own_seahelm.own_seahelm`.

    A file's task has its name without the ending, with it where a task of ours or another file is called so.

    Raises:
        UsageError: no file, two of one name, or options that do not go together or with the items.
        InputError: a file is malformed.
    """
    if not files:
        raise UsageError("no file of items", "name one with --items")
    if config:
        from rumpun.evaluate.own_seahelm import own_seahelm

        if len(files) > 1:
            raise UsageError(f"--config with {len(files)} files of items", "name the one file of its task")
        return [own_seahelm(files[0], config, name, labels=labels, languages=languages, compat=compat)]
    if twice := [one for one, times in Counter(path.name for path in files).items() if times > 1]:
        raise UsageError(f"--items: two files are called {twice[0]}", "give one of them another name")
    stems = Counter(path.stem for path in files)
    return [
        own_file(
            path, path.name if path.stem in tasks() or stems[path.stem] > 1 else path.stem, name=name, labels=labels,
            languages=languages,
        )
        for path in files
    ]  # fmt: skip
