"""The step `layer.prune_vocabulary`: a layer without the added tokens that serve some languages alone.

[steps.parent]
uses = "layer.prune_vocabulary"
needs = ["corpus", "layer"]
with = { languages = ["zh"] }     # their text is cut in the base's own pieces again

For a language that has too little text to teach its new rows: the base's pieces serve it again, and the rows' bytes are free.
Text in which no dropped token stood is cut as before. Where no token is these languages', the layer comes out as it went in.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rumpun.engines.bases import find_base
from rumpun.errors import InputError
from rumpun.layer.base import base_facts, base_sha256, base_source
from rumpun.layer.params import PruneParams
from rumpun.layer.vocabulary.extend import TABLE_FILE, refuse_private
from rumpun.steps import Outcome, Work, step
from rumpun.weights.layer_file import TENSORS_FILE, read_layer, write_layer

__all__ = ["Kept", "PruneParams", "kept_words", "prune"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of added vocabulary."""

    places: tuple[int, ...]  # of tokens, in their order
    merges: tuple[str, ...]


def kept_words(
    tokens: Sequence[str],
    merges: Sequence[str],
    rates: Mapping[str, Mapping[str, float]],
    languages: Iterable[str],
    share: float,
) -> Kept:
    """Tokens less those that these languages use most, and less what only made them.

    Args:
        tokens: added ones.
        merges: added ones, "a b".
        rates: language -> token -> how often it stands in so much text.
        languages: whose tokens go.
        share: of a token's uses; where the languages have more of them, it goes.

    Returns:
        What stays. A part of a kept token is kept too, whoever uses it alone: so text whose tokens all stay is cut as before.
    """
    going = set(languages)
    used = dict.fromkeys(tokens, 0.0)
    theirs = dict(used)
    for tag, found in rates.items():
        for token in found.keys() & used.keys():
            used[token] += found[token]
            theirs[token] += found[token] if tag in going else 0.0
    kept = {token for token in tokens if used[token] and theirs[token] <= share * used[token]}
    made: dict[str, list[tuple[str, str]]] = {}
    for merge in merges:
        left, right = merge.split(" ")
        made.setdefault(left + right, []).append((left, right))
    whole = set(tokens)
    waiting = list(kept)
    while waiting:
        parts = {part for pair in made.get(waiting.pop(), ()) for part in pair} & whole - kept
        kept |= parts
        waiting += parts
    gone = whole - kept
    stay = tuple(merge for merge in merges if not {*merge.split(" "), merge.replace(" ", "")} & gone)
    return Kept(tuple(place for place, token in enumerate(tokens) if token in kept), stay)


@step(kind="layer", version=1, identity=base_facts, part="train", needs=("corpus", "layer"))
def prune(params: PruneParams, work: Work) -> Outcome:
    """A layer and the text that its tokens are counted in -> the layer with fewer tokens, and `table.json`.

    Raises:
        InputError: the layer stands on another base or has no vocabulary, a language has no text, or
            nothing of the layer would be left.
    """
    import tokenizers

    from rumpun.layer.vocabulary.base import BaseTokenizer
    from rumpun.layer.vocabulary.scored import spelt
    from rumpun.layer.vocabulary.table import cost_table
    from rumpun.layer.vocabulary.texts import read_corpus
    from rumpun.weights.gguf_write import whole_file

    corpus, layer = work.input("corpus").folder, work.input("layer")
    folder = layer.folder
    refuse_private(corpus)
    spec, tensors = read_layer(folder)
    base = find_base(params.base, work.progress)
    if spec.base_sha256 != base_sha256(base):
        raise InputError(f"{folder}: stands on another base than {params.base}", "name its own base")
    if not spec.tokens:
        raise InputError(f"{folder}: adds no token", "name a layer with vocabulary of its own")
    texts = read_corpus(corpus, params.bytes_max, params.parallel_sources)
    for tag in params.languages:
        if tag not in texts.train:
            raise InputError(f"{corpus}: no text in '{tag}'", f"it has {', '.join(sorted(texts.train))}")
    tokenizer = BaseTokenizer(base, work.progress)
    before = tokenizer.tokenizer(spec.tokens, spec.merges)
    merges = spelt(spec.tokens, tokenizer.joined) if tokenizer.scored else spec.merges
    kept = kept_words(spec.tokens, merges, _rates(before, texts.train), params.languages, params.share)
    if not (kept.places or spec.targets or spec.chat_template):
        raise InputError(f"{folder}: nothing of the layer would be left", "name fewer languages")
    tokens = tuple(spec.tokens[place] for place in kept.places)
    rows = cost_table(tokenizer.inner, tokenizer.tokenizer(tokens, kept.merges), texts)
    places = list(kept.places)
    write_layer(
        work.folder,
        msgspec.structs.replace(spec, tokens=tokens, merges=kept.merges),
        {
            name: numbers[places] if name.endswith(".rows") else numbers
            for name, numbers in tensors.items()
            if tokens or not name.endswith(".rows")
        },
    )
    with whole_file(work.folder / TABLE_FILE) as stream:
        stream.write(json.dumps(rows, indent=1).encode() + b"\n")
    place = layer.manifest.summary.get("data")  # in the text, where a run may go on
    return Outcome(
        sources=(base_source(base, params.base),),
        summary=({"data": place} if place else {})
        | {
            "tokens": len(tokens),
            "tokens_before": len(spec.tokens),
            "merges": len(kept.merges),
            "table": rows,
            "bytes": (work.folder / TENSORS_FILE).stat().st_size,
        },
        tools={"tokenizers": tokenizers.__version__},
    )


def _rates(tokenizer: Any, texts: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """How often each token stands in a byte of each language's text."""
    found = {}
    for tag, documents in texts.items():
        counts: Counter[str] = Counter()
        for encoded in tokenizer.encode_batch(list(documents), add_special_tokens=False):
            counts.update(encoded.tokens)
        size = sum(len(text.encode()) for text in documents) or 1
        found[tag] = {token: count / size for token, count in counts.items()}
    return found
