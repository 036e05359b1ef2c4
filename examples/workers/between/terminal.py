"""Two people at one terminal: they write in turn, and both read what is printed."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from between.tables import SIDES, tables
from between.talk import Talk, other_side
from between.trouble import Trouble

__all__ = ["converse"]

_MARKS = {"w:": "worker", "e:": "employer"}


def converse(talk: Talk, *, as_json: bool) -> int:
    """Read messages from standard input until it ends or says /quit; give the exit code.

    A line is one message, of the two in turn; `w:` or `e:` before it names whose it is. A message that could not be
    delivered is kept: an empty line sends it again.
    """
    if not as_json:
        for side in SIDES:
            _greet(talk, side)
    terminal = _Terminal(talk, as_json=as_json)
    while terminal.takes():
        pass
    return terminal.code


class _Terminal:
    """Whose turn it is, and what waits to be sent again."""

    def __init__(self, talk: Talk, *, as_json: bool) -> None:
        self.talk = talk
        self.as_json = as_json
        self.side = "worker"
        self.waiting = ""
        self.code = 0

    def takes(self) -> bool:
        """Take one line; False at the end."""
        if sys.stdin.isatty() and not self.as_json:
            tag = self.talk.languages[self.side]
            click.echo(f"{tables().says[tag][self.side]} ({tables().languages[tag][1]}) > ", nl=False)
        line = sys.stdin.readline()
        text = line.strip()
        if not line or text == "/quit":
            return False
        if text[:2].lower() in _MARKS:
            self.side, text = _MARKS[text[:2].lower()], text[2:].strip()
        text = text or self.waiting
        if text:
            self._send(text)
        return True

    def _send(self, text: str) -> None:
        self.waiting, self.code = "", 0
        try:
            turn = self.talk.say(self.side, text)
        except Trouble as trouble:
            if trouble.code == 5:  # the same message may pass when the address is back
                self.waiting, self.code = text, trouble.code
            click.echo(f"not sent: {trouble.line}", err=True)
            return
        shown = {side: self.talk.view(turn, side) for side in SIDES}
        if self.as_json:
            click.echo(json.dumps(shown, ensure_ascii=False))
        else:
            for side in (self.side, other_side(self.side)):
                _show(self.talk, shown[side], side)
        if not turn.translation.held:
            self.side = other_side(self.side)


def _greet(talk: Talk, side: str) -> None:
    words = tables().says[talk.languages[side]]
    click.echo(f"{words[side]}: {words['machine']}")
    if talk.weak:
        click.echo(f"  ! {words['weak']}")
    click.echo(f"  {words['not_advice']}")
    click.echo(f"  {words['stored' if talk.kept else 'not_stored']}\n")


def _show(talk: Talk, view: dict[str, Any] | None, side: str) -> None:
    if view is None:
        return
    words = tables().says[talk.languages[side]]
    click.echo(f"[{view['number']}] {words[side]}")
    if not view["held"]:
        click.echo(f"  {words['shown'] if view['mine'] else words['translation']}: {view['translation']}")
    if not view["mine"]:
        click.echo(f"  {words['original']}: {view['text']}")
    for note in view["notes"]:
        click.echo(f"  ! {note}")
    _show_terms(view["terms"], words)
    for sign in view["signs"]:
        click.echo(f"  {words['help']} ({sign['by']}): {sign['advice']}")
        for place in sign["places"]:
            empty = f"— ({words['empty']})"
            named = "; ".join(f"{found['name']} {found['address']}" for found in place["found"])
            click.echo(f"    {place['kind']}, {place['country']}: {named or empty}")
    click.echo()


def _show_terms(terms: list[dict[str, Any]], words: Mapping[str, str]) -> None:
    if terms:
        click.echo(f"  {words['terms']}:")
    for term in terms:
        click.echo(f"    {term['name']}")
        for cell in term["cells"]:
            click.echo(f"      {cell['country']}: {_cell(cell, words)}")


def _cell(cell: dict[str, Any], words: Mapping[str, str]) -> str:
    if cell["says"] is None:
        return f"— ({words['empty']})"
    domestic = f" {words['not_domestic']}" if cell["not_domestic"] else ""
    return (
        f"{cell['says']}{domestic} [{words['source']}: {cell['law']}, {cell['section']}, {cell['address']};"
        f" {words['as_of']} {cell['as_of']}, {words['unchecked']}]"
    )
