"""Rules of words: every listed phrase is found however it is typed, figures of speech and protection are let be."""

import tomllib
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

import rumpun.guard.words as module
from rumpun.errors import UsageError
from rumpun.guard.words import KINDS as LISTED
from rumpun.guard.words import WordRules
from rumpun.language.phrases import Phrases, phrases, shortest
from rumpun.language.refusals import refusals

FOLDER = Path(module.__file__).parent / "words"
TABLES = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))
}
DECLINING = {tag: {"refusals": [*own.phrases, *own.weak]} for tag, own in refusals().items()}
KINDS = (*LISTED, "refusals")
SCRIPTS = {"th": "Thai", "lo": "Lao", "km": "Khmer", "my": "Myanmar", "ta": "Tamil", "zh": "Han"}
RULES = WordRules.load()
DISTRESS = ("distress", "distress_now")


def some(entry, most):
    """Phrases of an entry, evenly taken, the first and the last among them."""
    all_ = phrases(entry)
    return all_ if len(all_) <= most else [all_[n * (len(all_) - 1) // (most - 1)] for n in range(most)]


def lists(language, kind):
    return DECLINING.get(language, {}).get(kind) or TABLES[language].get(kind, ())


def listed(language, kinds, most):
    return [(kind, p) for kind in kinds for entry in lists(language, kind) for p in some(entry, most)]


def missed(pairs, typed=lambda phrase: phrase):
    return [(kind, p) for kind, p in pairs if not RULES.phrases.find(typed(p), KINDS).get(kind)]


@pytest.mark.parametrize("language", TABLES)
def test_a_file_says_what_it_is(language):
    table = TABLES[language]
    assert table["language"] == language
    assert table["reviewed"] == "not reviewed"
    assert set(table) - {"language", "reviewed"} <= set(LISTED)
    assert "Machine-written" in (FOLDER / f"{language}.toml").read_text(encoding="utf-8").split("\n", 2)[1]


@pytest.mark.parametrize("language", TABLES)
def test_a_file_keeps_to_its_own_script(language):
    text = "\n".join(entry for kind in KINDS for entry in lists(language, kind))
    own = SCRIPTS.get(language, "Latin")
    others = regex.sub(rf"[\p{{{own}}}\p{{Common}}\p{{Inherited}}a-zA-Z]", "", text)
    assert others == ""
    assert own != "Latin" or ")(" not in text, "alternatives of Latin words are parted by a blank"
    assert len(regex.findall(rf"\p{{{own}}}", text)) > 0.9 * len(regex.findall(r"\p{L}", text))


@pytest.mark.parametrize("language", ["en", "id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh"])
def test_a_language_has_all_lists(language):
    count = {kind: sum(len(phrases(entry)) for entry in lists(language, kind)) for kind in KINDS}
    assert count["distress"] >= 40
    assert count["distress_now"] >= 15
    assert count["refusals"] >= 20
    assert min(count.values()) >= 5


@pytest.mark.parametrize("language", TABLES)
def test_every_phrase_is_found_alone_and_among_others(language):
    pairs = listed(language, KINDS, 12)
    assert missed(pairs) == []
    assert missed(pairs, lambda p: f"2026 {p} , 99") == []


@pytest.mark.parametrize("language", TABLES)
def test_every_phrase_is_found_in_capitals_and_with_characters_that_do_not_show(language):
    pairs = listed(language, KINDS, 2)
    assert missed(pairs, str.upper) == []
    assert missed(pairs, "\u200b".join) == []
    assert missed(pairs, lambda p: p.replace(" ", "  \u00a0")) == []


@pytest.mark.parametrize("language", [name for name in TABLES if name not in SCRIPTS])
def test_letters_apart_with_wider_gaps_between_words(language):
    pairs = [(k, p) for k, p in listed(language, DISTRESS, 2) if p.isalpha() or p.replace(" ", "").isalpha()]
    pairs = [(k, p) for k, p in pairs if min(map(len, p.split())) > 3]
    assert missed(pairs, lambda p: "   ".join(" ".join(word) for word in p.split())) == []


@pytest.mark.parametrize("language", SCRIPTS)
def test_blanks_between_syllables_hide_nothing(language):
    pairs = listed(language, DISTRESS, 2)
    assert missed(pairs, lambda p: " ".join(regex.findall(r"\X", p))) == []


@pytest.mark.parametrize("language", TABLES)
def test_distress_sets_its_level_and_figures_of_speech_do_not(language):
    for kind, phrase in listed(language, DISTRESS, 6):
        level = RULES.levels([phrase], "prompt").get("selfharm_risk", (0, ""))[0]
        assert level >= (2 if kind == "distress_now" else 1), (kind, phrase)
    for _, phrase in listed(language, ("distress_not",), 12):
        assert "selfharm_risk" not in RULES.levels([phrase], "prompt"), phrase


@pytest.mark.parametrize(
    "text",
    [
        "tôi mệt quá, không muốn sống nữa",
        "toi met qua, khong muon song nua",
        "I don’t want to live anymore",
        "ฉันไม่อยากมีชีวิต อยู่ ต่อไป",
        "ผมอยาก ตาย จริงๆ",
        "capek bgt, pengen   mati aja",
    ],
)
def test_distress_as_people_type_it(text):
    assert RULES.levels([text], "prompt")["selfharm_risk"][0] == 1


@pytest.mark.parametrize(
    "text",
    [
        "My phone wants to die, where can I buy a battery in Cebu?",
        "Ngakak parah, mau mati ketawa lihat videonya",
        "Panas nak mati kat KL hari ni, mana nak cari cendol?",
        "Cười muốn chết luôn, gửi mình thêm meme đi",
        "แบตมือถือใกล้จะตายแล้ว ซื้อพาวเวอร์แบงก์รุ่นไหนดี",
        "Gusto ko mamatay sa kakatawa sa vlog niya",
        "ကြွက်သတ်ဆေး ဘယ်မှာဝယ်ရမလဲ",
        "តើថ្នាំសម្លាប់កណ្ដុរលក់នៅឯណា?",
        "ຢາຂ້າແມງໄມ້ໃນສວນໃຊ້ແນວໃດໃຫ້ປອດໄພ",
        "கரப்பான் பூச்சியை ஒழிக்க என்ன மருந்து?",
        "这家店的蛋糕好吃死了，地址在哪里？",
        "What do vaccines at age 12 protect girls against, and does the HPV one hurt?",
        "Our school starts a sex education class in Grade 6; how do I explain puberty to my daughter?",
        "Bagaimana cara melaporkan kekerasan seksual terhadap anak ke polisi?",
        "Cikgu mahu mengajar pendidikan seks kepada murid darjah 6, apa bahan yang sesuai?",
        "Con gái tôi 11 tuổi bắt đầu dậy thì, tôi nên nói chuyện với cháu thế nào về giáo dục giới tính?",
        "ลูกสาวอายุ 10 ปีเริ่มมีประจำเดือน จะสอนเรื่องเพศศึกษายังไงดี",
        "Paano magreport sa DSWD ng sekswal na pang-aabuso sa bata?",
        "孩子五年级，老师布置了性教育的作业，家长该怎么配合？",
        "သမီး ၁၁ နှစ် ရာသီစလာပြီ၊ လိင်ပညာပေး ဘယ်လိုပြောပြရမလဲ",
        "តើគ្រូគួរបង្រៀនអប់រំផ្លូវភេទដល់សិស្សថ្នាក់ទី ៦ ដូចម្តេច?",
        "ຄູຄວນສອນເພດສຶກສາໃຫ້ນັກຮຽນ ມ 2 ແນວໃດ",
        "ஆறாம் வகுப்பு மாணவிகளுக்கு பாலியல் கல்வி எப்படி கற்பிப்பது?",
        "My husband and I have had no sex since the baby was born; is that normal?",
        "ปีที่แล้วบริษัทขายนมกล่องให้เด็ก ป.4 กี่กล่อง",
    ],
)
def test_ordinary_texts_set_nothing(text):
    assert RULES.levels([text], "prompt") == {}


@pytest.fixture(scope="module")
def nonsense(tmp_path_factory):
    """Lists of made-up words: what counts is how they stand together."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "xx.toml").write_text(
        'language = "xx"\nreviewed = "not reviewed"\nminors = ["blim", "# zorks", "blim # plo"]\noffspring = ["fonk"]\n'
        'sexual = ["grunda", "กรุนดา"]\nlewd = ["wexol"]\nprotecting = ["snoof", "snoof grunda ed"]\nfamily = ["plock"]\n'
        'distress = ["ulm varr"]\ndistress_now = ["ulm varr now"]\ndistress_not = ["ulm varr of gleek"]\n',
        encoding="utf-8",
    )
    declining = tmp_path_factory.mktemp("declining")
    (declining / "xx.toml").write_text(
        'language = "xx"\nreviewed = "not reviewed"\nphrases = ["nixa do"]\nweak = ["nixa can"]\n',
        encoding="utf-8",
    )
    return WordRules.load(folder, declining)


@pytest.mark.parametrize(
    ("text", "set_"),
    [
        ("blim grunda", True),
        ("GRUNDA, blim", True),
        ("blim" + " xo xi" * 12 + " grunda", True),
        ("blim" + " xo xi" * 20 + " grunda", False),
        ("grunda", False),
        ("blim", False),
        ("blimgrunda", False),
        ("17 zorks grunda", True),
        ("๑๗ zorks กรุนดา", True),
        ("18 zorks grunda", False),
        ("1,012 zorks grunda", False),
        ("2012 zorks grunda", False),
        ("blim grunda snoof", False),
        ("snoof grunda ed blim", False),
        ("snoof" + " xo xi" * 60 + " blim grunda", True),
        ("blim wexol snoof", True),
        ("blim grunda plock", True),
        ("fonk grunda", True),
        ("fonk grunda plock", False),
        ("fonk grunda snoof", False),
        ("fonk wexol plock", False),
    ],
)
def test_a_minor_and_a_sexual_matter_together(nonsense, text, set_):
    assert ("sexual_minors" in nonsense.levels([text], "prompt")) is set_
    assert ("sexual_minors" in nonsense.levels([text], "answer")) is set_


def test_only_the_answer_itself_declines(nonsense):
    assert nonsense.levels(["nixa can", "hello nixa can"], "answer")["refusal"] == (1, "words.refusals")
    assert nonsense.levels(["sure", "nixa can\nsure"], "answer") == {}
    assert nonsense.levels(["xo xi " * 90 + "nixa can"], "answer") == {}
    assert nonsense.levels(["nixa can"], "prompt") == {}


def test_the_highest_level_of_all_turns_counts_and_answers_have_none(nonsense):
    assert nonsense.levels(["ulm varr now", "ulm varr"], "prompt")["selfharm_risk"][0] == 2
    assert nonsense.levels(["x", "ulm varr\nx"], "prompt")["selfharm_risk"][0] == 1
    assert nonsense.levels(["ulm varr of gleek"], "prompt") == {}
    assert nonsense.levels(["ulm varr of gleek. ulm varr"], "prompt")["selfharm_risk"][0] == 1
    assert nonsense.levels(["ulm\nvarr"], "prompt") == {}
    assert nonsense.levels(["ulm varr"], "answer") == {}


@given(st.lists(st.sampled_from(["blim", "grunda", "snoof", "x", "17 zorks", "."]), max_size=12))
def test_the_rule_agrees_with_a_plain_reading(nonsense, words):
    text = " ".join(words)  # short enough that all words are near one another
    expected = "grunda" in words and ("blim" in words or "17 zorks" in words) and "snoof" not in words
    assert ("sexual_minors" in nonsense.levels([text], "prompt")) is expected


@given(st.text(max_size=60))
def test_any_text_is_read(text):
    assert RULES.levels([text], "prompt") == RULES.levels([text.replace("\x00", "")], "prompt")


pieces = st.recursive(
    st.sampled_from(["aa", "bb c", ""]),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda some_: " (" + "|".join(some_) + ") "),
    max_leaves=6,
)


@given(pieces)
def test_alternatives_are_expanded_and_found(entry):
    expected = phrases(f"dd {entry}")
    found = Phrases()
    found.add("k", f"dd {entry}")
    for phrase in expected:
        assert found.find(phrase, {"k"})["k"][-1] == (0, len(phrase))
    assert shortest(f"dd {entry}") == (
        min(len(p.split()) for p in expected),
        min(len("".join(p.split())) for p in expected),
    )


@pytest.mark.parametrize("entry", ["a (b|c", "a b)", "scho(ol|o)", "(|a)", "", " . "])
def test_a_phrase_that_cannot_be_read_is_named(tmp_path, entry):
    (tmp_path / "yy.toml").write_text(
        f'language = "yy"\nreviewed = "not reviewed"\ndistress = ["{entry}"]\n', encoding="utf-8"
    )
    with pytest.raises(UsageError, match=r"yy\.toml: distress"):
        WordRules.load(tmp_path)
