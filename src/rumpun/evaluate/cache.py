"""Every answer kept by what was asked: one SQLite file, safe for several processes at once, no pickle.

The key is a hash of everything that can change an answer: the model's digest, the engine and its version, the prompt, the
parameters, the seed. An answer that was paid for is never paid for again, not after a kill either.
"""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from rumpun.errors import EnvironmentFault, InputError, RumpunError

__all__ = ["Cache", "key_of"]

_WAIT_SECONDS = 60.0  # for another process that writes
_POLL_SECONDS = 0.01
_AT_ONCE = 500  # keys in one question; SQLite allows more
_SORTED = msgspec.json.Encoder(order="sorted")
_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID"
_REFUSALS = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)  # the file's fault

A = TypeVar("A")


def key_of(facts: Mapping[str, Any]) -> str:
    """32 hex digits that stand for the facts, whatever the order of their keys; a dataclass is as good as its dict."""
    return hashlib.blake2b(_SORTED.encode(facts), digest_size=16).hexdigest()


class Cache:
    """Answers by key. One object may be used from many threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it where it is not.

        Raises:
            InputError: the file is no cache.
            EnvironmentFault: it cannot be opened or written.
        """
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(
                path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise self._fault(error) from error
        try:
            self._prepare()
        except BaseException:
            self._base.close()
            raise

    def _prepare(self) -> None:
        listed = self._do("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        tables = {name for (name,) in listed}
        if tables - {"answers"}:
            raise self._refused(f"it holds {', '.join(sorted(tables))}")
        if tables:
            self._do("SELECT key, answer FROM answers LIMIT 1")
        begun = time.monotonic()
        while True:
            try:
                self._base.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.Error as error:
                # where several processes change a new file to this mode at once, SQLite does not wait by itself
                if not _busy(error) or time.monotonic() - begun > _WAIT_SECONDS:
                    raise self._fault(error) from error
                time.sleep(_POLL_SECONDS)
        self._do("PRAGMA synchronous = NORMAL")
        self._do(_TABLE)

    def _do(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._base.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> RumpunError:
        if _code(error) in _REFUSALS:
            return self._refused(str(error))
        if _busy(error):
            hint = "another process holds it: end that one, or name another file with --cache"
        else:
            hint = "free the disk, or name another file with --cache"
        return EnvironmentFault(f"{self._path}: {error}", hint)

    def _refused(self, why: str) -> InputError:
        return InputError(
            f"{self._path}: no cache of answers ({why})",
            "name another file with --cache, or move this one away: what it held is asked again",
        )

    def get(self, keys: Iterable[str], kind: type[A]) -> dict[str, A]:
        """Key -> answer, of those that are here; `kind` is what `put` was given (a dataclass, int …).

        Raises:
            InputError: an answer is of another kind, or the file is damaged.
        """
        asked, decoder, found = list(dict.fromkeys(keys)), msgspec.json.Decoder(kind), {}
        with self._lock:
            for start in range(0, len(asked), _AT_ONCE):
                part = asked[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                for key, answer in self._do(f"SELECT key, answer FROM answers WHERE key IN ({marks})", part):  # noqa: S608  (marks alone)
                    try:
                        found[key] = decoder.decode(answer)
                    except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:
                        raise self._refused(f"{key}: {error}") from error
        return found

    def put(self, answers: Mapping[str, Any]) -> None:
        """Keep answers, all of them or none; one that is here already stays.

        Raises:
            EnvironmentFault: the disk is full, or another process holds the file for a minute.
        """
        rows = [(key, msgspec.json.encode(answer)) for key, answer in answers.items()]
        try:
            with self._lock, self._base:  # commits, or rolls back
                self._base.execute("BEGIN IMMEDIATE")
                self._base.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def __len__(self) -> int:
        with self._lock:
            return int(self._do("SELECT count(*) FROM answers")[0][0])

    def close(self) -> None:
        """Close the file; calling it twice is fine."""
        with self._lock:
            self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 where the error is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _busy(error: Exception) -> bool:
    return _code(error) == sqlite3.SQLITE_BUSY
