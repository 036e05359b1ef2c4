"""E-mail addresses, payment addresses and web addresses that carry credentials.

Letters of the region's scripts may touch an address on either side: the address is its ASCII part alone. Addresses
with other letters (RFC 6531) are not found: no sign says where they would end in running text.
"""

import re
import string
from collections.abc import Iterator

from rumpun.personal.found import Candidate
from rumpun.personal.rules import BAKONG

__all__ = ["addresses"]

_LOCAL_MOST, _DOMAIN_MOST, _URL_MOST = 64, 253, 2048  # code points (RFC 5321, RFC 1035; a bound on the work)
_LOCAL = string.ascii_letters + string.digits + "._%+'-"
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}+)(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62}+)*+")
_TOP = re.compile(r"xn--[A-Za-z0-9-]{1,59}\Z|[A-Za-z]{2,24}(?=[0-9-]|\Z)")  # a number may touch it
_URL = re.compile(
    r"[^\s<>\"'`{}|\\^\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u0b80-\u0bff\u3000-\u9fff\uff00-\uffef]+"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}\Z")
_USERINFO = re.compile(r"(?:\A|://)[^/?#@\s:]++:[^/?#@\s]++@")
_SECRET = re.compile(
    r"[?&#;](?:access[_-]?token|auth[_-]?token|id[_-]?token|refresh[_-]?token|token|api[_-]?key|apikey|client[_-]?secret"
    r"|password|passwd|pwd|pass|secret|session[_-]?id|sessionid|sid|sig|signature|x-amz-signature|auth|jwt|otp)=[^&#\s]",
    re.IGNORECASE,
)


def addresses(folded: str) -> Iterator[Candidate]:
    """E-mail addresses and web addresses with credentials, in a folded text; web addresses come first."""
    place = folded.find("://")
    while place >= 0:
        rest = _URL.match(folded, place + 3, min(len(folded), place + 3 + _URL_MOST))
        if rest:
            yield from _url(folded, place, rest.group().rstrip(".,;:!?)]"))
        place = folded.find(
            "://", rest.end() if rest else place + 3
        )  # what stands within an address is part of it
    place = folded.find("@")
    while place >= 0:
        yield from _email(folded, place)
        place = folded.find("@", place + 1)


def _url(text: str, place: int, body: str) -> Iterator[Candidate]:
    scheme = _SCHEME.search(text[max(0, place - 16) : place])
    if not scheme:
        return
    if _USERINFO.search(body):
        why = "user and password in the address"
    elif _SECRET.search(body):
        why = "a key in the address"
    else:
        return
    start = place - len(scheme.group())
    yield Candidate("URL_CREDENTIALS", start, place + 3 + len(body), 0.9, "", [why])


def _email(text: str, at: int) -> Iterator[Candidate]:
    before = text[max(0, at - _LOCAL_MOST) : at]
    name = before[len(before.rstrip(_LOCAL)) :].lstrip(".'%+-")
    if not name or name.endswith("."):
        return
    domain = _DOMAIN.match(text, at + 1, min(len(text), at + 1 + _DOMAIN_MOST))
    if not domain:
        return
    host = domain.group().rstrip("-")
    start = at - len(name)
    labels, top = host.split("."), None
    while len(labels) > 1 and not (top := _TOP.match(labels[-1])):
        labels.pop()  # "a@b.co.123": the address ends before the number
    if len(labels) > 1 and top:
        labels[-1] = top.group()
    end = at + 1 + len(".".join(labels))
    if len(labels) > 1:
        yield Candidate("EMAIL", start, end, 0.95, "", ["name@host.domain"])
    elif host.isalpha() and 3 <= len(host) <= 8:  # Bakong: name@bank
        yield Candidate("KH_BAKONG", start, end, 0.3, "kh", ["name@bank"], key=BAKONG, needs_context=True)
