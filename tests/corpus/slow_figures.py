"""Every figure by plain Python, one text at a time: what the arrays are held against."""

import unicodedata
from collections import Counter

from rumpun.corpus.languages import known, spaced
from rumpun.corpus.letters import LETTERS, SCRIPTS, kinds_table
from rumpun.corpus.tag.batch import sentence_marks

CODE_SIGNS, BULLETS, CLOSERS = "{}[]<>=;|\\_`~^#$@&*+/", "•‣◦▪▫■□●○◆◇▶►➢➤✓✔·∙⁃*-–—", "\"'”’»)]}」』）】》›"


def is_space(c):
    return unicodedata.category(c)[0] == "Z" or c in "\t\n\r"


def is_letter(c):
    return unicodedata.category(c)[0] in "LM"


def script(c):
    kind = int(kinds_table()[ord(c)])
    return SCRIPTS[kind - LETTERS] if kind >= LETTERS else ""


def trim(line):
    start, end = 0, len(line)
    while start < end and is_space(line[start]):
        start += 1
    while end > start and is_space(line[end - 1]):
        end -= 1
    return line[start:end]


def over(part, whole, empty=0.0):
    return part / whole if whole else empty


def folded(line):
    def one(c):
        if unicodedata.category(c) == "Nd":
            return "0"
        lower = c.lower()
        return lower if len(lower) == 1 else c

    return "".join(one(c) for c in line)


def figures(text, tag):
    solid = [c for c in text if not is_space(c)]
    letters = [c for c in text if is_letter(c)]
    latin = [c for c in letters if script(c) == "Latn"]
    lines = text.split("\n")
    full = [trim(line) for line in lines if trim(line)]

    def share(holds):
        return over(sum(map(holds, solid)), len(solid))

    def ends_with(line):
        for _ in range(3):
            if line[-1] in CLOSERS and len(line) > 1:
                line = line[:-1]
        return line

    found = {
        "characters": len(text),
        "letter_share": share(is_letter),
        "digit_share": share(lambda c: unicodedata.category(c) == "Nd"),
        "punctuation_share": share(lambda c: unicodedata.category(c)[0] == "P"),
        "symbol_share": share(lambda c: unicodedata.category(c)[0] == "S"),
        "code_share": share(lambda c: c in CODE_SIGNS),
        "upper_share": over(sum(unicodedata.category(c) in ("Lu", "Lt") for c in latin), len(letters)),
        "lines": len(full),
        "line_mean": over(sum(map(len, full)), len(full)),
        "line_max": max(map(len, full), default=0),
        "line_end_share": over(sum(ends_with(line)[-1] in sentence_marks() for line in full), len(full)),
        "short_line_share": over(sum(len(line) < 30 for line in full), len(full)),
        "bullet_share": over(sum(line[0] in BULLETS for line in full), len(full)),
        "ellipsis_share": over(
            sum(ends_with(line)[-1] in "…⋯" or ends_with(line).endswith("...") for line in full), len(full)
        ),
        "links": links(text),
        "link_rate": over(1000 * links(text), len(text)),
        "replacement": text.count("\ufffd"),
        "control": sum(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in text),
    }
    seen, again = set(), 0
    for line in full:
        again += len(line) if folded(line) in seen else 0
        seen.add(folded(line))
    found["duplicate_line_share"] = over(again, sum(map(len, full)))
    found |= words(text, solid, tag) | own_script(letters, tag) | repeated(text)
    return found


def links(text):
    count = text.count("://")
    for at in range(len(text)):
        if text.startswith("www.", at) and (at == 0 or text[at - 1] != "/"):
            count += 1
        if text[at] == "@" and 0 < at < len(text) - 1:
            sides = (text[at - 1], text[at + 1])
            count += all(is_letter(c) or unicodedata.category(c) == "Nd" for c in sides)
    return count


def words(text, solid, tag):
    if tag not in known() or not spaced(tag):
        return {"word_mean": None}
    runs = sum(not is_space(c) and (n == 0 or is_space(text[n - 1])) for n, c in enumerate(text))
    return {"word_mean": over(len(solid), runs)}


def own_script(letters, tag):
    names = {"Hani" if s in ("Hans", "Hant") else s for s in known().get(tag, ((), 0))[0]} & set(SCRIPTS)
    if not names:
        return {"script_share": None}
    weight = Counter()
    for c in letters:
        weight[script(c)] += 3 if script(c) == "Hani" else 1
    weight["Zyyy"] = 0
    return {"script_share": over(sum(weight[name] for name in names), sum(weight.values()))}


def repeated(text):
    found = {}
    for n in (8, 24):
        counts = Counter(text[at : at + n] for at in range(len(text) - n + 1))
        windows, most = sum(counts.values()), max(counts.values(), default=0)
        found[f"top_{n}"] = min(1.0, over(most * n, len(text))) if most > 2 else 0.0
        found[f"repeat_{n}"] = over(windows - len(counts), windows)
    head = text[:2000]
    grams = [head[at : at + 4] for at in range(len(head) - 3)]
    found["distinct_4"] = over(len(set(grams)), len(grams), 1.0)
    return found
