"""`rumpun lineage`: from a model, a layer or any artefact back to its sources."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rumpun.records.lineage import Lineage


@click.command()
@click.argument("reference", metavar="PATH|ID|MODEL")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--verify", "rehash", is_flag=True, help="Hash every file again and name the first that does not match."
)
def lineage(reference: str, as_json: bool, rehash: bool) -> None:
    """Walk back to every source, its licence and the obligations that follow.

    REFERENCE is a GGUF file, a layer's or any artefact's folder, an artefact's id, or a model's name such as
    "default".
    """
    from rumpun.cli.show import put_json
    from rumpun.records.lineage import verify_file, verify_lineage

    walked = _walk(reference)
    if rehash:
        if Path(reference).expanduser().is_file():
            verify_file(Path(reference).expanduser(), walked)
        checked = verify_lineage(walked)
    if as_json:
        put_json(_record(walked) | ({"verified": checked} if rehash else {}))
        return
    _show(walked)
    if rehash:
        click.echo(f"\nverified: every file of {len(checked)} artefacts on this machine matches its manifest")


def _walk(reference: str) -> "Lineage":
    """Names and files become folders here; records know neither models nor GGUF."""
    from rumpun.records.lineage import walk

    path = Path(reference).expanduser()
    if path.is_dir() or re.fullmatch(r"[0-9a-f]{32}", reference):
        return walk(path if path.is_dir() else reference)
    if not path.is_file():
        from rumpun.engines.load import locate

        path = locate(reference)
        if path.is_dir():
            return walk(path)
    from rumpun.engines.load import said_by_gguf, sources_of_gguf

    folder, key, parents = said_by_gguf(path)
    return walk(folder or path, id=key, parents=parents, sources=sources_of_gguf(path))


def _record(walked: "Lineage") -> dict[str, object]:
    import msgspec

    record: dict[str, object] = msgspec.to_builtins(walked)
    return record | {"complete": walked.complete}


def _show(walked: "Lineage") -> None:
    for line in _tree(walked):
        click.echo(line)
    click.echo("\nsources, by licence:")
    for licence in walked.licences:
        flag = (
            "  ! not shippable: no layer may be given away with this behind it"
            if licence in walked.not_shippable
            else ""
        )
        click.echo(f"  {licence}{flag}")
        for source in walked.sources:
            if source.licence == licence:
                rows = f"  {source.rows:,} rows" if source.rows else ""
                click.echo(f"    {source.name} ({source.role}){rows}  {source.url}")
    click.echo("\nobligations:")
    for duty, licences in walked.obligations.items():
        click.echo(f"  {duty}: {', '.join(licences)}")
    if not walked.obligations:
        click.echo("  none")
    for gap in walked.missing:
        click.echo(f"\nmissing: {gap.id}, a parent of {gap.wanted_by}: {gap.problem}")


def _tree(walked: "Lineage") -> list[str]:
    nodes = {node.id: node for node in walked.nodes}
    lines: list[str] = []
    seen: set[str] = set()

    def draw(key: str, indent: str) -> None:
        node = nodes.get(key)
        if node is None:
            lines.append(f"{indent}missing  {key}")
            return
        again = "  (above)" if key in seen else "" if node.whole else "  (manifest only)"
        lines.append(f"{indent}{node.kind}  {node.name or '-'}  {node.id[:12]}  {node.step}{again}")
        if key not in seen:
            seen.add(key)
            for parent in node.parents:
                draw(parent, indent + "  ")

    draw(walked.root, "")
    return lines
