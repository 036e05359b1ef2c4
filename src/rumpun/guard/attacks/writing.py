"""Other ways of writing a language: in Latin letters, and mixed with English and with the particles of the street.

The tables of particles and short forms were written by a machine; no native speaker has reviewed them. They hold function
words only. Words for words come from the caller's lexicon.
"""

import random
from collections.abc import Mapping, Sequence

import regex

from rumpun.guard.attacks.attack import ANY, Attack
from rumpun.language.normalise import normalise
from rumpun.language.romanise import romanised
from rumpun.language.segment import segmenter_for

__all__ = ["ROMANISED", "mixed"]

_SHORT: Mapping[str, Mapping[str, str]] = {  # language -> usual form -> the short one
    "id": {
        "yang": "yg", "tidak": "gak", "saja": "aja", "dengan": "dgn", "untuk": "buat", "sudah": "udah", "karena": "krn",
        "saya": "gue", "aku": "gue", "kamu": "lo", "anda": "lo", "bagaimana": "gimana", "seperti": "kayak", "tetapi": "tapi",
        "sedang": "lagi", "hanya": "cuma", "dan": "sm", "juga": "jg", "orang": "org", "sekarang": "skrg", "bisa": "bs",
        "banyak": "byk", "kalau": "klo", "belum": "blm", "dari": "dr", "pada": "pd", "tahu": "tau", "benar": "bener",
        "ingin": "pengen", "membuat": "bikin", "terima": "trima", "sangat": "bgt", "tolong": "tlg", "kenapa": "knp",
    },
    "ms": {
        "yang": "yg", "tidak": "tak", "dengan": "dgn", "untuk": "utk", "sudah": "dah", "kerana": "sbb", "saya": "sy",
        "awak": "ko", "anda": "korang", "bagaimana": "macam mana", "seperti": "mcm", "sahaja": "je", "juga": "jgk",
        "orang": "org", "sekarang": "skrg", "boleh": "blh", "banyak": "byk", "kalau": "klu", "belum": "blm", "dari": "dr",
        "pada": "pd", "tahu": "tau", "hendak": "nak", "mahu": "nak", "macam": "mcm", "kenapa": "npe", "tolong": "tlg",
    },
    "tl": {
        "kasi": "kc", "dito": "d2", "bakit": "bkt", "sa akin": "sakin", "hindi": "di", "mayroon": "meron", "ako": "aq",
        "ikaw": "u", "ngayon": "ngyn", "kailangan": "kelangan", "paano": "pano", "para": "pra", "talaga": "tlga", "lang": "lng",
    },
    "vi": {
        "không": "ko", "được": "đc", "với": "vs", "người": "ng", "vậy": "v", "biết": "bít", "rồi": "r", "gì": "j",
        "bây giờ": "bh", "mọi": "mọi", "trong": "trog", "cũng": "cx", "như": "nhu", "thế": "thía", "bạn": "bn", "những": "nh",
    },
    "en": {
        "you": "u", "are": "r", "please": "pls", "because": "cos", "the": "the", "your": "ur", "with": "w", "about": "abt",
        "people": "ppl", "what": "wat", "right": "rite", "going to": "gonna", "want to": "wanna", "tomorrow": "tmr",
    },
}  # fmt: skip
_PARTICLES: Mapping[str, Sequence[str]] = {  # put behind a word or a clause
    "en": ("lah", "leh", "lor", "ah", "hor", "sia", "meh", "one"),
    "id": ("sih", "dong", "deh", "kok", "nih", "loh", "kan", "ya"),
    "ms": ("lah", "kan", "weh", "kot", "pun", "tau", "eh"),
    "tl": ("naman", "ba", "eh", "nga", "kasi", "po", "noh", "promise"),
    "vi": ("nha", "á", "luôn", "vậy", "hen", "nè", "ok"),
    "th": ("ครับ", "นะ", "อ่ะ", "ป่ะ", "จ้า", "ok"),
    "lo": ("ເນາະ", "ແດ່", "ເດີ້", "ok"),
    "km": ("ណា", "ហ្មង", "ហ្នឹង", "ok"),
    "my": ("နော်", "လေ", "ဟ", "ok"),
    "ta": ("la", "da", "pa", "machi", "ok"),
    "zh": ("lah", "啦", "咯", "leh", "ok"),
}
_CLAUSE_END = regex.compile(r"(?<=\p{L}\p{M}*)(?=[,.?!;。，？！។၊။]|$)")


def _romanise(text: str, dice: random.Random) -> str:
    return romanised(normalise(text).text, dice)


def mixed(language: str, lexicon: Mapping[str, Sequence[str]], *, share: float = 0.4) -> Attack:
    """Code-mixing of one language (BCP-47): words by the lexicon, short forms, and particles behind clauses.

    Args:
        language: whose words are to be found, and whose particles are added.
        lexicon: word in small letters -> what may stand for it (English for others; for English, another language's).
        share: of the words that the lexicon has, how many are exchanged, 0 to 1.
    """
    main = language.partition("-")[0]
    short, particles = _SHORT.get(main, {}), _PARTICLES.get(main, ())
    cut = segmenter_for(language)

    def change(text: str, dice: random.Random) -> str:
        pieces: list[str] = []
        place = 0
        for start, end in cut.words(text):
            word = text[start:end]
            low = word.lower()
            said = word
            if low in lexicon and lexicon[low] and dice.random() < share:
                said = dice.choice(lexicon[low])
            elif low in short and dice.random() < 0.7:
                said = short[low]
            glued = said != word and word[:1] >= "\u0e00" and said.isascii()
            pieces += (text[place:start], f" {said} " if glued else said)
            place = end
        changed = str(regex.sub(r" {2,}", " ", "".join((*pieces, text[place:])))).strip(" ")
        if not particles:
            return changed
        return str(
            _CLAUSE_END.sub(lambda _: " " + dice.choice(particles) if dice.random() < 0.6 else "", changed)
        )

    return Attack(
        name="mixed",
        kind="writing",
        scripts=(ANY,),
        change=change,
        about="words mixed with English, short forms, and particles",
    )


ROMANISED = Attack(
    name="romanised", kind="writing", scripts=("Thai", "Khmr", "Mymr", "Laoo", "Taml", "Latn"), change=_romanise,
    needs=regex.compile(r"[\u0b80-\u0bff\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u1ea0-\u1ef9\u0111\u01a1\u01b0]"),
    about="Thai, Khmer, Burmese, Lao and Tamil in Latin letters; Vietnamese without marks",
)  # fmt: skip
