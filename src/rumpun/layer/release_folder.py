"""A finished layer -> a folder to give away: numbers, tokenizer, GGUF forms, cards, licences, signed lineage, checksums."""

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from rumpun.errors import EnvironmentFault, InputError, UsageError, nearest
from rumpun.layer.cards import corpora_behind, data_cards, model_card
from rumpun.layer.earlier import tokenizer_folder
from rumpun.layer.harm import refuse_more_harm
from rumpun.layer.params import KEPT_STATE
from rumpun.layer.release import CARD, DATA, ReleaseParams
from rumpun.layer.release_pages import hub_readme, licences_page
from rumpun.layer.release_verify import is_release, verify_release
from rumpun.layer.seal import release_facts, seal, trained_stage
from rumpun.layer.signing import Key
from rumpun.records.artefacts import MANIFEST, Manifest, read_manifest, sha256_file, verify, write_manifest
from rumpun.records.copies import LINEAGE, keep_copy
from rumpun.records.licences import shippable
from rumpun.records.lineage import ancestors
from rumpun.steps import Progress, quiet
from rumpun.weights.kinds import QUANTISATIONS, Quantisation
from rumpun.weights.layer_file import LayerSpec, read_layer

__all__ = ["LICENCES", "README", "Released", "Settings", "build_release", "read_forms"]

README, LICENCES = "README.md", "LICENCES.md"
# (GGUF to write, quantisation, what to say in it): puts the layer on its base
PutTogether = Callable[[Path, Quantisation, Manifest], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a release is called and which forms it has."""

    name: str = ""  # the layer's own name where empty
    forms: tuple[Quantisation, ...] = ("Q8_0", "Q4_0")  # GGUF files, NAME-FORM.gguf
    with_merged: bool = False  # base and layer as a transformers folder under merged/, float32


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A release that stands; keys are stable."""

    path: str
    name: str
    files: int
    bytes: int
    forms: tuple[str, ...]
    licences: tuple[str, ...]  # behind the weights
    obligations: dict[str, list[str]]
    stages: int  # each with a signed statement
    sources: int
    signature: str  # "ed25519 <key id>"


def read_forms(text: str) -> tuple[Quantisation, ...]:
    """Quantisations between commas; empty for none.

    Raises:
        UsageError: one is unknown or stands twice.
    """
    asked = [part.strip() for part in text.split(",") if part.strip()]
    found: list[Quantisation] = []
    for name in asked:
        known = next((kind for kind in QUANTISATIONS if kind == name), None)
        if known is None or known in found:
            problem = "twice" if known else f"no quantisation '{name}'"
            raise UsageError(f"--forms = {text}: {problem}", nearest(name, list(QUANTISATIONS)))
        found.append(known)
    return tuple(found)


def build_release(
    layer: Path,
    target: Path,
    settings: Settings,
    *,
    base: Path,
    key: Key,
    put_together: PutTogether,
    progress: Progress = quiet,
) -> Released:
    """Make the release of a layer's folder at `target`, which takes its name when the whole has been checked.

    Args:
        layer: a finished artefact: what `layer.release` made, or any other layer whose ancestors are on this machine.
        target: must not be there yet.
        settings: name and forms.
        base: the GGUF that the layer stands on.
        key: signs.
        put_together: writes one GGUF form.
        progress: called with (parts done, parts in all, part).

    Raises:
        UsageError: the target is there, the layer is a release already, or stands on another and models are asked for, or
            the name is no file's.
        InputError: the layer is damaged or no layer, an ancestor is missing, a licence forbids giving it away, or it was
            measured to answer harmfully more often than its base.
        EnvironmentFault: the target cannot be written.
    """
    if is_release(layer):
        raise UsageError(
            f"{layer}: a finished release already", "copy the folder, or send it: --to hub:owner/name"
        )
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target}: there already", "name another folder, or remove this one")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as place:
            folder = Path(place) / "new"
            made = _Making(layer, folder, settings, base, put_together=put_together, progress=progress)
            found = made.write(key)
            folder.rename(target)
    except OSError as error:
        raise EnvironmentFault(
            f"{error.filename or target}: {error.strerror or error}", "free space, or name another folder"
        ) from error
    return msgspec.structs.replace(found, path=str(target))


