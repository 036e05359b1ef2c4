"""`rumpun corpus`: build a corpus, plan its mixture, trace a text in it, look at it, take rows back."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rumpun.corpus.trace.search import Found
    from rumpun.corpus.trace.spans import Spans
    from rumpun.corpus.withdraw.withdraw import Withdrawal

FILE = click.Path(path_type=Path)
STORE = click.option("--store", type=FILE, help="Folder of artefacts (default: the data folder).")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
CORPUS = click.option(
    "--corpus", required=True, metavar="DIR|RECIPE", help="A corpus's folder, or its recipe."
)


@click.group()
def corpus() -> None:
    """Build a corpus, trace a text in it, look at it, take rows back."""


@corpus.command(short_help="Make the corpus of a recipe.")
@click.argument("recipe", type=FILE)
@click.option("--engine", type=click.Choice(["native", "ray"]), help="This machine, or a Ray cluster.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes (default: the cores).")
@click.option("--plan", "only_plan", is_flag=True, help="Print the steps and their ids; make nothing.")
@STORE
@JSON
def build(
    recipe: Path,
    *,
    engine: str | None,
    workers: int | None,
    only_plan: bool,
    store: Path | None,
    as_json: bool,
) -> None:
    """Make the corpus of RECIPE: what stands is skipped, what was cut off resumes."""
    from rumpun.cli.run import walk
    from rumpun.corpus.find import corpus_steps, store_of
    from rumpun.recipes import read_recipe

    if engine:
        os.environ["RUMPUN_ENGINE"] = engine
    if workers:
        os.environ["RUMPUN_WORKERS"] = str(workers)
    walk(corpus_steps(read_recipe(recipe)), store_of(store), only_plan=only_plan, as_json=as_json)


@corpus.command(short_help="Plan the mixture of a recipe.")
@click.argument("recipe", type=FILE)
@click.option("--dry-run", is_flag=True, help="Print the plan; write nothing.")
@STORE
@JSON
def mix(recipe: Path, dry_run: bool, store: Path | None, as_json: bool) -> None:
    """Plan the mixture of RECIPE: language, class, source, and how much of each is taken."""
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.corpus.find import corpus_steps, store_of
    from rumpun.corpus.mix.step import plan_table
    from rumpun.corpus.show import escaped
    from rumpun.recipes import read_recipe
    from rumpun.steps import run

    place, read = store_of(store), read_recipe(recipe)
    with progress_bars() as progress:
        if not dry_run:
            run(corpus_steps(read, "corpus.mix"), place, progress=progress)
        rows = plan_table(read, place, progress("planning"))
    if as_json:
        put_json({"recipe": read.name, "rows": rows})
        return
    form = "{:6} {:14} {:24} {:>10} {:>15} {:>15} {:>7} {:>7}"
    click.echo(form.format("", "class", "source", "documents", "available", "taken", "epochs", "share"))
    for row in rows:
        click.echo(
            form.format(
                row["language"], row["class"], escaped(row["source"])[:24], f"{row['documents']:,}", f"{row['available']:,}",
                f"{row['taken']:,}", f"{row['epochs']:.2f}", f"{100 * row['share']:.1f} %",
            )
        )  # fmt: skip


@corpus.command(short_help="Index a corpus, so that texts can be traced.")
@click.argument("folder", metavar="CORPUS")
@STORE
@JSON
def index(folder: str, store: Path | None, as_json: bool) -> None:
    """Index CORPUS (a folder or its recipe) for `trace`; one that is indexed already is left alone."""
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.corpus.find import corpus_folder, store_of
    from rumpun.corpus.trace.step import index_corpus
    from rumpun.records.artefacts import read_manifest

    place = corpus_folder(folder, store_of(store))
    with progress_bars() as progress:
        made = index_corpus(place, place.absolute().parent, progress=progress("indexing"))
    summary = read_manifest(made).summary
    if as_json:
        put_json({"corpus": str(place), "index": str(made), **summary})
        return
    click.echo(
        f"{made}\n{summary['documents']:,} documents, {summary['text_bytes']:,} bytes of text,"
        f" {summary['index_bytes']:,} bytes of index in {summary['shards']} shards"
    )


@corpus.command(short_help="Find every document that holds a text.")
@click.argument("text")
@CORPUS
@click.option(
    "--spans", is_flag=True, help="The parts of a long text that stand in the corpus, the rarest first."
)
@click.option("--min-letters", default=24, show_default=True, help="Of a part, with --spans.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Documents, or parts, to show."
)
@click.option("--exact-spelling", is_flag=True, help="Do not ask for other spellings and scripts.")
@STORE
@JSON
def trace(
    *,
    text: str,
    corpus: str,
    spans: bool,
    min_letters: int,
    limit: int,
    exact_spelling: bool,
    store: Path | None,
    as_json: bool,
) -> None:
    """Find every document that holds TEXT ("-" reads it from standard input), with its source and contributor."""
    import time

    from rumpun.cli.show import put_json
    from rumpun.corpus.find import corpus_folder, store_of
    from rumpun.corpus.trace.search import TraceIndex
    from rumpun.corpus.trace.spans import find_spans
    from rumpun.corpus.trace.step import indexes_of

    asked = sys.stdin.read() if text == "-" else text
    place = corpus_folder(corpus, store_of(store))
    opened = TraceIndex.open(*indexes_of(place, [store_of(store)]))
    start = time.perf_counter()
    if spans:
        found: Found | Spans = find_spans(opened, asked, min_letters=min_letters, limit=limit)
    else:
        found = opened.find(asked, limit=limit, spellings=not exact_spelling)
    seconds = round(time.perf_counter() - start, 6)
    if as_json:
        import msgspec

        put_json({"corpus": str(place), "seconds": seconds, **msgspec.to_builtins(found)})
        return
    click.echo(f"{opened.documents:,} documents searched in {1000 * seconds:.1f} ms")
    if spans:
        _show_spans(found)  # type: ignore[arg-type]
    else:
        _show_found(found, "")  # type: ignore[arg-type]


def _show_found(found: "Found", indent: str) -> None:
    from rumpun.corpus.show import escaped

    click.echo(
        f"{indent}{found.documents:,} hold it" + (f", {len(found.matches)} shown" if found.matches else "")
    )
    for match in found.matches:
        note = f" ({match.note})" if match.note else ""
        by = f"  by {escaped(match.contributor)}" if match.contributor else ""
        times = f"  {match.occurrences} times" if match.occurrences > 1 else ""
        click.echo(
            f"{indent}{match.match:8} {match.language:5} {escaped(match.source)}  {escaped(match.id)}"
            f"  {escaped(match.licence)}{by}  {match.place}{times}{note}"
        )
        if match.url:
            click.echo(f"{indent}         {escaped(match.url)}")
        first = match.places[0]
        before, there, after = (escaped(part) for part in (first.before, first.text, first.after))
        click.echo(f"{indent}         {first.start}: {before}[{there}]{after}")


def _show_spans(found: "Spans") -> None:
    from rumpun.corpus.show import escaped

    share = 100 * found.covered / found.letters
    click.echo(
        f"{found.covered} of {found.letters} letters ({share:.0f} %) stand in the corpus, in {found.spans_in_all} parts of"
        f" {found.min_letters} letters or more"
    )
    for span in found.spans:
        click.echo(f"\n{span.start}–{span.end}: {escaped(span.text)}")
        _show_found(span.found, "  ")


@corpus.command(short_help="Show some documents, kept and dropped.")
@click.argument("folder", metavar="CORPUS")
@click.option("--language", default="", help="A BCP-47 tag.")
@click.option("--source", default="", help="A source's name.")
@click.option("--reason", default="", help="A rule or a stage: dropped documents alone.")
@click.option("--n", "count", default=5, show_default=True, help="Documents kept, and as many dropped.")
@click.option("--seed", default=0, show_default=True, help="Another seed, another sample.")
@STORE
@JSON
def show(
    *,
    folder: str,
    language: str,
    source: str,
    reason: str,
    count: int,
    seed: int,
    store: Path | None,
    as_json: bool,
) -> None:
    """Show some documents of CORPUS that were kept, and some that were dropped, with the reason."""
    import msgspec

    from rumpun.cli.show import put_json
    from rumpun.corpus.find import corpus_folder, store_of
    from rumpun.corpus.show import escaped, sample

    place = corpus_folder(folder, store_of(store))
    found = sample(place, language=language, source=source, reason=reason, count=count, seed=seed)
    if as_json:
        put_json({"corpus": str(place), "documents": msgspec.to_builtins(found)})
        return
    for item in found:
        why = ""
        if item.rule:
            limit = "" if item.threshold is None else f", threshold {item.threshold:g}"
            value = "" if item.value is None else f" = {item.value:g}"
            why = f"  {escaped(item.rule)}{value}{limit}  {escaped(item.detail)}".rstrip()
        by = f"  by {escaped(item.contributor)}" if item.contributor else ""
        click.echo(
            f"{item.place:8} {item.language:5} {escaped(item.source)}  {escaped(item.id)}  {escaped(item.licence)}{by}{why}"
        )
        click.echo(f"         {escaped(item.text, 400) or '(written down without its text)'}")


@corpus.command(short_help="Render the cards of a corpus again.")
@click.argument("folder", metavar="CORPUS")
@click.option("--out", type=FILE, help="The folder to write (default: CORPUS-cards in the working folder).")
@STORE
@JSON
def card(folder: str, out: Path | None, store: Path | None, as_json: bool) -> None:
    """Render the cards of CORPUS again: data card, Croissant, licence report, EU summary, counts and plots."""
    from rumpun.cli.show import put_json
    from rumpun.corpus.cards import render
    from rumpun.corpus.find import corpus_folder, store_of

    place = corpus_folder(folder, store_of(store))
    files = [str(path) for path in render(place, out or Path(f"{place.name}-cards"))]
    if as_json:
        put_json({"corpus": str(place), "files": files})
        return
    for path in files:
        click.echo(path)


@corpus.command(short_help="Take rows back, and prove that they are gone.")
@click.option("--source", "sources", multiple=True, help="Every row of a source. May be repeated.")
@click.option("--row", "rows", multiple=True, help="A row by its id. May be repeated.")
@click.option(
    "--contributor", "contributors", multiple=True, help="Every row of a contributor. May be repeated."
)
@CORPUS
@click.option("--reason", default="", help="Kept on the list of what was taken back.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@STORE
@JSON
def withdraw(
    *,
    sources: tuple[str, ...],
    rows: tuple[str, ...],
    contributors: tuple[str, ...],
    corpus: str,
    reason: str,
    dry_run: bool,
    store: Path | None,
    as_json: bool,
) -> None:
    """Take rows back: corpus and index are made again without them, and their absence is proved."""
    import msgspec

    from rumpun.cli.show import progress_bars, put_json
    from rumpun.corpus.find import corpus_folder, store_of
    from rumpun.corpus.withdraw.withdraw import withdraw as take_back
    from rumpun.corpus.withdrawn import Entry
    from rumpun.errors import UsageError

    entries = [Entry(what="source", name=name) for name in sources]
    entries += [Entry(what="row", name=name) for name in rows]
    entries += [Entry(what="contributor", name=name) for name in contributors]
    if not entries:
        raise UsageError("nothing to withdraw", "add --source NAME, --row ID or --contributor NAME")
    place = corpus_folder(corpus, store_of(store))
    with progress_bars() as progress:
        done = take_back(entries, place, reason=reason, dry_run=dry_run, progress=progress("withdrawing"))
    if as_json:
        put_json(msgspec.to_builtins(done))
        return
    _show_withdrawal(done)


def _show_withdrawal(done: "Withdrawal") -> None:
    from rumpun.corpus.show import escaped

    def put(words: str) -> None:
        click.echo(escaped(words))

    verb = "would go" if done.dry_run else "went"
    counts: dict[str, Any] = done.rows
    put(f"{', '.join(done.entries)}: {verb}: {', '.join(f'{n:,} {place}' for place, n in counts.items())}")
    put(f"  by source: {', '.join(f'{name} {n:,}' for name, n in done.by_source.items()) or 'none in use'}")
    put(f"  by language: {', '.join(f'{tag} {n:,}' for tag, n in done.by_language.items()) or 'none in use'}")
    put(f"  rows that stay: {done.rows_left:,}")
    if done.copies_dropped:
        put(
            f"  rows of others, dropped as copies of these: {done.copies_dropped:,}; the next build takes them in"
        )
    for title, group in (
        ("out of use" if not done.dry_run else "would be moved out of use", done.out_of_use),
        ("made from it, and still here: a person decides", done.made_from),
        ("other corpora", done.also_in),
    ):
        if group:
            put(f"{title}:")
        for item in group:
            put(f"  {item.kind:10} {item.name or '-'}  {item.id[:12]}  {item.place}  ({item.why})")
    if done.proof is None:
        return
    proof = done.proof
    put(f"now: {done.now}")
    put(f"index: {done.index}")
    put("proof:")
    put(
        f"  {proof.rows_read:,} rows read in the new corpus and {proof.drops_read:,} dropped ones, {proof.rows_left} of them withdrawn"
    )
    before = "" if proof.found_before is None else f"; {proof.found_before:,} were found in the old index"
    put(
        f"  {proof.spans:,} spans of {proof.texts:,} texts searched in the new index: {proof.found_after} found{before}"
    )
    if proof.texts_too_short:
        put(f"  {proof.texts_too_short:,} texts have too few letters to be searched")
    put(f"  {proof.spans_shared:,} spans and {proof.rows_sharing:,} rows of others hold the same words")
    for other in proof.shared:
        put(f"    {other.source}  {other.id}: {other.text}")
