"""Scores of summaries, beside those of the text's first sentence: a model that cannot beat it has summed up nothing.

ROUGE-L of proper words is the headline; chrF++ and the ratio of lengths are of the whole set. The lead is the baseline that
summaries of news are known to lose against (Nallapati et al. 2017).
"""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import structs

from rumpun.evaluate.items import Item
from rumpun.evaluate.records import Sample
from rumpun.evaluate.text_metrics import Counts, Floats, chrf, rouge_l
from rumpun.evaluate.words import words
from rumpun.language import split

__all__ = ["beside_lead", "lead", "set_figures"]


def lead(text: str, language: str) -> str:
    """The first sentence of a text."""
    return next((one.strip() for one in split(text, language) if one.strip()), "")


def beside_lead(items: Sequence[Item], samples: Sequence[Sample]) -> list[Sample]:
    """Samples with `lead_rouge_l`, and in `more` the lead and the words of answer and reference; errors stay as they are."""
    leads = {item.id: lead(item.fields["text"], item.language) for item in items}
    there = [n for n, sample in enumerate(samples) if sample.status != "error"]
    done = list(samples)
    if not there:
        return done
    language = samples[0].language
    said = [leads[samples[n].id] for n in there]
    found = rouge_l(said, [list(samples[n].gold) for n in there], language)
    for row, n in enumerate(there):
        sample = samples[n]
        counts = [len(words(text, language)) for text in (sample.parsed or "", sample.gold[0])]
        done[n] = structs.replace(
            sample,
            scores=sample.scores | {"lead_rouge_l": float(found.values[row])},
            more=sample.more | {"lead": said[row], "words": counts},
        )
    return done


def set_figures(scored: Sequence[Sample]) -> Callable[[Counts], dict[str, Floats]]:
    """Counts of draws -> chrF++ of the answers and of the leads, and words of the answers to one of the references."""
    language = scored[0].language
    meant = [list(sample.gold) for sample in scored]
    own = chrf([sample.parsed or "" for sample in scored], meant, language)
    leads = chrf([str(sample.more["lead"]) for sample in scored], meant, language)
    lengths = np.array([sample.more["words"] for sample in scored], np.float64)

    def at(counts: Counts) -> dict[str, Floats]:
        said, told = np.moveaxis(counts @ lengths, -1, 0)
        return {"chrf": own.at(counts), "lead_chrf": leads.at(counts), "length_ratio": said / told}

    return at
