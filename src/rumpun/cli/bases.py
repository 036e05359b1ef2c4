"""`rumpun bases`: the models that layers can stand on."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rumpun.engines.catalogue import Listing


@click.group()
def bases() -> None:
    """Bases that layers can stand on: packaged, of this machine, known on a hub."""


@bases.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--no-count", is_flag=True, help="Leave tokens per character out: no model is opened.")
def list_bases(as_json: bool, no_count: bool) -> None:
    """List every known base: architecture, size, licence, and tokens per character for those at hand.

    Tokens per character are counted with each model's own tokenizer on ten short sentences a language, which were
    written by a language model and not reviewed by native speakers.
    """
    from rumpun.cli.show import put_json
    from rumpun.engines.catalogue import LANGUAGES, entries, look

    listings = [look(entry, count=not no_count) for entry in entries()]
    if as_json:
        put_json({"bases": [_record(listing, LANGUAGES) for listing in listings]})
        return
    for listing in listings:
        _show(listing)
    counted = [listing for listing in listings if listing.tokens_per_character]
    if counted:
        click.echo("\ntokens per character (fewer is cheaper and leaves more room in the context):")
        click.echo(f"{'':36}" + "".join(f"{tag:>6}" for tag in LANGUAGES))
        for listing in counted:
            cells = (listing.tokens_per_character.get(tag) for tag in LANGUAGES)
            click.echo(
                f"{listing.entry.name:36}" + "".join(f"{'' if c is None else f'{c:.2f}':>6}" for c in cells)
            )


def _show(listing: "Listing") -> None:
    entry = listing.entry
    state = "at hand" if entry.path and not listing.problem else "unusable" if listing.problem else entry.kind
    size = f"{entry.size_bytes / 1e9:.2f} GB" if entry.size_bytes else "not stated"
    licence = entry.licence or "not stated"
    click.echo(f"{entry.name:36} {state:9} {entry.family:9} {entry.architecture:15} {size:>11}  {licence}")
    if listing.problem:
        click.echo(f"{'':36} {listing.problem}")


def _record(listing: "Listing", languages: tuple[str, ...]) -> dict[str, object]:
    entry = listing.entry
    counts = listing.tokens_per_character
    return {
        "name": entry.name,
        "kind": entry.kind,
        "family": entry.family,
        "architecture": entry.architecture,
        "parameters": entry.parameters,
        "size_bytes": entry.size_bytes,
        "licence": entry.licence,
        "repository": entry.repository,
        "weights": entry.weights,
        "hidden": entry.hidden,
        "blocks": entry.blocks,
        "context_tokens": entry.context_tokens,
        "vocabulary": entry.vocabulary,
        "languages": entry.languages,
        "released": entry.released,
        "note": entry.note,
        "at_hand": bool(entry.path) and not listing.problem,
        "path": entry.path,
        "problem": listing.problem,
        "tokens_per_character": {tag: counts.get(tag) for tag in languages} if counts else None,
    }
