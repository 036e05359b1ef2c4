"""One text with its source: the row that corpora are made of."""

import hashlib

import msgspec

__all__ = ["Document", "document_id"]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One text as it was found, with where it came from."""

    id: str  # from the source, or 32 hex digits of blake2b(text): same text, same id
    text: str  # as given; no byte of it is changed by reading
    language: str  # BCP-47: "ms", "th", "en-SG"
    source: str  # a name in the inventory
    licence: str  # SPDX id or LicenseRef-; "unknown" never enters training
    url: str = ""
    domain: str = ""


def document_id(text: str) -> str:
    """32 hex digits that name a text by its content."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
