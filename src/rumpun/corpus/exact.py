"""Exact duplicates: the same text, and the same address.

Texts are the same when they are equal after case folding and with one space for any run of white space; they are compared
by 128-bit BLAKE2b hashes, of which two differing texts share one in 10**38 pairs. Addresses are the same when their canonical
forms are.
"""

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.minhash import Hashes

__all__ = ["canonical_url", "firsts", "text_keys", "url_keys"]

_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"(utm_.*|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|igshid|mc_[ce]id|_ga|ref_src|phpsessid|jsessionid)",
    re.IGNORECASE,
)  # say how a reader came or which visit it is, not what the page holds
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_KEPT = "/:@!$&'()*+,;=~-._%"  # stand as they are in a path (RFC 3986)


def text_keys(texts: Sequence[str]) -> NDArray[np.void]:
    """[N] 16 bytes for each text, equal exactly where folded texts are."""
    made = b"".join(
        hashlib.blake2b(
            " ".join(text.casefold().split()).encode("utf-8", "surrogatepass"), digest_size=16
        ).digest()
        for text in texts
    )
    return np.frombuffer(made, dtype="V16")


def canonical_url(url: str) -> str:
    """One form for the addresses of one page; "" for what is no web address.

    Scheme and host in lower case, http as https, no "www.", user or default port; percent-encoding as RFC 3986 would have it;
    no tracking parameters, the others sorted; no fragment, no slash at the end.
    """
    try:
        return _canonical(url)
    except (
        ValueError
    ):  # a port that is no number, a broken IPv6 address, a host that cannot be written in ASCII
        return ""


def _canonical(url: str) -> str:
    parts = urlsplit(url.strip())
    scheme, host, port = parts.scheme.lower(), (parts.hostname or "").rstrip("."), parts.port
    if scheme not in _PORTS or not host:
        return ""
    host = (host if host.isascii() else host.encode("idna").decode()).removeprefix("www.")
    if port is not None and port != _PORTS[scheme]:
        host = f"{host}:{port}"
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    query = "&".join(
        "=".join(quote(item, safe="", errors="surrogateescape") for item in pair)
        for pair in sorted(pairs)
        if not _TRACKING.fullmatch(pair[0])
    )
    return f"https://{host}{_path(parts.path).rstrip('/')}{'?' + query if query else ''}"


def _path(path: str) -> str:
    """Percent-encoding as RFC 3986, section 6.2.2, would have it: %7E as ~, %2f as %2F and not as a slash."""
    return quote(_ESCAPE.sub(_plain, path), safe=_KEPT)


def _plain(match: "re.Match[str]") -> str:
    if not match.group(1):
        return "%25"
    character = chr(int(match.group(1), 16))
    return (
        character
        if character.isascii() and (character.isalnum() or character in "-._~")
        else match.group().upper()
    )


def url_keys(urls: Sequence[str]) -> NDArray[np.void]:
    """[N] 16 bytes for each address's canonical form; all zero for what is no web address."""
    made = b"".join(
        hashlib.blake2b(form.encode("utf-8", "surrogatepass"), digest_size=16).digest() if form else bytes(16)
        for form in map(canonical_url, urls)
    )
    return np.frombuffer(made, dtype="V16")


def firsts(rows: Hashes) -> tuple[Hashes, Hashes]:
    """(later, first): for every row but the first of each group of equal hashes, its key and the first one's.

    Args:
        rows: [3, M] high and low half of the hash, and the document's key, sorted.
    """
    if not rows.shape[1]:
        return rows[2], rows[2]
    new = np.concatenate([[True], (rows[:2, 1:] != rows[:2, :-1]).any(axis=0)])
    first = rows[2][np.flatnonzero(new)][np.cumsum(new) - 1]
    return rows[2][~new], first[~new]
