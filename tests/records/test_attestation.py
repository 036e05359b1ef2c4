"""Statements are in-toto's, envelopes are DSSE's, and every byte of an envelope counts."""

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.records.artefacts import FileEntry, Maker, Manifest, SourceEntry
from rumpun.records.attestation import (
    STAGE,
    Statement,
    envelope,
    open_envelope,
    pae,
    payload_unchecked,
    resource,
    stage_statement,
)

KEY = "k" * 64


def sign(message):
    """A signature that needs no library: a keyed hash."""
    return hmac.digest(b"secret", message, "sha256")


def check(message, signature):
    return hmac.compare_digest(sign(message), signature)


def manifest(**more):
    facts = {
        "kind": "corpus", "id": "c" * 32, "name": "words", "created": "2026-01-02T03:04:05Z",
        "maker": Maker(step="corpus.write", version=3, params={"share": 0.5, "of": ["a", None]}, rumpun="0.1.0", tools={"numpy": "2.4"}),
        "parents": ("d" * 32,),
        "sources": (SourceEntry(name="ข่าว", licence="CC-BY-SA-4.0", rows=3),),
        "licences": ("CC-BY-SA-4.0",), "languages": ("th",),
        "files": (FileEntry(path="train/th.parquet", sha256="1" * 64, size=7),),
    }  # fmt: skip
    return Manifest(**facts | more)


DIGESTS = {"c" * 32: "2" * 64, "d" * 32: "3" * 64}


def test_the_bytes_that_are_signed_are_those_of_the_specification():
    """The example of DSSE's protocol.md."""
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.text(), st.binary(), st.text(), st.binary())
def test_no_two_messages_are_signed_alike(kind, body, other_kind, other_body):
    assert (pae(kind, body) == pae(other_kind, other_body)) == ((kind, body) == (other_kind, other_body))


def test_a_stage_says_what_its_manifest_says(tmp_path):
    path = tmp_path / "s.intoto.jsonl"
    path.write_bytes(envelope(stage_statement(manifest(), DIGESTS), KEY, sign))
    (line,) = path.read_text().splitlines()
    outer = json.loads(line)
    assert outer["payloadType"] == "application/vnd.in-toto+json"
    (signature,) = outer["signatures"]
    payload = base64.b64decode(outer["payload"])
    body = b"DSSEv1 28 application/vnd.in-toto+json %d " % len(payload) + payload
    assert signature == {"keyid": KEY, "sig": base64.b64encode(sign(body)).decode()}
    said = json.loads(payload)
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == STAGE
    assert said["subject"] == [
        {"name": "manifest.json", "digest": {"sha256": "2" * 64}},
        {"name": "train/th.parquet", "digest": {"sha256": "1" * 64}},
    ]
    told = said["predicate"]
    assert told["parents"] == [{"name": "d" * 32, "digest": {"sha256": "3" * 64}}]
    assert (told["step"], told["version"], told["params"]) == (
        "corpus.write",
        3,
        {"share": 0.5, "of": ["a", None]},
    )
    assert (told["tools"], told["licences"]) == ({"numpy": "2.4"}, ["CC-BY-SA-4.0"])
    assert told["obligations"]["share-alike"] == ["CC-BY-SA-4.0"]
    assert told["sources"][0]["name"] == "ข่าว"
    assert set(said) == {"_type", "subject", "predicateType", "predicate"}


def test_what_is_opened_is_what_was_closed(tmp_path):
    path = tmp_path / "s.intoto.jsonl"
    statement = stage_statement(manifest(), DIGESTS)
    path.write_bytes(envelope(statement, KEY, sign))
    assert open_envelope(path, KEY, check) == statement == payload_unchecked(path)


def test_the_same_facts_give_the_same_bytes():
    assert envelope(stage_statement(manifest(), DIGESTS), KEY, sign) == envelope(
        stage_statement(manifest(), DIGESTS), KEY, sign
    )


def test_a_parent_whose_manifest_is_not_known_cannot_be_told():
    with pytest.raises(KeyError):
        stage_statement(manifest(), {"c" * 32: "2" * 64})


WHOLE = envelope(stage_statement(manifest(), DIGESTS), KEY, sign)


@given(place=st.integers(0, len(WHOLE) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_is_refused_by_the_files_name(tmp_path_factory, place, flip):
    path = tmp_path_factory.getbasetemp() / "flipped.intoto.jsonl"
    changed = bytearray(WHOLE)
    changed[place] ^= flip
    path.write_bytes(changed)
    with pytest.raises(InputError, match=r"flipped\.intoto\.jsonl: "):
        open_envelope(path, KEY, check)


def outer(**facts):
    return json.dumps(json.loads(WHOLE) | facts, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not a signed statement"),
        (b"{}\n", "not a signed statement"),
        (WHOLE + WHOLE, "not a signed statement"),
        (WHOLE.rstrip(), "as it was written"),
        (outer(signatures=[]), "not a signed statement"),
        (outer(signatures=json.loads(WHOLE)["signatures"] * 2), "as it was written"),
        (outer(payloadType="text/plain"), "payloadType"),
        (outer(payload="####"), "not a signed statement"),
        (envelope(Statement(subject=(), predicate_type=STAGE, predicate={}, type="x"), KEY, sign), "_type = 'x'"),
        (envelope(stage_statement(manifest(), DIGESTS), "o" * 64, sign), "signed by the key oooo"),
        (envelope(stage_statement(manifest(), DIGESTS), KEY, lambda m: hashlib.sha256(m).digest()), "does not hold"),
    ],
)  # fmt: skip
def test_what_is_no_envelope_of_this_key(tmp_path, raw, said):
    path = tmp_path / "s.intoto.jsonl"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=said) as caught:
        open_envelope(path, KEY, check)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        open_envelope(tmp_path / "none", KEY, check)


def test_resources_have_one_digest():
    assert resource("a", "1" * 64).digest.sha256 == "1" * 64
