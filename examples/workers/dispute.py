# ruff: noqa: INP001 - run as a script, beside its package
"""Two people, two languages, one dispute about pay across a border.

    python examples/workers/dispute.py --url http://127.0.0.1:8765/v1 --worker-language id --employer-language zh
    python examples/workers/dispute.py --page …       the same as a page, one link for each person

Translates through any OpenAI-compatible address; names the terms that differ between the two countries with their sources;
says when to see a labour office or a lawyer. No legal advice.
"""

import os
import sys
from pathlib import Path
from typing import Any

import click
from between.address import Address
from between.tables import LANGUAGES, tables
from between.talk import Talk
from between.trouble import Trouble

# the usual pair of countries for two languages; others are told by --countries
_USUAL = {
    ("id", "ms"): "ID-MY", ("id", "zh"): "ID-SG", ("id", "en"): "ID-SG", ("my", "th"): "MM-TH", ("my", "en"): "MM-TH",
    ("tl", "en"): "PH-SG", ("tl", "zh"): "PH-SG",
}  # fmt: skip


@click.command(help=__doc__.split("\n", 1)[0])
@click.option(
    "--url", default="http://127.0.0.1:8765/v1", show_default=True, help="An OpenAI-compatible address."
)
@click.option("--model", default="default", show_default=True, help="The model's name there.")
@click.option(
    "--api-key-file", type=click.Path(path_type=Path), help="A key for the address; else OPENAI_API_KEY."
)
@click.option("--worker-language", type=click.Choice(LANGUAGES), required=True)
@click.option("--employer-language", type=click.Choice(LANGUAGES), required=True)
@click.option(
    "--countries", metavar="HOME-WORK", help="ID-MY, ID-SG, MM-TH or PH-SG; by default by the languages."
)
@click.option(
    "--max-tokens",
    type=click.IntRange(8, 4000),
    default=400,
    show_default=True,
    help="Of one translated piece.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 3600),
    default=120,
    show_default=True,
    help="Seconds for one answer.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Write delivered messages to this new file; both are told.",
)
@click.option("--page", "is_page", is_flag=True, help="Serve a page instead of talking at the terminal.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the page listens.")
@click.option(
    "--port", default=8770, show_default=True, type=click.IntRange(0, 65535), help="0: any free one."
)
@click.option("--json", "as_json", is_flag=True, help="At the terminal: one object a message.")
def dispute(worker_language: str, employer_language: str, countries: str | None, **options: Any) -> None:
    """Start a talk, at the terminal or as a page."""
    pair = countries or _USUAL.get((worker_language, employer_language))
    if pair is None:
        known = ", ".join("-".join(one) for one in tables().pairs)
        raise Trouble(
            f"{worker_language} and {employer_language} have no usual pair of countries",
            f"add --countries, one of {known}",
            code=2,
        )
    home, _, work = pair.partition("-")
    key = _key(options["api_key_file"])
    with Address(options["url"], model=options["model"], key=key, timeout_s=options["timeout"]) as address:
        talk = Talk(
            address,
            {"worker": worker_language, "employer": employer_language},
            (home, work),
            max_tokens=options["max_tokens"],
            keep=options["keep"],
        )
        try:
            talk.try_out()
            if talk.weak:
                click.echo(f"warning: {tables().says['en']['weak']}", err=True)
            if options["is_page"]:
                code = _serve(talk, options["host"], options["port"])
            else:
                code = _converse(talk, as_json=options["as_json"])
        finally:
            talk.close()
    raise SystemExit(code)


def _converse(talk: Talk, *, as_json: bool) -> int:
    from between.terminal import converse

    return converse(talk, as_json=as_json)


def _serve(talk: Talk, host: str, port: int) -> int:
    import socket

    import uvicorn
    from between.page import create_app, links

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family)
    except OSError as error:
        raise Trouble(
            f"--host {host} --port {port}: cannot listen ({error.strerror})", "give another --port"
        ) from error
    app = create_app(talk)
    at = f"[{host}]" if ":" in host else host
    if host not in {"127.0.0.1", "::1", "localhost"}:
        click.echo("warning: the page is not encrypted; who listens on the network can read it", err=True)
    for side, link in links(app, f"http://{at}:{bound.getsockname()[1]}").items():
        click.echo(f"{side}: {link}")
    sys.stdout.flush()
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
    )
    uvicorn.Server(config).run(sockets=[bound])
    return 0


def _key(path: Path | None) -> str:
    if path is None:
        return os.environ.get("OPENAI_API_KEY", "").strip()
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(
            f"--api-key-file {path}: cannot be read", "name a text file with one key", code=3
        ) from error
    if not key or not key.isascii() or not key.isprintable():
        raise Trouble(f"--api-key-file {path}: holds no key", "write one key into it", code=3)
    return key


def main() -> None:
    """The command; a trouble is one line and an exit code."""
    try:
        dispute()
    except Trouble as trouble:
        click.echo(f"error: {trouble.line}", err=True)
        raise SystemExit(trouble.code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
