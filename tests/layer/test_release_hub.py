"""A release on a hub is the release byte for byte, or nothing of it is to be seen. The hub is a loopback server."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from hub_server import Hub
from released import released, store_of

from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.layer.publish import HubPlace, hub_place, publish
from rumpun.layer.release_verify import verify_release
from rumpun.layer.signing import make_key

# huggingface_hub 2.4 itself sends LFS files in a way that its own HTTP library calls old
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
TOKEN = "hf_right"
PLACE = HubPlace("someone/first")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A release; nobody changes it."""
    place = tmp_path_factory.mktemp("made")
    layer, base = store_of(place)
    released(layer, base, place / "first", key=make_key(place / "maker.pem"), forms=("Q8_0",))
    return place / "first"


@pytest.fixture
def hub(monkeypatch, home):
    """A hub that nothing stands on yet; the client's pauses between tries are left out."""
    import huggingface_hub.utils._http as client

    with Hub(TOKEN) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(client.time, "sleep", lambda _: None)
        yield server
        server.shutdown()


def local(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def there(hub, name="someone/first", revision="main"):
    return {key: value for key, value in hub.files(name, revision).items() if key != ".gitattributes"}


def test_what_arrives_is_the_release_byte_for_byte(hub, made, tmp_path):
    told = []
    sent = publish(made, PLACE, tell=told.append)
    assert there(hub) == local(made)
    repository = hub.repositories["someone/first"]
    assert repository.private
    assert (sent.commit, sent.public) == (repository.branches["main"], False)
    assert (sent.files, sent.bytes) == (len(local(made)), sum(map(len, local(made).values())))
    assert sent.url == f"{hub.address}/someone/first/tree/{sent.commit}"
    assert len(repository.messages) == 1, "one commit: all or nothing"
    assert {name for name in local(made) if name.endswith((".gguf", ".safetensors"))} == {
        name for name, content in there(hub).items() if content in hub.lfs.values()
    }
    (sending,) = told
    assert (sending.files, sending.bytes, sending.public, sending.new) == (
        sent.files,
        sent.bytes,
        False,
        True,
    )


def test_what_is_fetched_back_is_a_whole_release(hub, made, tmp_path):
    publish(made, PLACE)
    for name, content in hub.files("someone/first").items():
        (tmp_path / "back" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "back" / name).write_bytes(content)
    assert verify_release(tmp_path / "back") == verify_release(made)


def test_the_size_is_told_before_anything_is_made(hub, made):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(made, PLACE, tell=stop)
    assert not hub.repositories
    assert {method for method, _ in hub.asked} == {"GET"}


def test_a_newer_release_takes_the_place_of_an_older_one_whole(hub, made, tmp_path):
    publish(made, PLACE)
    layer, base = store_of(tmp_path)
    released(layer, base, tmp_path / "second", forms=("F16",))
    publish(tmp_path / "second", PLACE)
    assert there(hub) == local(tmp_path / "second")
    assert not any(name.endswith("Q8_0.gguf") for name in there(hub))


def test_the_same_release_again_changes_nothing(hub, made):
    first = publish(made, PLACE)
    uploads = [asked for asked in hub.asked if asked[0] == "PUT"]
    again = publish(made, PLACE)
    assert again.commit == first.commit
    assert [asked for asked in hub.asked if asked[0] == "PUT"] == uploads


def test_a_branch_is_made_for_a_release(hub, made):
    publish(made, hub_place("hub:someone/first@v1"))
    assert there(hub, revision="v1") == local(made)
    assert not there(hub)


def test_a_repository_with_anything_else_in_it_is_left_alone(hub, made):
    publish(made, PLACE)
    repository = hub.repositories["someone/first"]
    repository.commits[repository.branches["main"]] = {"thesis.tex": b"years of work"}
    with pytest.raises(InputError, match=r"holds 1 files that are no release, such as thesis\.tex"):
        publish(made, PLACE)
    assert there(hub) == {"thesis.tex": b"years of work"}


def test_public_only_where_it_was_asked_for(hub, made):
    assert publish(made, PLACE, public=True).public
    assert not hub.repositories["someone/first"].private
    with pytest.raises(UsageError, match="is public, and a private one was asked for") as caught:
        publish(made, PLACE)
    assert "--public --yes" in caught.value.hint
    hub.repositories["someone/first"].private = True
    with pytest.raises(UsageError, match="is private, and --public was asked for"):
        publish(made, PLACE, public=True)


PARTS = [
    "/api/models",
    "/api/repos/create",
    "/api/validate-yaml",
    "/preupload/",
    "/objects/batch",
    "/lfs/",
    "/commit/",
]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("fault", [503, "cut"])
def test_a_hub_that_fails_anywhere_shows_nothing_of_the_release(hub, made, part, fault):
    hub.faults[part] = fault
    with pytest.raises(EnvironmentFault) as caught:
        publish(made, PLACE)
    assert any(part in path for _, path in hub.asked), "the fault was met"
    assert all(not there(hub, name) for name in hub.repositories)
    message = caught.value.message
    assert message.startswith("hub:someone/first: ")
    assert "\n" not in message
    assert ("503" if fault == 503 else "connection broke") in message
    if (part, fault) == ("/commit/", "cut"):
        assert "may stand there or not" in message
    elif fault == 503:
        assert "nothing was released" in message
    assert TOKEN not in message + caught.value.hint
    hub.faults.clear()
    publish(made, PLACE)
    assert there(hub) == local(made), "it can be sent again"


@pytest.mark.parametrize(
    ("part", "status"), [("/api/models", 401), ("/api/repos/create", 403), ("/commit/", 403)]
)
def test_a_token_that_is_refused_is_never_shown(hub, made, part, status):
    hub.faults[part] = status
    with pytest.raises(
        EnvironmentFault, match=rf"the hub refuses the token \({status}\); nothing was released"
    ) as caught:
        publish(made, PLACE)
    assert TOKEN not in caught.value.message + caught.value.hint
    assert caught.value.__suppress_context__
    assert all(not there(hub, name) for name in hub.repositories)


def test_a_wrong_token(hub, made, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(EnvironmentFault, match="refuses the token"):
        publish(made, PLACE)
    assert not hub.repositories


def test_without_a_token_nobody_is_asked(hub, made, monkeypatch):
    """One that the client finds elsewhere is not taken."""
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", TOKEN)
    with pytest.raises(UsageError, match="HF_TOKEN is not set"):
        publish(made, PLACE)
    assert not hub.asked


def test_what_is_not_whole_is_not_sent(hub, made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "first")
    (folder / "CARD.md").write_text("# Another\n")
    with pytest.raises(InputError, match=r"CARD\.md"):
        publish(folder, PLACE)
    layer, _ = store_of(tmp_path)
    with pytest.raises(InputError, match="not signed"):
        publish(layer, PLACE)
    assert not hub.asked


@pytest.mark.parametrize("name", ["layer-a-Q8_0.gguf", "layer.safetensors"])
def test_what_arrives_otherwise_is_named(hub, made, name):
    hub.lie[name] = "0" * 64
    with pytest.raises(InputError, match=f"{name} arrived as another sha256"):
        publish(made, PLACE)


def test_somebody_who_was_faster_is_not_written_over(hub, made, tmp_path):
    publish(made, PLACE)
    layer, base = store_of(tmp_path)
    released(layer, base, tmp_path / "second", forms=())
    repository = hub.repositories["someone/first"]

    def other(_):
        repository.commits["1" * 40] = repository.commits[repository.branches["main"]]
        repository.branches["main"] = "1" * 40

    with pytest.raises(EnvironmentFault, match="the hub answers 412"):
        publish(tmp_path / "second", PLACE, tell=other)
    assert there(hub) == local(made)


@pytest.mark.parametrize("text", ["hub:", "hub:owner", "hub:a/b/c", "hub:a/b@", "hub:a/b c"])
def test_places_that_are_none(text):
    with pytest.raises(UsageError, match="no repository"):
        hub_place(text)


def test_places():
    assert hub_place("hub:a/b") == HubPlace("a/b", "main")
    assert hub_place("hub:a/b@v1.0") == HubPlace("a/b", "v1.0")
    assert hub_place("./folder") is None


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "rumpun.cli", "layer", *map(str, arguments)],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


def lineage(path):
    done = subprocess.run(
        [sys.executable, "-m", "rumpun.cli", "lineage", str(path), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_command_releases_checks_and_sends(hub, tmp_path, home):
    """As people type it, in processes of their own."""
    layer, base = store_of(tmp_path)
    folder = tmp_path / "first"
    done = command(
        "release", layer, "--to", folder, "--base", base, "--forms", "Q4_0", "--name", "first", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["name"], told["forms"]) == ("first", ["first-Q4_0.gguf"])
    public = home / "config" / "release-key.pub"
    shown = command("inspect", folder, "--verify", "--key", public)
    assert (shown.returncode, "ed25519 " in shown.stdout) == (0, True), shown.stderr
    walked = lineage(folder / "first-Q4_0.gguf")
    assert walked["root"] == "a" * 32, "in its folder it is a file of the release"
    shutil.copyfile(folder / "first-Q4_0.gguf", tmp_path / "alone.gguf")
    walked = lineage(tmp_path / "alone.gguf")
    assert walked["nodes"][0]["parents"] == ["a" * 32]
    assert {source["name"] for source in walked["sources"]} == {"news", "held", "tiny"}
    unsigned = command("inspect", layer, "--verify")
    assert "signature          not signed\n" in unsigned.stdout
    sent = command("release", folder, "--to", "hub:someone/first", "--json")
    assert sent.returncode == 0, sent.stderr
    assert f"sending {told['files']} files, {told['bytes']:,} bytes, to a new repository" in sent.stderr
    assert there(hub) == local(folder)
    card = folder / "CARD.md"
    card.write_bytes(b"!" + card.read_bytes()[1:])
    for refused in (
        command("inspect", folder, "--verify"),
        command("release", folder, "--to", "hub:someone/first"),
    ):
        line, hint = refused.stderr.strip().split("\n")
        assert (refused.returncode, refused.stdout) == (3, "")
        assert line.startswith(f"rumpun: {card}: sha256")
        assert hint
    for text in (done, shown, unsigned, sent):
        assert TOKEN not in text.stdout + text.stderr
        assert "PRIVATE" not in text.stdout + text.stderr


def test_the_command_makes_a_release_on_its_way_to_a_hub(hub, tmp_path, home, monkeypatch):
    layer, base = store_of(tmp_path)
    asked = (
        "release",
        layer,
        "--to",
        "hub:someone/built@v2",
        "--base",
        base,
        "--forms",
        "F16",
        "--name",
        "built",
    )
    done = command(*asked, HF_TOKEN="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rumpun: HF_TOKEN is not set\n"), "before any work"
    done = command(*asked)
    assert done.returncode == 0, done.stderr
    back = tmp_path / "back"
    for name, content in there(hub, "someone/built", "v2").items():
        (back / name).parent.mkdir(parents=True, exist_ok=True)
        (back / name).write_bytes(content)
    assert verify_release(back, home / "config" / "release-key.pub").stages == 4
    assert (back / "built-F16.gguf").is_file()
    assert not list((home / "cache").iterdir()), "nothing is left behind"


def test_public_needs_a_yes(hub, made):
    done = command("release", made, "--to", "hub:someone/first", "--public")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--public without --yes" in done.stderr
    assert not hub.asked
    assert command("release", made, "--to", "hub:someone/first", "--public", "--yes").returncode == 0
    assert not hub.repositories["someone/first"].private


def test_keygen_says_where_and_never_what(tmp_path, home):
    done = command("keygen", "--out", tmp_path / "own.pem")
    assert done.returncode == 0, done.stderr
    secret = (tmp_path / "own.pem").read_text().splitlines()[1]
    assert secret not in done.stdout + done.stderr
    assert str(tmp_path / "own.pub") in done.stdout
    assert command("keygen", "--out", tmp_path / "own.pem").returncode == 2
