"""What a recipe says of a teacher; read without torch."""

from dataclasses import dataclass

from rumpun.layer.params import TuneParams

__all__ = ["DistilParams", "LogitsParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilParams:
    """How a teacher is asked, and which of its answers are kept."""

    teacher: str  # a name, a GGUF, a transformers folder, or an http(s) address
    teacher_model: str = ""  # of an address that serves several; empty: its first
    teacher_licence: str = ""  # SPDX, where the teacher does not say it itself: an address never does
    prompts: tuple[
        str, ...
    ] = ()  # files of rows {"messages" or "prompt", "language", "source", "licence"}; empty: the corpus's chat
    chat_sources: tuple[str, ...] = ()  # beginnings of the names of the sources asked; empty: every row
    languages: tuple[str, ...] = ()  # BCP-47; empty: every one
    prompts_per_language: int = 500
    answers_per_prompt: int = 1
    temperature: float = 0.7  # 0: the likeliest token each time
    top_p: float = 0.95
    answer_tokens_max: int = 512  # a longer answer is not finished, and left out
    budget_tokens: int = 0  # generated in all, those of answers left out too; 0: no end
    together: int = 16  # requests given to the teacher at once
    own_language: bool = True  # leave out answers in another language than asked for
    min_characters: int = 8  # of an answer
    repeated_share_max: float = 0.3  # of an answer's runs of 12 characters that have stood in it before
    guard_url: str = ""  # of a service with /v1/moderations; empty: answers are not judged
    keep_chat: bool = True  # the corpus's own chat rows go on beside the teacher's

    def check(self) -> None:
        """Refuse values that give no answers."""
        faults = [
            (not self.teacher, "teacher is empty"),
            (self.prompts_per_language < 1, f"prompts_per_language = {self.prompts_per_language}, expected 1 or more"),
            (self.answers_per_prompt < 1, f"answers_per_prompt = {self.answers_per_prompt}, expected 1 or more"),
            (self.answers_per_prompt > 1 and self.temperature == 0, "answers_per_prompt is above 1, and with temperature = 0 all are the same"),
            (not 0 <= self.temperature <= 2, f"temperature = {self.temperature}, expected 0 to 2"),
            (not 0 < self.top_p <= 1, f"top_p = {self.top_p}, expected above 0, at most 1"),
            (self.answer_tokens_max < 1, f"answer_tokens_max = {self.answer_tokens_max}, expected 1 or more"),
            (self.budget_tokens < 0, f"budget_tokens = {self.budget_tokens}, expected 0 or more"),
            (self.together < 1, f"together = {self.together}, expected 1 or more"),
            (not 0 <= self.repeated_share_max <= 1, f"repeated_share_max = {self.repeated_share_max}, expected 0 to 1"),
        ]  # fmt: skip
        for wrong, words in faults:
            if wrong:
                raise ValueError(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitsParams(TuneParams):
    """How a layer learns a teacher's distributions; the other fields are those of layer.tune."""

    teacher: str  # a transformers folder or a GGUF with the base's own tokenizer
    teacher_licence: str = ""  # SPDX, where the teacher does not say it itself
    teacher_weight: float = 0.5  # of the teacher's part in the loss; the text's own next tokens have the rest
    temperature: float = (
        1.0  # both distributions are softened by it, and the teacher's part is multiplied by its square
    )
    top_k: int = 0  # of the teacher's tokens told apart, the others together as one; 0: every token

    def check(self) -> None:
        """Refuse values that cannot be trained with."""
        TuneParams.check(self)
        faults = [
            (not self.teacher, "teacher is empty"),
            (self.replay.base_weight > 0, f"replay.base_weight = {self.replay.base_weight}: the teacher is asked of all text, leave it out"),
            (not 0 < self.teacher_weight <= 1, f"teacher_weight = {self.teacher_weight}, expected above 0, at most 1"),
            (self.temperature <= 0, f"temperature = {self.temperature}, expected a positive number"),
            (self.top_k < 0, f"top_k = {self.top_k}, expected 0 or more"),
        ]  # fmt: skip
        for wrong, words in faults:
            if wrong:
                raise ValueError(words)
