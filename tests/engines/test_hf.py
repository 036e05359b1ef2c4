"""The transformers engine: its folder, its batches, its silence, and text made of tokens."""

import json
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.engines import hf, hf_load
from rumpun.engines.hf import Transformers
from rumpun.engines.hf_tokens import Drawing, TextOfTokens
from rumpun.engines.port import Request
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.weights.folder import write_folder
from tiny import TEXTS, tiny_gguf


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    weights = tiny_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", context=256)
    write_folder(weights, weights.parent / "folder")
    return weights.parent / "folder"


@pytest.fixture(scope="module")
def engine(folder):
    return Transformers(folder, name="tiny", device="cpu")


def copy(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


# --- the folder


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("harm", ["missing", "cut"])
def test_a_folder_that_cannot_be_used_is_named(folder, tmp_path, name, harm):
    place = copy(folder, tmp_path)
    path = place / name
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError) as caught:
        Transformers(place, name="tiny", device="cpu")
    assert str(place) in caught.value.message
    assert caught.value.hint


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        Transformers(tmp_path / "none", name="tiny")


def test_code_in_a_folder_is_never_run(folder, tmp_path):
    place = copy(folder, tmp_path)
    (place / "model.py").write_text("raise SystemExit('run')\n")
    config = json.loads((place / "config.json").read_text())
    config |= {
        "auto_map": {"AutoModelForCausalLM": "model.Model", "AutoConfig": "model.Config"},
        "model_type": "own",
    }
    (place / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError):
        Transformers(place, name="tiny", device="cpu")


def test_a_device_that_is_not_there_is_named(folder, monkeypatch):
    with pytest.raises(EnvironmentFault, match=r"^device = 'cuda:7'"):
        Transformers(folder, name="tiny", device="cuda:7")
    monkeypatch.setenv("RUMPUN_DEVICE", "abacus")
    with pytest.raises(EnvironmentFault, match="RUMPUN_DEVICE = 'abacus'"):
        Transformers(folder, name="tiny")


def test_too_little_memory_is_said_before_loading(folder, monkeypatch):
    monkeypatch.setattr(hf_load, "available_bytes", lambda: 1000)
    with pytest.raises(EnvironmentFault, match="GB of weights"):
        Transformers(folder, name="tiny", device="cpu")


