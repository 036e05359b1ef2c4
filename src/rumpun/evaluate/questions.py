"""From an item to what an engine is asked: a text and what could follow it, or the turns of a chat."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rumpun.engines.port import Message
from rumpun.errors import InputError, UsageError
from rumpun.evaluate.items import Item
from rumpun.evaluate.prompts import Prompts, has_prompts, languages, lettered, prompts
from rumpun.evaluate.seahelm_prompts import BREAK, SeaHelmPrompts
from rumpun.evaluate.tasks import Task

__all__ = ["Method", "Question", "check_template", "label_words", "methods_of", "questions", "unaskable"]

Method = Literal["likelihood", "letters", "generate"]
_MOST_TOKENS = {
    "choice": 32,
    "label": 32,
    "text": 256,
    "instructions": 1024,
    "answerable": 512,
    "harmful": 256,
}
_OWN_WORDS = (
    "pairs",
    "bits",
    "tokens",
    "instructions",
    "answerable",
    "harmful",
    "turns",
    "parallel",
)  # families whose items need no prompt around them


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One item as it is put."""

    item: Item
    method: Method
    prompt: str = ""  # a text to go on from
    messages: tuple[Message, ...] = ()  # or a chat
    follows: tuple[str, ...] = ()  # what could follow the text, one of them right
    values: tuple[str, ...] = ()  # what each of them stands for: an option's text or a label
    shown: tuple[str, ...] = ()  # options as the prompt shows them, by their letters
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    asked_in: str = ""  # whose prompts; "" where the item's own words are all
    template: str = ""  # which variant of them
    tags: tuple[str, ...] = ()  # before an answer, besides those of the prompts


def _in_words_of_its_own(one: Task) -> bool:
    """Whether what is put stands in the items, or in another's configuration, and not in the prompts."""
    return one.family in _OWN_WORDS or one.helm is not None or not one.prompt


def unaskable(one: Task, language: str) -> str:
    """Why a task cannot be asked in a language, whatever the engine; "" where it can."""
    if _in_words_of_its_own(one):
        return ""
    if one.translates:
        named = language in languages() or prompts("en").name(language)
        return "" if named else f"prompts/en.toml has no name for the language '{language}'"
    if not has_prompts(language):
        return f"no prompts in the language '{language}'"
    if one.family == "label":
        words = _words(one, prompts(language), language)
        if lacking := [label for label in one.labels_in(language) if label not in words]:
            return f"the prompts have no word for the label '{lacking[0]}'"
    return ""


def check_template(template: int, tasks: Sequence[tuple[Task, str]]) -> None:
    """Refuse a variant of the instruction that no task has.

    Raises:
        UsageError: there is none of that number.
    """
    most = 1
    for one, language in tasks:
        if not _in_words_of_its_own(one):
            own = _prompts_of(one, language)
            names = ("causal.cause", "causal.effect") if one.prompt == "causal" else (one.prompt,)
            most = max(most, *(len(own.variants(name, form)) for name in names for form in ("cloze", "ask")))
    if template >= most:
        raise UsageError(
            f"--template {template}: no task has more than {most} variants", f"name one from 0 to {most - 1}"
        )


def methods_of(one: Task, can: frozenset[str]) -> tuple[Method, ...]:
    """The ways a task can be put to an engine of these abilities, the one taken by default first."""
    found: list[Method] = []
    if one.helm is not None:
        return ("generate",) if can & {"chat", "generate"} else ()
    if one.family in ("choice", "label", "pairs") and "score" in can:
        found += ["likelihood"] if one.family != "choice" else ["likelihood", "letters"]
    if one.family in ("choice", "label", "text", "instructions") and can & {"chat", "generate"}:
        found.append("generate")
    if one.family in ("answerable", "harmful", "turns") and "chat" in can:
        found.append("generate")
    return tuple(found)


def questions(
    one: Task, items: Sequence[Item], method: Method, *, chat: bool = True, template: int | None = None
) -> list[Question]:
    """Every item as it is put.

    Args:
        one: the task.
        items: its items.
        method: see `methods_of`.
        chat: whether what is generated is asked in a chat; else a text is gone on from.
        template: which variant of the instruction, or the last where there are fewer; by the item's id where none is
            named.

    Raises:
        UsageError: the language has no prompts.
        InputError: an item lacks what its prompt is filled with.
    """
    return [_question(one, item, method, chat=chat, template=template) for item in items]


