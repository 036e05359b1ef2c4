"""Runs to show: seeded scores and samples of a layer and its base in eleven languages, texts in their own script."""

import math
import random
from dataclasses import dataclass

import numpy as np

from rumpun.evaluate.records import Cell, Difference, Figure, Mean, ModelInfo, Sample, Scores
from rumpun.measure.paired import holm, paired

LAYER, BASE = "padi-pertama", "SmolLM2-135M-Instruct"
LANGUAGES = ("id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en")
TASKS = {
    "reading": ("understanding", "choice", 4), "sentiment": ("understanding", "label", 3), "nli": ("reasoning", "label", 3),
    "causal": ("reasoning", "choice", 2), "knowledge": ("knowledge", "choice", 4), "culture": ("culture", "choice", 4),
    "grammar": ("linguistics", "pairs", 2), "translation-into-english": ("generation", "text", 0),
    "translation-from-english": ("generation", "text", 0), "bpb": ("cost", "bits", 0), "tokens": ("cost", "tokens", 0),
}  # fmt: skip
NO_ITEMS = {("tl", "linguistics")}  # language and skill that the suite has nothing for
# language -> a passage, a question, four options of which the first is right
TEXTS = {
    "id": ("Setiap pagi nenek menyiram pohon jambu di belakang rumah sebelum pergi ke pasar.", "Apa yang disiram nenek?",
           ("pohon jambu", "pohon kelapa", "sawah tetangga", "bunga di halaman sekolah")),
    "ms": ("Abang Din membaiki bumbung surau selepas ribut semalam bersama jiran-jirannya.", "Apakah yang dibaiki?",
           ("bumbung surau", "jambatan kayu", "pagar sekolah", "perahu nelayan")),
    "vi": ("Chiều nào bà Tư cũng ra bến đò bán mấy chục trái dừa cho khách qua sông.", "Bà Tư bán gì ở bến đò?",
           ("trái dừa", "cá khô", "nón lá", "bánh tráng nướng")),
    "th": ("ทุกเย็นลุงชัยพายเรือไปเก็บผักบุ้งริมคลอง แล้วเอามาแบ่งให้เพื่อนบ้าน", "ลุงชัยเก็บอะไรริมคลอง",
           ("ผักบุ้ง", "ดอกบัว", "ปลาดุก", "กล้วยน้ำว้าที่สุกแล้ว")),
    "tl": ("Tuwing Sabado, naglalaba si Aling Rosa sa sapa habang naglalaro ang mga bata.", "Kailan naglalaba si Aling Rosa?",
           ("tuwing Sabado", "tuwing Lunes", "gabi-gabi", "tuwing pista ng bayan")),
    "my": ("ဦးလေးမောင်သည် နေ့တိုင်းမနက်တွင် မြစ်ကမ်းဘေးမှ ဟင်းရွက်များကို ခူးသည်။", "ဦးလေးမောင် ဘာကို ခူးသနည်း။",
           ("ဟင်းရွက်များ", "ပန်းသီးများ", "ငါးများ", "နှင်းဆီပန်းများ")),
    "km": ("រៀងរាល់ព្រឹក លោកតាសុខទៅស្រោចទឹកដើមស្វាយនៅក្រោយផ្ទះ មុនពេលទៅវត្ត។", "តើលោកតាសុខស្រោចទឹកអ្វី?",
           ("ដើមស្វាយ", "ដើមដូង", "ស្រែអ្នកជិតខាង", "ផ្កានៅមុខសាលារៀន")),
    "lo": ("ທຸກໆແລງ ປ້າຄຳໄປເກັບຜັກຢູ່ແຄມນ້ຳຂອງ ແລ້ວນຳມາຂາຍຢູ່ຕະຫຼາດ.", "ປ້າຄຳເກັບຫຍັງ?",
           ("ຜັກ", "ດອກໄມ້", "ປາແດກ", "ໝາກມ່ວງສຸກ")),
    "ta": ("ஒவ்வொரு காலையும் பாட்டி வீட்டின் பின்புறம் உள்ள மாமரத்திற்குத் தண்ணீர் ஊற்றுவார்.", "பாட்டி எதற்குத் தண்ணீர் ஊற்றுவார்?",
           ("மாமரத்திற்கு", "தென்னை மரத்திற்கு", "நெல் வயலுக்கு", "பள்ளித் தோட்டத்துப் பூக்களுக்கு")),
    "zh": ("每天傍晚，陈伯都会到河边收虾笼，再把虾分给左邻右舍。", "陈伯到河边收什么？", ("虾笼", "渔网", "衣服", "晒干的稻谷")),
    "en": ("Every evening Mr Lim waters the chillies on the roof and gives some to his neighbours.", "What does Mr Lim water?",
           ("the chillies", "the orchids", "the lawn", "the neighbour's papaya tree")),
}  # fmt: skip
LABELS = {"sentiment": ("positive", "neutral", "negative"), "nli": ("entailment", "neutral", "contradiction")}
_LEVELS = {  # how likely the layer and its base are right
    "id": (0.62, 0.41), "ms": (0.60, 0.40), "vi": (0.58, 0.37), "th": (0.57, 0.33), "tl": (0.52, 0.42), "my": (0.55, 0.31),
    "km": (0.53, 0.33), "lo": (0.46, 0.35), "ta": (0.47, 0.36), "zh": (0.49, 0.46), "en": (0.50, 0.56),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """What `rumpun eval run` leaves."""

    scores: Scores
    samples: list[Sample]
    against: list[Sample]


def wilson(right: int, count: int) -> tuple[float, float]:
    middle, reach = (
        (right + 1.92) / (count + 3.84),
        1.96 * math.sqrt(right * (count - right) / count + 0.96) / (count + 3.84),
    )
    return max(0.0, middle - reach), min(1.0, middle + reach)


def run(*, items: int = 12, seed: int = 0, models: int = 2, languages: tuple[str, ...] = LANGUAGES) -> Run:
    """A whole run: figures from the samples, differences by the project's own paired test."""
    samples = [_model(place, items, seed, languages) for place in range(models)]
    cells = [cell for place, own in enumerate(samples) for cell in _cells((LAYER, BASE)[place], own)]
    infos = [
        ModelInfo(name=LAYER, engine="llamacpp", digest="9f" * 32, context_tokens=8192, vocabulary=53_248, architecture="llama"),
        ModelInfo(name=BASE, engine="llamacpp", digest="b1" * 32, context_tokens=8192, vocabulary=49_152, architecture="llama"),
    ]  # fmt: skip
    scores = Scores(
        suite="region-chat", models=infos[:models], cells=cells,
        differences=_differences(*samples) if models > 1 else [], means=_means(cells, languages),
        missing=[{"language": tag, "skill": skill} for tag, skill in sorted(NO_ITEMS) if tag in languages],
        not_run=[{"model": BASE, "task": "translation-from-english", "language": "lo", "why": "the time was up"}] if models > 1 else [],
        made={
            "when": "2026-11-27T09:30:00Z", "version": "0.1.0", "seconds": 812.4, "languages": list(languages), "limit": items,
            "seed": seed, "runs": 1, "temperature": 0.0, "detectable": 4.6, "lint": {"reading: length gives it away": 2},
            "dropped": {"causal: no gold": 1},
            "command": f"rumpun eval run default --against base --suite region-chat --limit {items}",
        },
    )  # fmt: skip
    return Run(scores, samples[0], samples[1] if models > 1 else [])


def _model(place: int, items: int, seed: int, languages: tuple[str, ...]) -> list[Sample]:
    found = []
    for language in languages:
        for task, (skill, _, _) in TASKS.items():
            lost = place == 1 and (task, language) == ("translation-from-english", "lo")
            if (language, skill) not in NO_ITEMS and not lost:
                found += [_sample(place, task, language, number, seed) for number in range(items)]
    return found


def _sample(place: int, task: str, language: str, number: int, seed: int) -> Sample:
    luck = random.Random(f"{place}/{task}/{language}/{number}/{seed}")
    hard = random.Random(f"{task}/{language}/{number}/{seed}").uniform(-0.25, 0.25)
    passage, question, options = TEXTS[language]
    family, choices = TASKS[task][1:]
    common = {
        "task": task,
        "language": language,
        "id": f"{language}-{task}-{number:02}",
        "model": (LAYER, BASE)[place],
    }
    if family in ("bits", "tokens"):
        size = len(passage.encode()) if family == "bits" else len(passage)
        dear = _LEVELS[language][place]
        own = (
            {"bits": size * (3.2 - 2.5 * dear), "bytes": size}
            if family == "bits"
            else {"tokens": size * (2.4 - 3 * dear), "characters": size}
        )
        return Sample(**common, method="count", prompt=passage, scores=own)
    right = luck.random() < _LEVELS[language][place] + hard
    if family == "text":
        answer = options[0] if right else luck.choice(options)
        status = "truncated" if luck.random() < 0.04 else "ok"
        grade = min(100.0, max(0.0, luck.gauss(100 * _LEVELS[language][place], 12)))
        return Sample(
            **common, method="generate", prompt=[{"role": "user", "content": f"{question}\n\n{passage}"}], answer=f"{answer}. {passage}",
            tokens=[40, 30], parsed=answer, gold=[passage], scores={"chrf": grade}, score=grade, status=status,
        )  # fmt: skip
    shown = list(LABELS.get(task, options[:choices]))
    gold = shown[number % len(shown)]
    if luck.random() < 0.01:
        return Sample(
            **common,
            method="likelihood",
            prompt=passage,
            options=shown,
            gold=gold,
            status="error",
            error="time-out after 60 s",
        )
    chosen = gold if right else luck.choice([one for one in shown if one != gold])
    nats = [(-9.0 if one == chosen else -12.5) - luck.random() * 3 for one in shown]
    if task == "culture":  # asked in a chat
        answer = f"Jawaban: {chosen}" if luck.random() < 0.9 else "Saya tidak tahu pasti."
        parsed = chosen if chosen in answer else None
        score = float(parsed == gold)
        return Sample(
            **common, method="generate", prompt=[{"role": "user", "content": f"{question}\n" + "\n".join(shown)}], options=shown,
            answer=answer, tokens=[60, 12], parsed=parsed, gold=gold, scores={"accuracy": score}, score=score,
            status="ok" if parsed else "no answer found",
        )  # fmt: skip
    return Sample(
        **common, method="likelihood", prompt="" if family == "pairs" else f"{passage}\n\n{question}\n", options=shown, logprobs=nats,
        tokens=[2 + n for n in range(len(shown))], parsed=chosen, gold=gold, scores={"accuracy": float(chosen == gold)},
        score=float(chosen == gold), group=f"{language}-{number // 2}" if task == "reading" else "",
    )  # fmt: skip


def _cells(model: str, samples: list[Sample]) -> list[Cell]:
    found = []
    for task, language in dict.fromkeys((s.task, s.language) for s in samples):
        own = [s for s in samples if (s.task, s.language) == (task, language)]
        scored = [s for s in own if s.status != "error"]
        skill, family, choices = TASKS[task]
        common = {
            "task": task, "language": language, "skill": skill, "model": model, "items": len(own), "scored": len(scored),
            "parse_failures": sum(s.status == "no answer found" for s in own), "truncated": sum(s.status == "truncated" for s in own),
            "errors": len(own) - len(scored), "method": own[0].method, "licences": ["CC0-1.0"],
        }  # fmt: skip
        if family in ("bits", "tokens"):
            metric, top, bottom = {
                "bits": ("bits_per_byte", "bits", "bytes"), "tokens": ("tokens_per_character", "tokens", "characters"),
            }[family]  # fmt: skip
            value = sum(s.scores[top] for s in scored) / sum(s.scores[bottom] for s in scored)
            figure = Figure(value=value, ci95=(value * 0.96, value * 1.05))
            found.append(Cell(**common, metric=metric, metrics={metric: figure}))
            continue
        if family == "text":
            grades = np.array([s.scores["chrf"] for s in scored])
            reach = 2.2 * float(grades.std()) / math.sqrt(len(grades))
            figure = Figure(
                value=float(grades.mean()), ci95=(float(grades.mean()) - reach, float(grades.mean()) + reach)
            )
            found.append(
                Cell(
                    **common,
                    metric="chrf",
                    metrics={"chrf": figure, "in_language": Figure(value=0.9)},
                    normalised=figure,
                )
            )
            continue
        right, chance = int(sum(s.scores["accuracy"] for s in scored)), 1 / choices
        ends = wilson(right, len(scored))
        put = [100 * (value - chance) / (1 - chance) for value in (right / len(scored), *ends)]
        found.append(
            Cell(
                **common,
                metric="accuracy",
                metrics={"accuracy": Figure(value=right / len(scored), ci95=ends)},
                normalised=Figure(value=put[0], ci95=(put[1], put[2])),
                chance=chance,
                detectable=42.0,
            )
        )
    return found


def _differences(model: list[Sample], against: list[Sample]) -> list[Difference]:
    found = []
    others = {(s.task, s.language, s.id): s for s in against}
    keys = dict.fromkeys((s.task, s.language) for s in model if TASKS[s.task][1] not in ("bits", "tokens"))
    named = [(task, language, [task]) for task, language in keys]
    every = [task for task, (_, family, _) in TASKS.items() if family in ("choice", "label", "pairs")]
    named += [("*", language, every) for language in dict.fromkeys(s.language for s in model)]
    for task, language, tasks in named:
        metric = "chrf" if task.startswith("translation") else "accuracy"
        pairs = [
            (s.scores.get(metric, math.nan), others[s.task, s.language, s.id].scores.get(metric, math.nan))
            for s in model
            if s.task in tasks and s.language == language and (s.task, s.language, s.id) in others
        ]
        if pairs:
            said = paired(*np.array(pairs).T, draws=500)
            found.append(
                Difference(
                    task=task,
                    language=language,
                    metric=metric,
                    difference=said.difference,
                    ci95=said.interval,
                    p=said.p,
                    p_holm=None,
                    test=said.test,
                    items=said.items,
                    clusters=said.clusters,
                    left_out=said.left_out,
                )
            )
    for metric, task in (("bits_per_byte", "bpb"), ("tokens_per_character", "tokens")):
        found += [
            Difference(
                task=task,
                language=tag,
                metric=metric,
                difference=-0.4 + 0.1 * n,
                ci95=(-0.5 + 0.1 * n, -0.3 + 0.1 * n),
                p=None,
                p_holm=None,
                test="bootstrap interval",
                items=12,
                clusters=12,
            )
            for n, tag in enumerate(dict.fromkeys(s.language for s in model))
        ]
    done = []
    for task in dict.fromkeys(one.task for one in found):
        own = [one for one in found if one.task == task]
        mended = holm({n: one.p for n, one in enumerate(own) if one.p is not None})
        done += [
            Difference(**{f: getattr(one, f) for f in one.__struct_fields__} | {"p_holm": mended.get(n)})
            for n, one in enumerate(own)
        ]
    return done


def _means(cells: list[Cell], languages: tuple[str, ...]) -> list[Mean]:
    found = []
    for model in dict.fromkeys(cell.model for cell in cells):
        own = [cell for cell in cells if cell.model == model and cell.normalised]
        skills = list(dict.fromkeys(cell.skill for cell in own))
        by = {
            (tag, skill): [c for c in own if (c.language, c.skill) == (tag, skill)]
            for tag in languages
            for skill in skills
        }
        value = {key: float(np.mean([c.normalised.value for c in of])) for key, of in by.items() if of}
        for (tag, skill), figure in value.items():
            found.append(
                Mean(
                    model=model,
                    over="skill",
                    name=skill,
                    language=tag,
                    figure=Figure(value=figure),
                    cells=[c.task for c in by[tag, skill]],
                )
            )
        for tag in languages:
            there = [skill for skill in skills if (tag, skill) in value]
            mean = float(np.mean([value[tag, skill] for skill in there]))
            lacking = [skill for skill in skills if skill not in there]
            found.append(
                Mean(
                    model=model,
                    over="language",
                    name=tag,
                    language=tag,
                    figure=Figure(value=mean),
                    cells=there,
                    missing=lacking,
                )
            )
        common = [skill for skill in skills if all((tag, skill) in value for tag in languages)]
        mean = float(np.mean([value[tag, skill] for tag in languages for skill in common]))
        lacking = [skill for skill in skills if skill not in common]
        found.append(
            Mean(model=model, over="all", name="", figure=Figure(value=mean), cells=common, missing=lacking)
        )
    return found