class _Making:
    """One release on its way."""

    def __init__(
        self,
        layer: Path,
        folder: Path,
        settings: Settings,
        base: Path,
        *,
        put_together: PutTogether,
        progress: Progress,
    ) -> None:
        self.layer, self.folder, self.settings, self.base = layer, folder, settings, base
        self.put_together, self.progress = put_together, progress
        self.manifest = verify(layer)
        if self.manifest.kind != "layer":
            raise InputError(f"{layer}: a {self.manifest.kind}, not a layer", "name a layer's folder")
        self.spec: LayerSpec = read_layer(layer)[0]
        self._check_stands_alone()
        self.name = _name(settings.name or self.manifest.name or layer.resolve().name)
        self.evaluation = _measured(layer, self.manifest, "evaluate.bpb")
        self.safety = _measured(layer, self.manifest, "evaluate.safety")
        self.lineage = list(ancestors([layer, *filter(None, (self.evaluation, self.safety))]))
        known = {manifest.id: manifest for manifest, _ in self.lineage}
        self.trained = trained_stage(known, self.manifest.id)
        self.corpora = corpora_behind(known, self.trained)
        self._check_licences()
        if self.safety:
            refuse_more_harm(self.manifest, read_manifest(self.safety))

    def _check_stands_alone(self) -> None:
        below = self.spec.stands_on
        if below is not None and (self.settings.forms or self.settings.with_merged):
            raise UsageError(
                f"{self.layer}: stands on the layer {below[:12]}…, so no model can be made of it and the base alone",
                'release the layer alone: --forms "", without --with-merged; or stack the two first:'
                " rumpun layer merge LOWER UPPER --method stack --out FOLDER",
            )

    def _check_licences(self) -> None:
        for licence in sorted({*self.trained.licences, self.spec.licence}):
            if not shippable(licence):
                raise InputError(
                    f"{self.layer}: a source under {licence} stands behind the layer, which therefore may not be given away",
                    "exclude its sources in the corpus step and train again",
                )

    def write(self, key: Key) -> Released:
        """Everything in its order; the seal comes last, and then the whole is checked as a stranger would."""
        parts = 3 + len(self.settings.forms) + self.settings.with_merged
        self._copy()
        if self.spec.stands_on is None:  # else the words of the layer under it belong to it too
            self.progress(1, parts, "tokenizer")
            tokenizer_folder(self.base, self.spec, self.folder)
        forms = [self._form(form, 2 + n, parts) for n, form in enumerate(self.settings.forms)]
        if self.settings.with_merged:
            self._merged(parts)
        self._pages(forms)
        write_manifest(self.folder, msgspec.structs.replace(self.manifest, name=self.name, files=()))
        self.progress(parts - 1, parts, "signing and checking")
        own = sha256_file(self.folder / LINEAGE / f"{self.trained.id}.json")
        facts = release_facts(read_manifest(self.folder), self.trained, own)
        seal(self.folder, key, facts)
        checked = verify_release(self.folder)
        self.progress(parts, parts, "released")
        sizes = [path.stat().st_size for path in self.folder.rglob("*") if path.is_file()]
        return Released(
            path="",
            name=self.name,
            files=len(sizes),
            bytes=sum(sizes),
            forms=tuple(forms),
            licences=tuple(facts["licences"]),
            obligations=facts["obligations"],
            stages=checked.stages,
            sources=checked.sources,
            signature=checked.signature,
        )

    def _copy(self) -> None:
        """The layer's own files as its manifest has them, and the manifest of every stage."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for entry in self.manifest.files:
            if PurePosixPath(entry.path).is_absolute() or ".." in PurePosixPath(entry.path).parts:
                raise InputError(
                    f"{self.layer / MANIFEST}: names {entry.path}, outside its folder", "fetch it again"
                )
            if entry.path == KEPT_STATE:
                continue
            path = self.folder / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.layer / entry.path, path)
            if sha256_file(path) != entry.sha256:
                raise InputError(f"{self.layer / entry.path}: changed while it was copied", "run again")
        for manifest, path in self.lineage:
            copy = self.folder / LINEAGE / f"{manifest.id}.json"
            if (
                not copy.exists()
            ):  # what the layer brings itself stays as it came; a packed one is laid open beside
                packed = copy.with_name(f"{copy.name}.gz")
                keep_copy(packed if packed.exists() else path, self.folder, manifest.id)

    def _form(self, form: Quantisation, done: int, parts: int) -> str:
        self.progress(done, parts, form)
        path = self.folder / f"{self.name}-{form}.gguf"
        # named as the release, with the sources and licences of the numbers alone
        about = msgspec.structs.replace(self.trained, id=self.manifest.id, name=self.name)
        self.put_together(path, form, about)
        return path.name

    def _merged(self, parts: int) -> None:
        from rumpun.weights.folder import write_folder

        self.progress(parts - 2, parts, "merging")
        write_folder(self.base, self.folder / "merged", layer=self.layer)

    def _pages(self, forms: list[str]) -> None:
        """The step's own cards where it made them, else made from the same manifests."""
        if not (self.folder / CARD).is_file():
            self._write(CARD, self._card())
        if not (self.folder / DATA).is_file():
            self._write(DATA, data_cards(self.corpora, title=self.name))
        self._write(LICENCES, licences_page(self.name, self.trained, self.spec))
        card = (self.folder / CARD).read_text(encoding="utf-8")
        self._write(README, hub_readme(card, self.trained, self.spec, forms=forms))

    def _card(self) -> str:
        return model_card(
            title=self.name,
            name=self.name,
            spec=self.spec,
            layer=self.manifest,
            corpus=self.corpora[0],
            more_corpora=self.corpora[1:],
            evaluation=read_manifest(self.evaluation) if self.evaluation else None,
            safety=read_manifest(self.safety) if self.safety else None,
            behind=[manifest for manifest, _ in self.lineage],
        )

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")


def _name(name: str) -> str:
    try:
        ReleaseParams(name=name).check()
    except ValueError as error:
        raise UsageError(f"--name: {error}", "name it: --name NAME") from error
    if not re.fullmatch(r"[\w.+-]+", name):
        raise UsageError(f"--name = {name!r}", "letters, digits and . _ + - alone, as file names take them")
    return name


def _measured(layer: Path, manifest: Manifest, step: str) -> Path | None:
    """The newest artefact of a step that measured this layer, among its neighbours; None where a release brings its own."""
    if manifest.maker.step == "layer.release":
        return None
    found = []
    for path in sorted(layer.resolve().parent.glob(f"[!.]*/{MANIFEST}")):
        try:
            other = read_manifest(path.parent)
        except InputError:
            continue
        if other.maker.step == step and manifest.id in other.parents:
            found.append((other.created, path.parent))
    return max(found)[1] if found else None