def _question(one: Task, item: Item, method: Method, *, chat: bool, template: int | None) -> Question:
    if one.family == "pairs":
        return Question(item=item, method=method, follows=item.options, values=item.options)
    if one.family in ("instructions", "answerable", "harmful"):
        return _to_answer(one, item, item.fields["prompt"], chat=chat)
    if one.helm is not None:
        return _in_seahelms_words(one, item, one.helm, chat=chat)
    own, where = _prompts_of(one, item.language), f"{one.name}: item {item.id}"
    name, fields = _named(one, item, own, where)
    labels = _words(one, own, item.language) if one.family == "label" else {}
    if labels:
        fields["labels"] = ", ".join(words[0] for words in labels.values())
    shown = item.options
    if shown:
        if len(shown) > len(own.letters):
            raise InputError(
                f"{where}: {len(shown)} options",
                f"prompts/{own.language}.toml has {len(own.letters)} letters",
            )
        fields["options"] = lettered(shown, own.letters)
    # a text to go on from shows options only where their letters are compared or an answer is to name one
    form = "ask" if method == "letters" or (method == "generate" and (chat or shown)) else "cloze"
    variant, text = _variant(own, name, form, item, template)
    text = own.filled(text, fields, where)
    if form == "ask" and not (method == "generate" and chat):
        text = f"{text}\n\n{own.tag}"
    if method == "generate":
        return _to_answer(
            one,
            item,
            text,
            chat=chat,
            shown=shown,
            values=tuple(labels),
            asked_in=own.language,
            template=variant,
        )
    if method == "letters":
        follows: tuple[str, ...] = own.letters[: len(shown)]
    else:
        follows = tuple(words[0] for words in labels.values()) if labels else shown
    return Question(
        item=item, method=method, prompt=text, follows=tuple(own.join + one for one in follows), asked_in=own.language,
        values=tuple(labels) if labels else shown, template=variant,
    )  # fmt: skip


def _to_answer(
    one: Task, item: Item, text: str, *, chat: bool, shown: tuple[str, ...] = (), values: tuple[str, ...] = (),
    asked_in: str = "", template: str = "own",
) -> Question:  # fmt: skip
    return Question(
        item=item, method="generate", prompt="" if chat else text, messages=(Message("user", text),) if chat else (),
        max_tokens=_MOST_TOKENS[one.family], stop=() if chat or one.family == "instructions" else ("\n",),
        shown=shown, values=values, asked_in=asked_in, template=template,
    )  # fmt: skip


def _in_seahelms_words(one: Task, item: Item, helm: SeaHelmPrompts, *, chat: bool) -> Question:
    """As SEA-HELM puts it: turns of a chat, or one text for a model without a chat."""
    turns = helm.turns(item, chat=chat)
    asked = helm.languages[item.language]
    return Question(
        item=item, method="generate", messages=turns if chat else (), prompt="" if chat else helm.text(turns),
        max_tokens=asked.max_tokens or _MOST_TOKENS[one.family], stop=() if chat else (BREAK,), values=one.labels_in(item.language),
        asked_in=_prompts_of(one, item.language).language, template="SEA-HELM's", tags=(asked.prompt.answer_tag,),
    )  # fmt: skip


def _prompts_of(one: Task, language: str) -> Prompts:
    """Whose words ask it, letters and tags among them.

    A neighbour's translations would be into its own language: those are asked for in English. Where an item has its own
    words, English lends its letters to a language without any.
    """
    lacking = (
        not has_prompts(language)
        if _in_words_of_its_own(one)
        else one.translates and language not in languages()
    )
    return prompts("en" if lacking else language)


def _words(one: Task, own: Prompts, language: str) -> dict[str, tuple[str, ...]]:
    """Label -> its words: those of the prompt, or the label itself where the prompt is about no labels of its own."""
    labels = one.labels_in(language)
    words = own.labels(one.prompt) or {label: (label,) for label in labels}
    return {label: said for label, said in words.items() if not labels or label in labels}


def _named(one: Task, item: Item, own: Prompts, where: str) -> tuple[str, dict[str, str]]:
    """The prompt's name, and the fields of an item."""
    fields: dict[str, str] = dict(item.fields)
    if one.prompt == "causal":
        if fields.get("asks") not in ("cause", "effect"):
            raise InputError(f"{where}: asks = {fields.get('asks')!r}", "write cause or effect")
        return f"causal.{fields['asks']}", fields
    if one.translates:
        # out of the language of the prompts, or into it (see prompts/en.toml)
        out = item.more["from"] == own.language
        fields["language"] = own.name(str(item.more["to" if out else "from"]))
        return "translation.from" if out else "translation.into", fields
    return one.prompt, fields


def _variant(own: Prompts, name: str, form: str, item: Item, template: int | None) -> tuple[str, str]:
    """(Name of the variant, its text); where the item has its own words, they are all that is said."""
    if not name:
        return "own", "{prompt}\n{options}" if item.options and form == "ask" else "{prompt}"
    choices = own.variants(name, form)
    if template is None:
        place = hashlib.blake2b(item.id.encode(), digest_size=4).digest()[0] % len(choices)
    else:
        place = min(template, len(choices) - 1)
    return f"{own.language}/{name}/{form}/{place}", choices[place]


def label_words(question: Question, one: Task) -> Mapping[str, tuple[str, ...]]:
    """The words by which an answer's label is read."""
    own = prompts(question.asked_in)
    language = question.item.language
    return {label: words for label, words in _words(one, own, language).items() if label in question.values}
