"""A finished release -> a repository on a hub, in one commit, so that either all of it stands there or nothing.

Files go by the hub's LFS protocol, which names each by the sha256 that SHA256SUMS has; the newer one (Xet) would make
several commits of a folder, of which the first could be seen without the rest.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import EnvironmentFault, InputError, MissingPartError, RumpunError, UsageError
from rumpun.layer.release_verify import verify_release
from rumpun.layer.seal import RELEASE_STATEMENT, SUMS, digests_of
from rumpun.records.artefacts import sha256_file

__all__ = ["HubPlace", "Published", "Sending", "hub_place", "publish", "token_for"]

_ADDED = ".gitattributes"  # what a hub puts into a new repository itself


@dataclass(frozen=True, slots=True)
class HubPlace:
    """Where on a hub."""

    repository: str  # owner/name
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class Sending:
    """What is about to be sent, told before a byte goes."""

    endpoint: str
    place: HubPlace
    files: int
    bytes: int
    public: bool
    new: bool  # the repository is made for it


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the hub; keys are stable."""

    repository: str
    revision: str
    commit: str
    url: str
    public: bool
    files: int
    bytes: int


def hub_place(text: str) -> HubPlace | None:
    """hub:owner/name[@revision], or None where the text names a folder.

    Raises:
        UsageError: it begins with hub: and goes on otherwise.
    """
    if not text.startswith("hub:"):
        return None
    found = re.fullmatch(r"hub:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", text)
    if found is None:
        raise UsageError(f"--to {text}: no repository", "write hub:owner/name or hub:owner/name@branch")
    return HubPlace(found[1], found[2] or "main")


def publish(
    folder: Path,
    place: HubPlace,
    *,
    public: bool = False,
    tell: Callable[[Sending], None] = lambda _: None,
) -> Published:
    """Check a release, then put it on a hub; HF_ENDPOINT may name another hub, HF_TOKEN is the only token looked at.

    A repository that is not there is made, private unless `public`. One that holds anything but a release is refused.

    Args:
        folder: a release that `verify_release` takes.
        place: repository and branch; the branch is made if need be.
        public: everyone may see it.
        tell: called once, before anything is sent or made.

    Raises:
        UsageError: no token, or the repository is seen by others than asked for.
        InputError: the release is not whole, the repository holds something else, or what arrived differs.
        EnvironmentFault: the hub refuses or does not answer; nothing of the release is to be seen there then.
    """
    if not verify_release(folder).signature.startswith("ed25519"):
        raise InputError(
            f"{folder}: not signed", "release the layer first: rumpun layer release DIR --to FOLDER"
        )
    token = token_for(place)
    with _hub(place, token) as api:
        about = _look(api, place, public)
        names = {*digests_of(folder, skip=(SUMS,)), SUMS}
        size = sum((folder / name).stat().st_size for name in names)
        tell(Sending(str(api.endpoint), place, len(names), size, public, about is None))
        commit = _send(api, place, folder, names, about, public=public)
        _arrived(api, place, folder, names, commit)
    return Published(
        repository=place.repository,
        revision=place.revision,
        commit=commit,
        url=f"{api.endpoint}/{place.repository}/tree/{commit}",
        public=public,
        files=len(names),
        bytes=size,
    )


def token_for(place: HubPlace) -> str:
    """What HF_TOKEN holds.

    Raises:
        UsageError: nothing.
    """
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise UsageError("HF_TOKEN is not set", f"set it to a token that may write to {place.repository}")
    return token


@contextmanager
def _hub(place: HubPlace, token: str) -> Iterator[Any]:
    """The hub's client over LFS alone; whatever it raises becomes one line without the token."""
    try:
        import huggingface_hub
        from huggingface_hub import constants
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ModuleNotFoundError as error:
        raise MissingPartError("sending a release to a hub (huggingface_hub)", "runtime") from error
    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = True
    try:
        with disable_progress_bars():
            yield huggingface_hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    except RumpunError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises many kinds, of two others
        raise _refused(place, error, token) from None  # what a hub says may hold the token
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _refused(place: HubPlace, error: Exception, token: str) -> EnvironmentFault:
    status = _status(error)
    root = _root(error)
    said = (str(root).strip().splitlines() or [type(root).__name__])[0].replace(token, "…")[:200]
    where = f"hub:{place.repository}"
    if status in (401, 403):
        return EnvironmentFault(
            f"{where}: the hub refuses the token ({status}); nothing was released",
            f"set HF_TOKEN to a token that may write to {place.repository}",
        )
    what = f"the hub answers {status}" if status else f"the connection broke ({said})"
    return EnvironmentFault(
        f"{where}: {what}; nothing was released",
        "check the network and HF_ENDPOINT, and run again: the release is whole on this machine or made again",
    )


