"""Our recognisers in Presidio: against a stand-in of its documented shape, and in its own engine where it is installed."""

import importlib.util
import sys
from pathlib import Path

import pytest

from rumpun.errors import MissingPartError, UsageError
from rumpun.personal import find
from rumpun.personal.names import entities_known, entity
from rumpun.personal.presidio import recognisers

TEXT = "HP 0812-3456-7890 dan NRIC S1234567D, budi@example.com; plat SBS3229P"


@pytest.fixture
def standin(monkeypatch):
    path = Path(__file__).with_name("presidio_standin.py")
    spec = importlib.util.spec_from_file_location("presidio_analyzer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "presidio_analyzer", module)
    return module


def test_there_is_one_for_each_language_with_every_entity(standin):
    made = recognisers(["en", "th"])
    assert [r.supported_language for r in made] == ["en", "th"]
    for recogniser in made:
        assert isinstance(recogniser, standin.EntityRecognizer)
        assert recogniser.supported_entities == list(entities_known())
        assert recogniser.country_code() is None
    assert recognisers(countries=["MY"])[0].country_code() == "my"
    assert recognisers(countries=["my", "sg"])[0].country_code() is None


def test_it_finds_what_we_find_at_the_same_places_with_the_reason(standin):
    (recogniser,) = recognisers()
    results = recogniser.analyze(TEXT, recogniser.supported_entities, None)
    assert all(isinstance(r, standin.RecognizerResult) for r in results)
    assert [(r.entity_type, r.start, r.end, r.score) for r in results] == [
        (entity(f.type), f.start, f.end, f.score) for f in find(TEXT)
    ]
    assert [r.analysis_explanation.textual_explanation for r in results] == [f.reason for f in find(TEXT)]
    assert all(r.recognition_metadata["recognizer_identifier"] == recogniser.id for r in results)


def test_entities_that_are_asked_for_alone(standin):
    (recogniser,) = recognisers()

    text = "HP 0812-3456-7890, budi@example.com, plat SBS3229P"

    def found(*entities):
        return [r.entity_type for r in recogniser.analyze(text, list(entities), None)]

    assert found("PHONE_NUMBER", "PERSON") == ["PHONE_NUMBER"]
    assert found("PERSON") == []
    assert found("SG_PLATE") == ["SG_PLATE"]  # off by default
    assert found() == ["PHONE_NUMBER", "EMAIL_ADDRESS"]


def test_countries_and_the_least_score(standin):
    (recogniser,) = recognisers(countries=["my"])
    assert [r.entity_type for r in recogniser.analyze("S1234567D 880101145678", None)] == ["MY_NRIC"]
    assert recognisers()[0].analyze("1234567890121", None) == []
    assert [r.entity_type for r in recognisers(least=0.3)[0].analyze("1234567890121", None)] == ["TH_TNIN"]
    with pytest.raises(UsageError, match="no pack for the country 'xx'"):
        recognisers(countries=["xx"])


def test_without_presidio_the_part_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(MissingPartError, match="the part 'presidio'"):
        recognisers()


def test_in_presidio_s_own_engine():
    presidio = pytest.importorskip("presidio_analyzer", reason="presidio-analyzer is not installed")
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class Blank(NlpEngine):
        def load(self): ...
        def is_loaded(self):
            return True

        def process_text(self, text, language):
            return NlpArtifacts([], [], [], [], self, language)

        def process_batch(self, texts, language, **_):
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word, language):
            return False

        def is_punct(self, word, language):
            return False

        def get_supported_entities(self):
            return []

        def get_supported_languages(self):
            return ["en", "th"]

    registry = presidio.RecognizerRegistry(
        recognizers=recognisers(["en", "th"]), supported_languages=["en", "th"]
    )
    engine = presidio.AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en", "th"])
    for language in ("en", "th"):
        results = engine.analyze(TEXT, language, return_decision_process=True)
        assert sorted(
            (r.entity_type, r.start, r.end) for r in results if r.entity_type != "SG_PLATE"
        ) == sorted((entity(f.type), f.start, f.end) for f in find(TEXT))
        assert all(r.analysis_explanation.textual_explanation for r in results)
    only = engine.analyze(TEXT, "th", entities=["EMAIL_ADDRESS"])
    assert [r.entity_type for r in only] == ["EMAIL_ADDRESS"]
    assert engine.analyze(TEXT, "th", score_threshold=0.98, entities=["EMAIL_ADDRESS"]) == []
    from presidio_analyzer import RecognizerRegistry

    assert RecognizerRegistry(recognizers=recognisers(countries=["my"])).get_country_codes() == ["my"]
