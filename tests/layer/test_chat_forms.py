"""Chat rows as training sees them are transformers' own rendering, in three forms, and the loss is on the answers alone.

Each form stands in a tokenizer's folder with special tokens of its own, as the bases of that kind publish them: one token each,
and where the kind has it, one that begins every text.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from families import SPECIAL, tokenizer_of, write_byte_level, write_sentencepiece
from rumpun.layer.batches import Batches, make_plan
from rumpun.layer.params import TrainParams
from rumpun.layer.source import CHAT
from rumpun.layer.tokenizer import Tokenizer
from rumpun.layer.tokens import ChatRows, tokenise
from rumpun.steps import quiet

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim"
    " + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% set first = '' %}{% set turns = messages %}{% if messages and messages[0]['role'] == 'system' %}"
    "{% set first = messages[0]['content'] + '\n\n' %}{% set turns = messages[1:] %}{% endif %}"
    "{% for m in turns %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n'"
    " + (first if loop.first else '') + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
HEADERS = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
TALKS = (
    [("user", "ไผ่คืออะไร?"), ("assistant", "หญ้าสูง ริมแม่น้ำ"), ("user", "Dan rumpun?"), ("assistant", "Serumpun bambu.")],
    [("system", "Answer briefly."), ("user", "ဝါးပင်"), ("assistant", "မြစ်ကမ်းတွင်")],
    [("user", "竹子?"), ("assistant", "长在河边。"), ("user", "மூங்கில்?"), ("assistant", " வளர்கிறது "), ("user", "tre"), ("assistant", "Cây tre\n\nbên bờ sông")],
    [("user", "assistant"), ("assistant", "user")],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of base: how its chats stand, and what ends an answer."""

    template: str
    end: str
    trims: bool


FORMS = {
    "chatml": Form(CHATML, "<|im_end|>", trims=False),
    "llama3": Form(LLAMA3, "<|eot_id|>", trims=True),
    "gemma": Form(GEMMA, "<end_of_turn>", trims=True),
}


