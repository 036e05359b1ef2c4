"""Our recognisers for Microsoft Presidio's analyzer (the package `presidio-analyzer`, which is no dependency).

    for recogniser in recognisers(["en", "id"]):
        registry.add_recognizer(recogniser)

One recogniser stands for every type, since the types are settled among one another: a number that reads as an identity
card and as a phone is given once. Presidio asks for one object a language; they find the same, in text of any language.
Entities have Presidio's names where it has one (`names.PRESIDIO`).
"""

import importlib
from collections.abc import Collection, Iterable
from typing import Any

from rumpun.errors import MissingPartError
from rumpun.personal.finder import find
from rumpun.personal.found import MASK_AT
from rumpun.personal.names import entities_known, entity, type_of
from rumpun.personal.pack import chosen

__all__ = ["recognisers"]


def recognisers(
    languages: Iterable[str] = ("en",), countries: Collection[str] | None = None, least: float = MASK_AT
) -> list[Any]:
    """Presidio `EntityRecognizer`s, one for each language.

    Args:
        languages: codes that the analyzer is asked with; each is the `supported_language` of one recogniser.
        countries: as for `find`. Where one is named alone, the recogniser carries it as its `country_code`.
        least: the least score of what is given to Presidio, whose own threshold counts besides.

    Raises:
        MissingPartError: presidio-analyzer is not installed.
        UsageError: an unknown country.
    """
    try:
        presidio: Any = importlib.import_module("presidio_analyzer")
    except ImportError as error:
        raise MissingPartError("a recogniser for Presidio", "presidio") from error
    asked = [country for country in chosen(countries) if country != "all"]

    class RumpunRecogniser(presidio.EntityRecognizer):  # type: ignore[misc]  # the base may be missing
        """Identifiers, phones, addresses, cards and accounts of the region's countries."""

        def load(self) -> None:
            """Nothing to load."""

        def analyze(self, text: str, entities: list[str] | None, nlp_artifacts: object = None) -> list[Any]:
            """What the text holds of the entities; of every one that we find where none are named."""
            del nlp_artifacts
            known = set(self.supported_entities)
            wanted = known if not entities else known.intersection(entities)
            types = None if wanted == known else [type_of(name, "entities") for name in sorted(wanted)]
            if types == []:
                return []
            return [
                presidio.RecognizerResult(
                    entity(item.type),
                    item.start,
                    item.end,
                    item.score,
                    analysis_explanation=presidio.AnalysisExplanation(
                        recognizer=self.name, original_score=item.score, textual_explanation=item.reason
                    ),
                    recognition_metadata={"recognizer_name": self.name, "recognizer_identifier": self.id},
                )
                for item in find(text, countries, types, least)
            ]

    code = asked[0] if len(asked) == 1 else None
    return [
        RumpunRecogniser(
            supported_entities=list(entities_known()),
            name="RumpunRecogniser",
            supported_language=language,
            country_code=code,
        )
        for language in languages
    ]