def _status(error: Exception) -> int | None:
    """What the hub answered, or None where it did not."""
    found: int | None = getattr(getattr(_root(error), "response", None), "status_code", None)
    return found


def _root(error: BaseException) -> BaseException:
    """What an error of the client wraps: the hub's answer, or how the connection ended."""
    while not hasattr(error, "response") and error.__cause__ is not None:
        error = error.__cause__
    return error


def _look(api: Any, place: HubPlace, public: bool) -> Any:
    """What the repository is, or None where there is none; refuses to write over anything but a release."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        about = api.model_info(place.repository)
    except RepositoryNotFoundError:
        return None
    if bool(about.private) == public:
        now, asked = ("private", "--public") if public else ("public", "a private one")
        raise UsageError(
            f"hub:{place.repository} is {now}, and {asked} was asked for",
            "change it on the hub's own page" if public else "add --public --yes, or name another repository",
        )
    try:
        branch = api.model_info(place.repository, revision=place.revision)
    except RevisionNotFoundError:
        branch = about
    names = {item.rfilename for item in branch.siblings or []} - {_ADDED}
    if names and RELEASE_STATEMENT not in names:
        raise InputError(
            f"hub:{place.repository}@{place.revision}: holds {len(names)} files that are no release, such as {min(names)}",
            "name another repository or branch",
        )
    return branch


def _send(api: Any, place: HubPlace, folder: Path, names: set[str], about: Any, *, public: bool) -> str:
    """Make what is missing, then one commit; returns its id."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    if about is None:
        api.create_repo(place.repository, private=not public)
    if place.revision != "main":
        api.create_branch(place.repository, branch=place.revision, exist_ok=True)
    there = {item.rfilename for item in about.siblings or []} if about is not None else set()
    additions = [CommitOperationAdd(name, str(folder / name)) for name in sorted(names)]
    deletions = [CommitOperationDelete(name) for name in sorted(there - names - {_ADDED})]
    # the numbers go first and are seen by nobody; the commit is short, and its answer may be lost
    api.preupload_lfs_files(place.repository, additions, revision=place.revision, free_memory=False)
    try:
        done = api.create_commit(
            place.repository,
            [*deletions, *additions],
            commit_message=f"Release {sha256_file(folder / SUMS)[:16]} (sha256 of SHA256SUMS)",
            revision=place.revision,
            parent_commit=about.sha if about is not None else None,
        )
    except Exception as error:
        if _status(error) is not None:
            raise
        raise EnvironmentFault(
            f"hub:{place.repository}: the connection broke at the commit, which may stand there or not",
            "look at the repository, or run again: the same bytes are not sent twice",
        ) from None
    return str(done.oid)


def _arrived(api: Any, place: HubPlace, folder: Path, names: set[str], commit: str) -> None:
    """See that the commit holds exactly these bytes, by what the hub says they hash to.

    Raises:
        InputError: names the first file that differs.
    """
    about = api.model_info(place.repository, revision=commit, files_metadata=True)
    there = {item.rfilename: item for item in about.siblings or [] if item.rfilename != _ADDED}
    for name in sorted(there.keys() | names):
        item = there.get(name)
        content = folder / name
        if item is None or name not in names:
            problem = "missing" if item is None else "no file of the release"
        elif item.lfs is not None:
            problem = "" if item.lfs.sha256 == sha256_file(content) else "another sha256"
        else:
            problem = "" if item.blob_id == _git_sha1(content) else "another content"
        if problem:
            raise InputError(
                f"hub:{place.repository}@{commit[:12]}: {name} arrived as {problem}",
                "take the commit back on the hub's page, and run again",
            )


def _git_sha1(path: Path) -> str:
    """What git calls a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