def folder_of(folder: Path, name: str) -> Path:
    """A tokenizer's folder of this form."""
    folder.mkdir()
    path = folder / "tokenizer.json"
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": FORMS[name].template}
    if name == "gemma":
        write_sentencepiece(path)
        config |= {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    elif name == "llama3":
        tokens = write_byte_level(path, "llama-bpe")
        table = json.loads(path.read_text(encoding="utf-8"))
        plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        table["added_tokens"] += [
            {"id": tokens + n, "content": word} | plain for n, word in enumerate(HEADERS)
        ]
        begin = [{"SpecialToken": {"id": HEADERS[0], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        table["post_processor"] = {
            "type": "TemplateProcessing", "single": begin, "pair": [*begin, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {HEADERS[0]: {"id": HEADERS[0], "ids": [tokens], "tokens": [HEADERS[0]]}},
        }  # fmt: skip
        path.write_text(json.dumps(table), encoding="utf-8")
        config |= {"bos_token": HEADERS[0], "eos_token": HEADERS[4]}
    else:
        write_byte_level(path, "qwen2")
        config |= {"bos_token": SPECIAL[1], "eos_token": SPECIAL[2]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def messages(talk: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in talk]


def write_corpus(folder: Path) -> Path:
    (folder / "train").mkdir(parents=True)
    rows = [{"messages": messages(talk), "language": "id", "source": "s"} for talk in TALKS]
    (folder / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def expected(folder: Path, form: Form, talk: list[tuple[str, str]]) -> tuple[list[int], list[bool]]:
    """Ids by transformers alone, and which of them an assistant says, by counting tokens and not letters."""
    inner = tokenizer_of(folder)
    end = inner.convert_tokens_to_ids(form.end)

    def ids_of(turns: list[tuple[str, str]], opened: bool) -> list[int]:
        made = inner.apply_chat_template(
            messages(turns), tokenize=True, return_dict=False, add_generation_prompt=opened
        )
        return list(made)

    ids = ids_of(talk, False)
    learnt = [False] * len(ids)
    for place, (role, _) in enumerate(talk):
        if role == "assistant":
            before = ids_of(talk[:place], True)
            assert ids[: len(before)] == before
            stop = ids.index(end, len(before)) + 1
            learnt[len(before) : stop] = [True] * (stop - len(before))
    return ids, learnt


@pytest.mark.parametrize("name", FORMS)
def test_a_chat_row_is_what_transformers_makes_of_it(name: str, tmp_path: Path) -> None:
    folder, form = folder_of(tmp_path / name, name), FORMS[name]
    tokenizer = Tokenizer(folder)
    corpus = write_corpus(tmp_path / "corpus")
    (source,), _ = tokenise(corpus, tmp_path / "keep", tokenizer, quiet, chat=ChatRows())
    assert source.name == CHAT
    inner = tokenizer_of(folder)
    for place, talk in enumerate(TALKS):
        length = int(source.lengths[place])
        row, marks = source.read(place, 0, length).tolist(), source.learnt(place, 0, length).tolist()
        ids, learnt = expected(folder, form, talk)
        assert row == [*ids, tokenizer.end]
        assert marks == [*learnt, False]
        turns = [role for role, _ in talk if role != "system" or name != "gemma"]
        assert ids.count(inner.convert_tokens_to_ids(form.end)) == len(turns)  # one token, not its letters
        if name != "chatml":  # one beginning, however the tokenizer itself begins a text
            assert ids.count(inner.bos_token_id) == 1
            assert ids[0] == inner.bos_token_id
        said = "".join(
            (content.strip() if form.trims else content) + form.end
            for role, content in talk
            if role == "assistant"
        )
        assert inner.decode([i for i, yes in zip(row, marks, strict=True) if yes]) == said


@pytest.mark.parametrize("name", FORMS)
def test_the_loss_is_on_the_assistants_tokens(name: str, tmp_path: Path) -> None:
    """Laid into sequences, a target stands where the next token is the assistant's, and nowhere else."""
    folder = folder_of(tmp_path / name, name)
    tokenizer = Tokenizer(folder)
    corpus = write_corpus(tmp_path / "corpus")
    sources, _ = tokenise(corpus, tmp_path / "keep", tokenizer, quiet, chat=ChatRows())
    width = int(sources[0].lengths.max()) + 8
    params = TrainParams(
        tokens=width * 4, sequence_tokens=width, batch_sequences=1, chat_share=1.0, epochs_max=50.0
    )
    plan = make_plan(sources, params, {})
    batches = Batches(sources, plan, params, 3, {})
    known = []
    for talk in TALKS:
        ids, learnt = expected(folder, FORMS[name], talk)
        known.append(([*ids, tokenizer.end], [*learnt, False]))
    seen = set()
    for step in range(plan.steps):
        (tokens,), (targets,), _ = batches.batch(step)
        wanted, at = np.full(width, -1), 0
        while at < width:
            found = next(
                (n for n, (ids, _) in enumerate(known) if tokens[at : at + len(ids)].tolist() == ids), None
            )
            if found is None:
                assert set(tokens[at:].tolist()) == {tokenizer.end}  # what fills the sequence up
                break
            ids, learnt = known[found]
            for place, marked in enumerate(learnt):
                if marked:
                    wanted[at + place - 1] = ids[place]
            seen.add(found)
            at += len(ids)
        assert targets.tolist() == wanted.tolist()
    assert seen == set(range(len(TALKS)))


def test_a_form_that_rewrites_earlier_turns_is_refused(tmp_path: Path) -> None:
    """Such a form, as of models that drop earlier reasoning, would put the marks on other letters."""
    folder = folder_of(tmp_path / "chatml", "chatml")
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    changed = CHATML.replace("m['content']", "(m['content'] if loop.last else m['content'][:3])")
    path.write_text(json.dumps(config | {"chat_template": changed}), encoding="utf-8")
    with pytest.raises(ValueError, match="changes earlier turns"):
        Tokenizer(folder).chat(messages(TALKS[0]))


SYSTEM = {"id": "Jawab dalam Bahasa Indonesia.", "th": "ตอบเป็นภาษาไทย", "en": "Answer in English."}
INDONESIAN = "Karena rumpun bambu tumbuh di tepi sungai dan akarnya menahan tanah supaya tidak longsor."
THAI = "เพราะไผ่ขึ้นริมแม่น้ำและรากของมันยึดดินไว้"
ENGLISH = "Because the bamboo grows at the river and its roots hold the soil."
# (tag of the row, its turns): two of three of a language may be told, the translation out of it and the one with a text may not
ROWS = (
    ("id", [("user", "Mengapa?"), ("assistant", INDONESIAN)]),
    ("th", [("user", "ทำไม"), ("assistant", THAI)]),
    ("id", [("user", f"Translate into English: {INDONESIAN}"), ("assistant", ENGLISH)]),
    ("id", [("system", "Singkat saja."), ("user", "Mengapa?"), ("assistant", INDONESIAN)]),
    ("id", [("user", "Mengapa begitu?"), ("assistant", INDONESIAN)]),
    ("th", [("user", "ทำไมจึงเป็นอย่างนั้น"), ("assistant", THAI)]),
    ("zh", [("user", "为什么?"), ("assistant", "因为竹子长在河边。")]),
    ("id", [("user", "Lalu?"), ("assistant", INDONESIAN)]),
    ("id", [("user", "Sebabnya?"), ("assistant", INDONESIAN)]),
)  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    ("share", "told"),
    [(0.0, []), (0.5, [4, 5, 8]), (0.3, [8]), (0.75, [4, 5, 7, 8]), (1.0, [0, 1, 4, 5, 7, 8])],
)
def test_a_system_text_stands_before_its_share_of_a_languages_rows(
    name: str, share: float, told: list[int], tmp_path: Path
) -> None:
    """Counted in each language alone; not before what is answered in another, nor before a text of the row's own."""
    folder, form = folder_of(tmp_path / name, name), FORMS[name]
    corpus = tmp_path / "corpus"
    (corpus / "train").mkdir(parents=True)
    rows = [{"messages": messages(talk), "language": tag, "source": "s"} for tag, talk in ROWS]
    (corpus / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    chat = ChatRows(system=SYSTEM, share=share)
    (source,), _ = tokenise(corpus, tmp_path / "keep", Tokenizer(folder), quiet, chat=chat)
    for place, (tag, talk) in enumerate(ROWS):
        ids, learnt = expected(folder, form, [("system", SYSTEM[tag]), *talk] if place in told else talk)
        length = int(source.lengths[place]) - 1
        assert source.read(place, 0, length).tolist() == ids, place
        assert source.learnt(place, 0, length).tolist() == learnt, place


def test_a_system_text_is_checked() -> None:
    with pytest.raises(ValueError, match="chat_system: a text is empty"):
        TrainParams(chat_share=0.5, chat_system={"ms": " "}).check()
    with pytest.raises(ValueError, match=r"chat_system_share = 1.5"):
        TrainParams(chat_system_share=1.5).check()
    for shares in ({}, {"chat_share": 0.5, "chat_system_share": 0.0}):
        with pytest.raises(ValueError, match="chat_share or chat_system_share is 0"):
            TrainParams(chat_system={"ms": "Jawab dalam Bahasa Melayu."}, **shares).check()
