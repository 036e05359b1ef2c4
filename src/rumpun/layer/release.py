"""The step `layer.release`: a layer's files with its cards and a copy of every ancestor's manifest.

[steps.release]
uses = "layer.release"
needs = ["corpus", "layer", "evaluate", "safety", "edge"]   # the last two are optional, and so is a merged model
with = { name = "rumpun-first", title = "A first layer", cannot = ["…"] }
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rumpun.errors import InputError, UsageError
from rumpun.layer.cards import corpora_behind, data_cards, model_card
from rumpun.layer.harm import KIND, refuse_more_harm
from rumpun.layer.params import TRAINING
from rumpun.records.artefacts import Manifest, sha256_file
from rumpun.records.copies import keep_copy
from rumpun.records.licences import shippable
from rumpun.records.lineage import ancestors, walk
from rumpun.records.service import Service, write_service
from rumpun.steps import Outcome, Work, step
from rumpun.weights.layer_file import SPEC_FILE, TENSORS_FILE, read_spec

__all__ = ["CARD", "DATA", "ReleaseParams", "release", "taught_system"]

CARD, DATA = "CARD.md", "DATA.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseParams:
    """What a release is called and what its card adds."""

    name: str
    title: str = ""  # heading of the card; the name where empty
    cannot: tuple[str, ...] = ()  # more sentences on what it cannot do
    max_bytes: int = 25_000_000  # of the whole folder: what the repository takes
    policy: str = ""  # of the guard, when the layer is served: a name that `rumpun policy show` knows
    contexts: tuple[str, ...] = ()  # labels of the place, for that policy
    caution: str = ""  # said on the page: what it is not for
    tell: tuple[
        str, ...
    ] = ()  # languages that the service tells it by the texts of `chat_system`; measure before you name one

    def check(self) -> None:
        """Refuse a name that is no folder's."""
        if not self.name or self.name.strip(".") == "" or set(self.name) & set("/\\:\0\n"):
            raise ValueError(f"name = {self.name!r}: expected a folder's name such as 'rumpun-first'")
        if self.max_bytes < 1:
            raise ValueError(f"max_bytes = {self.max_bytes}: expected 1 or more")


@step(kind="layer", version=7, needs=("layer", "corpus", "evaluation"))
def release(params: ReleaseParams, work: Work) -> Outcome:
    """Copy the layer byte for byte, render its cards, and copy every ancestor's manifest.

    Raises:
        InputError: a licence forbids giving it away, it answers harmfully more often than its base where `evaluate.safety`
            asked it, an ancestor's manifest is missing, or the folder is too large.
        UsageError: the recipe names no layer, corpus or evaluation as inputs, or an input of another kind.
    """
    layer, corpus, evaluation = (work.input(kind) for kind in ("layer", "corpus", "evaluation"))
    if corpus.manifest.id not in {node.id for node in walk(layer.folder).nodes}:
        raise UsageError(
            f"the layer {layer.manifest.id} was not trained on the corpus {corpus.manifest.id}",
            "name the corpus that stands in the `needs` of the layer, or of one that it goes on from",
        )
    forbidden = [licence for licence in layer.manifest.licences if not shippable(licence)]
    if forbidden:
        raise InputError(
            f"a source under {forbidden[0]} stands behind the layer, which therefore may not be given away",
            "exclude its sources in the corpus step and train again",
        )
    safety = next((item.manifest for item in work.inputs if item.manifest.kind == KIND), None)
    if safety is not None:
        refuse_more_harm(layer.manifest, safety)
    for name in (SPEC_FILE, TENSORS_FILE):
        shutil.copyfile(layer.folder / name, work.folder / name)
        if sha256_file(work.folder / name) != sha256_file(layer.folder / name):
            raise InputError(f"{layer.folder / name}: changed while it was copied", "run again")
    shown = ("layer", "corpus", "evaluation", KIND)
    others = [i.manifest for i in work.inputs if i.manifest.kind not in shown]
    title = params.title or params.name
    behind = [manifest for manifest, _ in ancestors([layer.folder])]
    known = {manifest.id: manifest for manifest in (layer.manifest, *behind)}
    earlier = [found for found in corpora_behind(known, layer.manifest) if found.id != corpus.manifest.id]
    system = taught_system(known.values(), params.tell)
    card = model_card(
        title=title,
        name=params.name,
        spec=read_spec(work.folder),
        layer=layer.manifest,
        corpus=corpus.manifest,
        more_corpora=earlier,
        evaluation=evaluation.manifest,
        safety=safety,
        others=others,
        behind=behind,
        cannot=(*params.cannot, *_served(params, system)),
    )
    (work.folder / CARD).write_text(card, encoding="utf-8")
    data = data_cards([corpus.manifest, *earlier], title=title)
    (work.folder / DATA).write_text(data, encoding="utf-8")
    write_service(
        work.folder,
        Service(policy=params.policy, contexts=params.contexts, caution=params.caution, system=system),
    )
    copied = _copy_lineage(work)
    size = sum(path.stat().st_size for path in work.folder.rglob("*") if path.is_file())
    if size > params.max_bytes:
        raise InputError(
            f"{params.name}: {size:,} bytes, above max_bytes = {params.max_bytes:,}",
            "train with a smaller rank or fewer targets, or raise max_bytes",
        )
    summary = {"layer": layer.manifest.id, "ancestors": copied, "bytes": size}
    return Outcome(
        name=params.name, summary=summary | {"scores": evaluation.manifest.summary.get("languages", {})}
    )


def taught_system(known: Iterable[Manifest], tell: Sequence[str]) -> dict[str, str]:
    """The system texts of these languages that training put before chat rows; of several for one language the latest.

    Raises:
        UsageError: none was learnt for a language that is named.
    """
    found: dict[str, str] = {}
    for one in sorted(known, key=lambda one: one.created):
        params = one.maker.params
        if one.maker.step in TRAINING and params.get("chat_share") and params.get("chat_system_share"):
            found |= params.get("chat_system") or {}
    if lacking := [tag for tag in tell if tag not in found]:
        raise UsageError(
            f"tell: no system text was learnt for '{lacking[0]}'",
            f"learnt were: {', '.join(found) or 'none'}",
        )
    return {tag: found[tag] for tag in tell}


def _served(params: ReleaseParams, system: Mapping[str, str]) -> tuple[str, ...]:
    """The sentences of the card on how it is meant to be served."""
    place = f", in the context {', '.join(params.contexts)}" if params.contexts else ""
    guard = (
        f"Without a guard it is not meant to be served. The guard's policy for it: {params.policy}{place}."
    )
    told = (
        f"It learnt to answer after a system text that names the language ({', '.join(system)}). The command rumpun up puts it before a"
        " chat that has none, by the language of the question; another program has to do so itself (the texts are in service.toml)."
        " The figures on this card are without it."
    )
    return tuple(words for words, said in ((guard, params.policy), (told, system)) if said)


def _copy_lineage(work: Work) -> int:
    """Put the manifest of every ancestor into lineage/, packed, and return how many there are."""
    count = 0
    for manifest, path in ancestors([item.folder for item in work.inputs]):
        keep_copy(path, work.folder, manifest.id, packed=True)
        count += 1
    return count