def test_without_a_chat_template_it_does_not_chat(folder, tmp_path):
    place = copy(folder, tmp_path)
    (place / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((place / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    assert Transformers(place, name="tiny", device="cpu").about().can == {"generate", "score", "embed"}


def child(program):
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_nothing_is_printed_and_no_network_is_used(folder):
    done = child(f"""
        import socket
        def refuse(*arguments, **named):
            raise SystemExit('network')
        socket.socket.connect = socket.getaddrinfo = refuse
        import warnings
        warnings.simplefilter('ignore', DeprecationWarning)  # of other people's imports
        from rumpun.engines.hf import Transformers
        from rumpun.engines.port import Message, Request
        engine = Transformers({str(folder)!r}, name='tiny', device='cpu')
        engine.generate([Request(messages=(Message('user', 'bambu'),), max_tokens=3)])
        list(engine.stream(Request(prompt='bambu', max_tokens=3)))
        engine.score([('a', 'bambu'), ('', 'sungai kampung')])
        engine.embed(['bambu'])
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_torch_the_part_to_install_is_named(folder):
    done = child(f"""
        import sys
        sys.modules['torch'] = None
        from rumpun.engines.hf import Transformers
        from rumpun.errors import MissingPartError
        try:
            Transformers({str(folder)!r}, name='tiny')
        except MissingPartError as error:
            print(error.parts[0], error.hint)
    """)
    assert done.stdout == "eval make dev  (in a checkout), or pip install 'rumpun[eval]'\n", done.stderr


# --- batches


def test_padding_changes_no_score_and_no_vector(engine):
    pairs = [("", text) for text in TEXTS] + [(text[:7], text[7:]) for text in TEXTS] + [("", TEXTS[0] * 8)]
    for pair, score in zip(pairs, engine.score(pairs), strict=True):
        alone = engine.score([pair])[0]
        assert score.tokens == alone.tokens
        assert score.logprob == pytest.approx(alone.logprob, abs=1e-3 * max(score.tokens, 1))
    rows = engine.embed(TEXTS)
    assert np.allclose(rows, np.concatenate([engine.embed([text]) for text in TEXTS]), atol=1e-4)


def test_scores_are_those_of_the_whole_matrix_of_logits(engine, monkeypatch):
    monkeypatch.setattr(engine._scorer._head, "rows", 5)  # slices of the vocabulary's rows
    tokens = [engine._start, *engine._plain.encode(TEXTS[3], add_special_tokens=False).ids]
    with torch.inference_mode():
        logits = engine._model(input_ids=torch.tensor([tokens])).logits[0, :-1].double()
    expected = torch.log_softmax(logits, -1).gather(1, torch.tensor(tokens[1:])[:, None]).sum()
    assert engine.score([("", TEXTS[3])])[0].logprob == pytest.approx(float(expected), abs=1e-2)


def test_special_tokens_are_read_in_a_chat_and_not_in_a_text(engine):
    assert len(engine._special.encode("<|im_start|>", add_special_tokens=False).ids) == 1
    assert engine.count_tokens(["<|im_start|>"])[0] > 1
    assert engine.score([("", "<|im_start|>")])[0].tokens > 1


def test_a_text_too_long_to_embed_is_refused(engine):
    for text in ("", "竹" * 300):
        with pytest.raises(UsageError, match="text 0 to embed"):
            engine.embed([text])


def test_many_requests_are_answered_in_order(engine):
    requests = [
        Request(prompt=TEXTS[at % len(TEXTS)][: 5 + at], max_tokens=1 + at % 7, temperature=0.9, seed=at)
        for at in range(hf._GENERATE_ROWS + 5)
    ]
    for request, answer in zip(requests, engine.generate(requests), strict=True):
        assert answer.usage.completion_tokens <= request.max_tokens
        assert answer == engine.generate([request])[0]


# --- drawing


def test_penalties_top_p_and_temperature_do_what_they_say():
    logits = torch.tensor([3.0, 2.9, 0.0, -5.0])
    none = frozenset()

    def drawn(count, **fields):
        drawing = Drawing(Request(prompt="a", max_tokens=1000, **fields), 1000)
        return [drawing.draw(logits, none) for _ in range(count)]

    assert drawn(5, temperature=0.0) == [0] * 5
    assert set(drawn(2, temperature=0.0, presence_penalty=1.0)) == {0, 1}
    assert drawn(4, temperature=0.0, frequency_penalty=0.2) == [0, 1, 0, 1]
    assert set(drawn(60, temperature=1.0, top_p=0.5, seed=1)) == {0}
    assert set(drawn(200, temperature=1.0, top_p=0.9, seed=1)) == {0, 1}
    assert set(drawn(400, temperature=2.0, seed=1)) >= {0, 1, 2}
    assert drawn(50, temperature=1.0, seed=5) == drawn(50, temperature=1.0, seed=5)
    assert drawn(50, temperature=1.0, seed=5) != drawn(50, temperature=1.0, seed=6)


def test_an_end_token_counts_and_is_not_said():
    drawing = Drawing(Request(prompt="a", temperature=0.0), 10)
    assert drawing.draw(torch.tensor([0.0, 1.0]), frozenset({1})) is None
    assert (drawing.finish, drawing.made) == ("stop", [1])
    short = Drawing(Request(prompt="a", temperature=0.0), 1)
    assert short.draw(torch.tensor([1.0, 0.0]), frozenset()) == 0
    assert short.draw(torch.tensor([1.0, 0.0]), frozenset()) is None
    assert short.finish == "length"


# --- text of tokens


@settings(max_examples=60)
@given(text=st.lists(st.sampled_from(TEXTS) | st.text(max_size=6), max_size=4).map("".join))
def test_tokens_fed_one_by_one_give_the_text(engine, text):
    text = text.encode("utf-8", "replace").decode()
    tokens = engine._plain.encode(text, add_special_tokens=False).ids
    made = TextOfTokens(engine._decode)
    pieces = [made.feed(token) for token in tokens]
    assert "".join(pieces) == engine._decode(tokens) == text
    assert not any("\ufffd" in piece for piece in pieces) or "\ufffd" in text


def test_a_character_cut_off_at_the_end_is_left_out(engine):
    tokens = engine._plain.encode("bambu 竹", add_special_tokens=False).ids
    made = TextOfTokens(engine._decode)
    assert "".join(made.feed(token) for token in tokens[:-1]).rstrip() == "bambu"
