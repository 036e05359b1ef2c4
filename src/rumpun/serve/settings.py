"""Every limit of the service, with its default and unit."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["GuardFail", "GuardMode", "Hold", "Settings", "is_loopback"]

GuardMode = Literal["off", "warn", "block"]
GuardFail = Literal["closed", "open"]
Hold = Literal["sentence", "clause"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the service behaves. The defaults are for one machine and its owner."""

    host: str = "127.0.0.1"
    port: int = 8765  # 0 lets the system choose
    guard: GuardMode = "warn"
    guard_fail: GuardFail = (
        "closed"  # where no verdict can be had: 503, or the text passes unchecked and says so
    )
    contexts: tuple[str, ...] = ()  # labels of the place, for the guard's policy
    hold: Hold = (
        "sentence"  # what an answer is held by in mode "block"; "clause": a long first sentence in parts
    )
    mask_personal: bool = False  # whether personal data in answers is masked
    api_keys: tuple[str, ...] = field(default=(), repr=False)  # none: anyone who reaches the address may ask
    hosts: tuple[str, ...] = ()  # Host names allowed besides localhost and the bound one, on loopback
    origins: tuple[str, ...] = ()  # foreign web origins that may post, such as "https://example.org"

    body_bytes_max: int = 1 << 20  # of a request; more is 413
    body_seconds: float = 30.0  # for a request's body to arrive; longer is 408
    head_seconds: float = 20.0  # for a request's head to arrive; longer closes the connection
    requests_max: int = 256  # being read, queued or answered at once; more is 429

    tokens_default: int = 512  # of an answer, when the request does not say
    tokens_max: int = 4096  # of an answer; more is 400
    prompts_max: int = 16  # in one completion request
    stops_max: int = 16  # stop strings
    stop_characters_max: int = 200  # of one stop string
    inputs_max: int = 256  # texts in one embedding or moderation request

    queue_length: int = 64  # requests that wait for a slot of one model; more is 429
    queue_seconds: float = 120.0  # the longest wait for a slot; longer is 429
    request_seconds: float = 600.0  # queue and answer together; longer is 504, or an error event in a stream
    first_seconds: float = 5.0  # a stream's head is sent after this long even when no token has come
    quiet_seconds: float = 10.0  # a comment line keeps a silent stream alive this often
    stall_seconds: float = 20.0  # a client that reads nothing for this long is cut off
    buffer_bytes: int = 1 << 18  # of answer held for one slow reader before generation waits
    closing_seconds: float = 4.0  # for streams to end when the service stops

    guard_slots: int = 2  # requests for verdicts or personal data worked on at once
    embed_slots: int = 1  # embedding requests that the encoder works on at once


def is_loopback(host: str) -> bool:
    """Whether an address to bind can be reached from this machine alone."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
