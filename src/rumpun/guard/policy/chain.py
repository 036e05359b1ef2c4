"""From a name or a path to the layers that it stands on, and which rule of which layer holds.

Order of precedence. Of two rules for the same category, level, role and context the one of the more specific layer
holds (base, ASEAN, country, tenant); within a layer an opt-in rule that is enabled holds before the file's others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rumpun.errors import UsageError, nearest
from rumpun.guard.judgement import ROLES, Role
from rumpun.guard.policy.layer import Citation, Layer, Rule
from rumpun.guard.policy.read import contradictions, place, read_layer
from rumpun.guard.policy.vocabulary import ANY, FOLDER
from rumpun.guard.policy.wording import NUMBERS, general

__all__ = ["COUNTRIES", "POLICIES", "Placed", "Table", "lay", "layers_of", "messages_of", "role_table"]

COUNTRIES = ("sg", "my", "id", "th", "vn", "ph", "mm", "kh", "la", "bn", "tl")
POLICIES = ("base", "asean", *COUNTRIES)


@dataclass(slots=True, kw_only=True)
class Placed:
    """A rule where it stands."""

    name: str
    rule: Rule
    layer: Layer
    citation: Citation
    on: bool  # False: opt-in and not enabled
    replaced: dict[str, str] = field(default_factory=dict)  # context -> the rule that holds there instead

    @property
    def active(self) -> bool:
        """Whether it holds anywhere."""
        return self.on and len(self.replaced) < len(self.rule.context)


Table = Mapping[
    tuple[str, Role, int], Mapping[str, Placed]
]  # (category, role, level) -> context -> what holds


def layers_of(name: str) -> tuple[Layer, ...]:
    """The layers of a policy, base first. A name that ends in `.toml` is a file's path.

    Raises:
        InputError: a file cannot be read or is not TOML.
        UsageError: an unknown name, a circle, or a file that a check refuses.
    """
    layers: list[Layer] = []
    path = _path(name, Path())
    while True:
        layer = read_layer(path)
        if any(layer.path.samefile(above.path) for above in layers):
            raise UsageError(
                f"{place(layers[-1], 'extends')} = '{layers[-1].extends}' leads back to itself",
                "extend a country's policy or base",
            )
        layers.append(layer)
        if layer.path.samefile(FOLDER / "base.toml"):
            break
        if not layer.extends:
            raise UsageError(f"{path}:1: the key 'extends' is missing", 'stand on a policy: extends = "base"')
        try:
            path = _path(layer.extends, path.parent)
        except UsageError as error:
            raise UsageError(f"{place(layer, 'extends')}: {error.message}", error.hint) from None
    layers.reverse()
    _check_together(layers)
    return tuple(layers)


def _path(name: str, folder: Path) -> Path:
    if name.endswith(".toml"):
        return folder / name
    if name not in POLICIES:
        raise UsageError(f"no policy is called '{name}'", nearest(name, POLICIES))
    return FOLDER / ("countries" if name in COUNTRIES else "") / f"{name}.toml"


def _check_together(layers: list[Layer]) -> None:
    """Refuse names that no layer so far has, and a rule's name that one has already."""
    messages: dict[str, object] = dict(general())
    citations: list[str] = []
    owners: dict[str, Layer] = {}
    for layer in layers:
        messages |= layer.messages
        citations += layer.citations
        for name, texts in layer.messages.items():
            if not any(texts.values()) or (
                name == "emergency" and not all(NUMBERS in t for t in texts.values())
            ):
                raise UsageError(
                    f"{place(layer, 'messages')}.{name}: no text, or one without {NUMBERS}",
                    "write the message",
                )
        for name, rule in layer.rules.items():
            where = place(layer, f"rules.{name}")
            if name in owners:
                raise UsageError(
                    f"{where}: {owners[name].path} has a rule of this name already", "choose another name"
                )
            owners[name] = layer
            if rule.citation not in citations:
                raise UsageError(
                    f"{where}.citation = '{rule.citation}': no such citation",
                    nearest(rule.citation, citations),
                )
            if rule.message and rule.message not in messages:
                raise UsageError(
                    f"{where}.message = '{rule.message}': no such message",
                    nearest(rule.message, list(messages)),
                )
        majority = layer.age_of_majority
        if majority and majority.citation not in citations:
            raise UsageError(
                f"{place(layer, 'age_of_majority')}.citation = '{majority.citation}': no such citation",
                nearest(majority.citation, citations),
            )


def messages_of(layers: tuple[Layer, ...]) -> dict[str, dict[str, str]]:
    """Name -> language -> text; the most specific layer's text of each language."""
    book = {name: dict(texts) for name, texts in general().items()}
    for layer in layers:
        for name, texts in layer.messages.items():
            book.setdefault(name, {}).update(texts)
    return book


def lay(layers: tuple[Layer, ...], enable: tuple[str, ...] = ()) -> list[Placed]:
    """Every rule of every layer, and which of them hold.

    Args:
        layers: base first.
        enable: opt-in rules that are on beside those that the layers enable.

    Raises:
        UsageError: `enable` names a rule that is not opt-in or not there, or two enabled ones contradict each other.
    """
    enabled = _enabled(layers, enable)
    placed: list[Placed] = []
    holds: dict[tuple[str, int, str, str], Placed] = {}
    citations: dict[str, Citation] = {}
    for layer in layers:
        citations |= layer.citations
        chosen = [name for name, rule in layer.rules.items() if rule.opt_in and name in enabled]
        refused = contradictions(layer, chosen)
        if refused:
            raise UsageError(refused, "enable one of the two")
        fresh = [
            Placed(
                name=name,
                rule=rule,
                layer=layer,
                citation=citations[rule.citation],
                on=not rule.opt_in or name in enabled,
            )
            for name, rule in layer.rules.items()
        ]
        placed += fresh
        for one in sorted((one for one in fresh if one.on), key=lambda one: one.rule.opt_in):
            for key in one.rule.keys:
                if key in holds:
                    holds[key].replaced[key[3]] = one.name
                holds[key] = one
    return placed


def _enabled(layers: tuple[Layer, ...], enable: tuple[str, ...]) -> set[str]:
    known: dict[str, Rule] = {}
    named: list[tuple[str, str]] = []
    for layer in layers:
        known |= layer.rules
        named += [(place(layer, "enable"), name) for name in layer.enable]
    for where, name in [*named, *(("enable", name) for name in enable)]:
        choices = [other for other, rule in known.items() if rule.opt_in]
        if name not in known:
            raise UsageError(f"{where}: no rule is called '{name}'", nearest(name, choices))
        if not known[name].opt_in:
            raise UsageError(f"{where}: the rule '{name}' is on already", "leave it out")
    return {name for _, name in named} | set(enable)


def role_table(placed: list[Placed]) -> Table:
    """What holds, by role: a rule for one role before a rule for any."""
    table: dict[tuple[str, Role, int], dict[str, Placed]] = {}
    for wanted in ("any", "one"):  # those for one role are written over those for any
        for one in placed:
            rule = one.rule
            if not one.on or (rule.role == ANY) != (wanted == "any"):
                continue
            for role in ROLES:
                if rule.role not in (ANY, role):
                    continue
                for context in rule.context:
                    if context not in one.replaced:
                        table.setdefault((rule.category, role, rule.level), {})[context] = one
    return table
