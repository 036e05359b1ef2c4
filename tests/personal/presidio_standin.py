"""The three classes of presidio-analyzer that a recogniser is made of, in the shape of its documentation (release 2.2).

The library itself brings spaCy, 390 MB with what it needs, and is no part of the tests' environment.
"""


class AnalysisExplanation:
    def __init__(
        self,
        recognizer,
        original_score,
        pattern_name=None,
        pattern=None,
        validation_result=None,
        textual_explanation=None,
    ):
        self.recognizer, self.original_score, self.score = recognizer, original_score, original_score
        self.pattern_name, self.pattern, self.validation_result = pattern_name, pattern, validation_result
        self.textual_explanation = textual_explanation


class RecognizerResult:
    def __init__(self, entity_type, start, end, score, analysis_explanation=None, recognition_metadata=None):
        self.entity_type, self.start, self.end, self.score = entity_type, start, end, score
        self.analysis_explanation, self.recognition_metadata = analysis_explanation, recognition_metadata


class EntityRecognizer:
    def __init__(
        self,
        supported_entities,
        name=None,
        supported_language="en",
        version="0.0.1",
        context=None,
        country_code=None,
    ):
        self.supported_entities, self.name, self.supported_language = (
            supported_entities,
            name,
            supported_language,
        )
        self.version, self.context, self._country_code = version, context or [], country_code
        self.id = f"{name}_{id(self)}"
        self.load()

    def country_code(self):
        return self._country_code
