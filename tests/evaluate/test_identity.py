"""Keys of answers: whatever can change one is in its key, and nothing else; and which model it is."""

import random
from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st

from engines.openai_server import App, serving
from rumpun.engines.fake import Fake
from rumpun.engines.http import OpenAICompatible
from rumpun.engines.load import Found
from rumpun.engines.port import Message, Request
from rumpun.evaluate import identity
from rumpun.evaluate.cache import key_of
from rumpun.evaluate.identity import identity_of, model_info
from rumpun.evaluate.records import ModelInfo

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.sampled_from([0.0, 0.5, 0.7, 1.0])
REQUESTS = st.builds(
    Request,
    messages=st.lists(st.builds(Message, st.sampled_from(["user", "system"]), TEXT), max_size=2).map(tuple),
    prompt=st.none() | TEXT,
    max_tokens=st.integers(1, 3),
    temperature=NUMBER,
    top_p=NUMBER,
    seed=st.none() | st.integers(0, 2),
    stop=st.lists(TEXT, max_size=2).map(tuple),
    frequency_penalty=NUMBER,
    presence_penalty=NUMBER,
)
INFOS = st.builds(
    ModelInfo,
    name=st.just("m"),
    engine=st.sampled_from(["llamacpp", "fake"]),
    digest=st.sampled_from(["a" * 64, "b" * 64]),
    context_tokens=st.sampled_from([2048, 4096]),
)
FORMS = st.sampled_from(["score", "generate", "tokens"])


def key(info, form, question):
    return key_of({"model": identity_of(info), "form": form, "question": question})


# --- keys


@given(INFOS, FORMS, REQUESTS, st.data())
def test_a_key_changes_with_any_one_part_of_what_is_asked_and_with_nothing_else(info, form, request, data):
    before = key(info, form, request)
    assert len(before) == 32
    assert key(replace_(info), form, replace(request)) == before
    other = data.draw(REQUESTS)
    for field, value in asdict(request).items():
        changed = replace(request, **{field: getattr(other, field)})
        assert (key(info, form, changed) == before) == (getattr(other, field) == getattr(request, field)), (
            field,
            value,
        )
    other = data.draw(INFOS)
    assert (key(other, form, request) == before) == (other == info)
    other = data.draw(FORMS)
    assert (key(info, other, request) == before) == (other == form)


def replace_(info):
    return ModelInfo(**{name: getattr(info, name) for name in info.__struct_fields__})


@given(st.tuples(TEXT, TEXT), st.tuples(TEXT, TEXT))
def test_where_a_context_ends_is_part_of_the_question(one, other):
    assert (key_of({"question": one}) == key_of({"question": other})) == (one == other)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def shuffled(value, chance):
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {name: shuffled(inner, chance) for name, inner in items}
    return [shuffled(inner, chance) for inner in value] if isinstance(value, list) else value


@given(st.dictionaries(TEXT, NESTED, max_size=5), st.integers(0, 999))
def test_the_order_of_keys_changes_nothing(facts, seed):
    assert key_of(shuffled(facts, random.Random(seed))) == key_of(facts)


@given(REQUESTS)
def test_a_request_and_its_dict_have_one_key(request):
    assert key_of({"question": request}) == key_of({"question": asdict(request)})


# --- which model


def test_a_runtime_of_another_version_is_another_model(monkeypatch):
    info = ModelInfo(name="m", engine="llamacpp", digest="a" * 64, context_tokens=4096)
    before = identity_of(info)
    monkeypatch.setattr(identity, "version", lambda name: "another")
    assert identity_of(info) != before
    monkeypatch.undo()
    monkeypatch.setattr(identity, "__version__", "another")
    assert identity_of(info) != before


def files(folder, **contents):
    folder.mkdir()
    for name, content in contents.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def digest(place, kind="gguf"):
    return model_info(Found(name="m", kind=kind, place=str(place)), Fake()).digest


def test_every_file_of_a_folder_and_its_name_are_in_the_digest(tmp_path):
    first = digest(
        files(tmp_path / "a", config__json="1", model__safetensors="2", chat_template__jinja="3"), "folder"
    )
    assert (
        digest(
            files(tmp_path / "b", config__json="1", model__safetensors="2", chat_template__jinja="3"),
            "folder",
        )
        == first
    )
    others = [
        files(tmp_path / "c", config__json="1", model__safetensors="2", chat_template__jinja="4"),
        files(tmp_path / "d", config__json="1", model__safetensors="2"),
        files(tmp_path / "e", config__json="1", model__safetensors="2", other__jinja="3"),
        files(tmp_path / "f", config__json="2", model__safetensors="1", chat_template__jinja="3"),
    ]
    assert len({first, *(digest(other, "folder") for other in others)}) == 5


def test_every_part_of_a_gguf_in_parts_is_in_the_digest(tmp_path):
    def parts(name, *contents):
        folder = tmp_path / name
        folder.mkdir()
        for number, content in enumerate(contents, 1):
            (folder / f"m-{number:05}-of-00002.gguf").write_text(content)
        (folder / "another.gguf").write_text(name)
        return folder / "m-00001-of-00002.gguf"

    first = digest(parts("a", "1", "2"))
    assert digest(parts("b", "1", "2")) == first
    assert digest(parts("c", "1", "3")) != first
    assert digest(tmp_path / "a" / "another.gguf") != digest(tmp_path / "b" / "another.gguf")


def test_another_model_behind_the_same_address_is_another_model():
    class Listed(App):
        names = ("satu", "dua")

        async def models(self, request):
            from starlette.responses import JSONResponse

            return JSONResponse({"data": [{"id": name} for name in self.names]})

    app = Listed(Fake())
    with serving(app) as url:

        def info(place):
            found = Found(name=place.partition("//")[2], kind="url", place=place)
            engine = OpenAICompatible(found.place, name=found.name)
            try:
                return model_info(found, engine)
            finally:
                engine.close()

        first = info(url)
        assert first.place == f"{url}/v1#satu"
        assert identity_of(info(f"{url}/v1/")) == identity_of(first)
        secret = info(url.replace("//", "//orang:rahasia@"))
        assert identity_of(secret) == identity_of(first)
        assert "rahasia" not in repr(secret)
        app.names = ("dua", "satu")
        assert identity_of(info(url)) != identity_of(first)
