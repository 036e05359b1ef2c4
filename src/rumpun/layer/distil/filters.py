"""Which of a teacher's answers are kept."""

import json
from collections.abc import Sequence

from rumpun.engines.port import Finish
from rumpun.errors import EnvironmentFault, InputError
from rumpun.language import identify_all

__all__ = ["Guard", "languages_of", "refused", "repeated_share"]

_RUN = 12  # characters


def repeated_share(text: str) -> float:
    """Share of the text's runs of 12 characters, spaces left out, that have stood in it before."""
    letters = "".join(text.split())
    runs = [letters[at : at + _RUN] for at in range(len(letters) - _RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def languages_of(texts: Sequence[str]) -> list[str]:
    """The language of each text, BCP-47; `und` where there is no answer."""
    return [found.language for found in identify_all(texts, spans=False)]


def refused(
    text: str, finish: Finish, language: str, *, wanted: frozenset[str], least: int, repeated_most: float
) -> str:  # fmt: skip
    """Why an answer is left out, or an empty string.

    Args:
        text: the answer.
        finish: how it ended.
        language: what it is in.
        wanted: languages that it may be in; empty: any.
        least: characters.
        repeated_most: of `repeated_share`.
    """
    if finish != "stop":
        return "not finished"
    if len(text.strip()) < least or "\ufffd" in text:
        return "too short" if "\ufffd" not in text else "replacement characters"
    if repeated_share(text) > repeated_most:
        return "repeats itself"
    return "" if not wanted or language in wanted else "in another language"


class Guard:
    """A service that judges answers by OpenAI's /v1/moderations.

    They are sent with `role`, "assistant", which rumpun's own address takes; one that refuses the field is asked without.

    Args:
        url: of the service, with or without `/v1`.
    """

    def __init__(self, url: str) -> None:
        import httpx2

        self.url = url.rstrip("/").removesuffix("/v1") + "/v1/moderations"
        self._client = httpx2.Client(timeout=60.0)
        self._own = {"role": "assistant"}

    def flagged(self, texts: Sequence[str]) -> list[bool]:
        """Whether each answer is flagged.

        Raises:
            EnvironmentFault: nothing answers there.
            InputError: what answers is no guard.
        """
        import httpx2

        try:
            reply = self._client.post(self.url, json={"input": list(texts)} | self._own)
            if reply.status_code in (400, 422) and self._own:
                self._own = {}
                reply = self._client.post(self.url, json={"input": list(texts)})
        except httpx2.HTTPError as error:
            raise EnvironmentFault(
                f"guard_url: {self.url} does not answer ({type(error).__name__})",
                "start the guard, or mend the address",
            ) from error
        try:
            if reply.status_code != 200:
                raise ValueError(f"status {reply.status_code}")  # noqa: TRY301  # told with the other faults
            found = [bool(one["flagged"]) for one in json.loads(reply.content)["results"]]
            if len(found) != len(texts):
                raise ValueError(f"{len(found)} verdicts for {len(texts)} texts")  # noqa: TRY301
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"guard_url: {self.url} is no guard ({error})", "name rumpun's own address"
            ) from error
        return found

    def close(self) -> None:
        """Free the connection."""
        self._client.close()
