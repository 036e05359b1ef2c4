"""Personal data: recall and precision on made rows, per type, and speed per script; beside presidio-analyzer where asked.

    python bench/personal.py [--rows 400] [--seed 1] [--presidio PYTHON] [--json]

Rows are made by this script: carrier sentences written for it in eleven languages (not reviewed by native speakers) with
generated numbers, nobody's. Each number is written in a usual layout, in one piece, with odd separators, in native digits, and glued to letters;
with and without a word that says what it is. Hard negatives (amounts, dates, order numbers, ISBNs, hashes, wrong check
digits, numbers of the same length) count against precision. The sentences and the word lists of the packs have one
author, and the rules were made with these sentences in sight: recall with a word is an upper bound.

Presidio is no dependency: name the Python of an environment that has it. Its rule recognisers run with a blank
tokeniser and the regions of the packs; `rumpun.personal.names.PRESIDIO` says which of its entities stand for which type.
"""

import argparse
import json
import random
import string
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from rumpun.measure.rates import wilson
from rumpun.personal import find_all
from rumpun.personal.names import PRESIDIO

NATIVE = {"th": "๐", "lo": "໐", "km": "០", "my": "၀"}  # scripts whose digits people write
# carrier sentences: a word that says what the number is, and none. {v} is the number
CARRIERS = {
    ("en", "id"): (["My NRIC is {v}, thanks.", "Identity card {v} was lost on the bus."], ["Please note {v} in the form.", "She sent us {v} yesterday."]),
    ("ms", "id"): (["Kad pengenalan saya {v}, terima kasih.", "No. KP beliau ialah {v}."], ["Sila catat {v} dalam borang itu.", "Dia hantar {v} semalam."]),
    ("id", "id"): (["NIK saya {v}, mohon dicek.", "Nomor KTP-nya {v} hilang di jalan."], ["Tolong catat {v} di formulir.", "Kemarin dia mengirim {v} ke kami."]),
    ("th", "id"): (["เลขบัตรประชาชนของผมคือ{v}ครับ", "บัตรประชาชน{v}หายที่ตลาด"], ["ช่วยจด{v}ลงในแบบฟอร์ม", "เมื่อวานเขาส่ง{v}มาให้เรา"]),
    ("vi", "id"): (["Số căn cước của tôi là {v} nhé.", "CCCD {v} bị mất trên xe."], ["Nhờ bạn ghi {v} vào mẫu.", "Hôm qua chị ấy gửi {v} cho chúng tôi."]),
    ("my", "id"): (["ကျွန်တော့်မှတ်ပုံတင်နံပါတ်က{v}ပါ", "နိုင်ငံသားစိစစ်ရေးကတ်{v}ပျောက်သွားတယ်"], ["ပုံစံမှာ{v}ကိုရေးပေးပါ", "မနေ့က{v}ပို့လိုက်တယ်"]),
    ("km", "id"): (["អត្តសញ្ញាណប័ណ្ណរបស់ខ្ញុំគឺ{v}", "លេខអត្តសញ្ញាណ{v}បានបាត់"], ["សូមកត់{v}ក្នុងទម្រង់", "ម្សិលមិញគាត់ផ្ញើ{v}មក"]),
    ("lo", "id"): (["ເລກບັດປະຈຳຕົວຂອງຂ້ອຍແມ່ນ{v}", "ບັດປະຈຳຕົວ{v}ເສຍ"], ["ກະລຸນາຂຽນ{v}ໃສ່ແບບຟອມ", "ມື້ວານລາວສົ່ງ{v}ມາ"]),
    ("tl", "tax"): (["Ang TIN ko ay {v} po.", "Pakisulat ang TIN na {v} sa resibo."], ["Pakitala ang {v} sa form.", "Ipinadala niya ang {v} kahapon."]),
    ("tl", "id"): (["Ang PhilSys PCN ko ay {v} po.", "UMID CRN: {v} po."], ["Pakitala ang {v} sa form.", "Ipinadala niya ang {v} kahapon."]),
    ("id", "tax"): (["NPWP kami {v}, terima kasih.", "Nomor pokok wajib pajak: {v}."], ["Tolong catat {v} di formulir.", "Kemarin dia mengirim {v} ke kami."]),
    ("vi", "tax"): (["Mã số thuế của tôi là {v}.", "MST: {v}"], ["Nhờ bạn ghi {v} vào mẫu.", "Hôm qua chị ấy gửi {v} cho chúng tôi."]),
    ("zh", "id"): (["我的身份证是{v}。", "身份证{v}丢了"], ["请在表格里写{v}。", "昨天她发来{v}。"]),
    ("en", "card"): (["My credit card {v} expired.", "Card number: {v}"], ["Please charge {v} today.", "I typed {v} twice."]),
    ("zh", "card"): (["我的信用卡是{v}。", "卡号{v}已过期"], ["请记下{v}。", "昨天她发来{v}。"]),
    ("en", "phone"): (["Call me at {v} after six.", "My mobile is {v}."], ["Ask for {v} at the desk.", "She wrote {v} on the wall."]),
    ("id", "phone"): (["HP saya {v}, hubungi malam saja.", "WA {v} ya kak"], ["Tolong catat {v} di formulir.", "Di dinding tertulis {v} saja."]),
    ("ms", "phone"): (["No. telefon saya {v}.", "Hubungi {v} selepas waktu pejabat."], ["Sila catat {v} dalam borang itu.", "Dia tulis {v} di dinding."]),
    ("th", "phone"): (["โทร{v}ได้เลยครับ", "เบอร์ผม{v}นะ"], ["ช่วยจด{v}ลงในแบบฟอร์ม", "บนกำแพงเขียนว่า{v}"]),
    ("vi", "phone"): (["Số điện thoại của em là {v} ạ.", "Zalo {v} nhé"], ["Nhờ bạn ghi {v} vào mẫu.", "Trên tường có ghi {v}."]),
    ("tl", "phone"): (["Ang cellphone ko ay {v} po.", "GCash {v} po, salamat."], ["Pakitala ang {v} sa form.", "Nakasulat sa pader ang {v}."]),
    ("my", "phone"): (["ဖုန်း{v}ကိုဆက်ပါ", "ကျွန်တော့်ဖုန်းနံပါတ်{v}"], ["ပုံစံမှာ{v}ကိုရေးပေးပါ", "နံရံမှာ{v}လို့ရေးထားတယ်"]),
    ("km", "phone"): (["លេខទូរស័ព្ទខ្ញុំ{v}", "ទូរស័ព្ទមក{v}បាន"], ["សូមកត់{v}ក្នុងទម្រង់", "នៅលើជញ្ជាំងមាន{v}"]),
    ("lo", "phone"): (["ເບີໂທຂ້ອຍ{v}", "ໂທລະສັບ{v}ໄດ້ທຸກມື້"], ["ກະລຸນາຂຽນ{v}ໃສ່ແບບຟອມ", "ຢູ່ຝາມີ{v}"]),
    ("ta", "phone"): (["என் தொலைபேசி {v} ஆகும்.", "கைபேசி {v} அழைக்கவும்"], ["படிவத்தில் {v} எழுதவும்.", "சுவரில் {v} இருந்தது."]),
    ("zh", "phone"): (["我的手机{v}。", "电话{v}请打"], ["请记下{v}。", "墙上写着{v}。"]),
    ("en", "passport"): (["My passport {v} expires soon.", "Passport no. {v}"], []),
    ("th", "passport"): (["หนังสือเดินทาง{v}หมดอายุแล้ว"], []),
    ("id", "passport"): (["Paspor saya {v} sudah habis."], []),
    ("id", "account"): (["Transfer ke rekening {v} ya.", "No rek BCA {v} a.n. Ani"], []),
    ("th", "account"): (["เลขบัญชี{v}ธนาคารออมสิน"], []),
    ("vi", "account"): (["STK {v} Vietcombank nhé.", "Số tài khoản: {v}"], []),
    ("en", "mail"): (["Write to {v} please."], ["{v} knows."]),
    ("th", "mail"): (["อีเมล{v}ครับ"], ["ถาม{v}ดู"]),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One text and what stands in it."""

    text: str
    type: str  # "" for a negative
    start: int
    end: int
    word: bool  # a word says what it is
    form: str  # how it is written


def digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choices(string.digits, k=count))


def weighted(number: str, weights: str) -> int:
    return sum(int(d) * int(w, 36) for d, w in zip(number, weights, strict=False))


def sg_nric(draw: random.Random) -> str:
    first, body = draw.choice("STFG"), digits(draw, 7)
    rest = (weighted(body, "2765432") + 4 * (first in "TG")) % 11
    return first + body + ("JZIHGFEDCBA" if first in "ST" else "XWUTRQPNMLK")[rest]


def birth(draw: random.Random) -> tuple[str, str, str]:
    return f"{draw.randint(50, 99)}", f"{draw.randint(1, 12):02}", f"{draw.randint(1, 28):02}"


def my_nric(draw: random.Random) -> str:
    return "".join(birth(draw)) + f"{draw.choice([*range(1, 17), *range(21, 60)]):02}" + digits(draw, 4)


def id_nik(draw: random.Random) -> str:
    year, month, day = birth(draw)
    place = draw.choice(["3174", "3273", "3578", "1271", "7371", "5171", "6472", "3301"])
    sex = draw.choice((0, 40))
    return f"{place}{draw.randint(1, 20):02}{int(day) + sex:02}{month}{year}{draw.randint(1, 999):04}"


def th_pin(draw: random.Random) -> str:
    body = str(draw.randint(1, 8)) + digits(draw, 11)
    return body + str((11 - weighted(body, "dcba98765432") % 11) % 10)


def vn_cccd(draw: random.Random) -> str:
    return (
        draw.choice(["001", "079", "048", "031", "092", "038"])
        + draw.choice("01")
        + f"{draw.randint(50, 99)}"
        + digits(draw, 6)
    )


def vn_mst(draw: random.Random) -> str:
    while True:
        body = "0" + digits(draw, 8)
        check = 10 - weighted(body, "vtnjhd753") % 11
        if check < 10:
            return body + str(check)


def ph_tin(draw: random.Random) -> str:
    while True:
        body = digits(draw, 8)
        rest = weighted(body, "98765432") % 11
        if rest < 10:
            return body + str(rest)


def luhn_digit(body: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - n % 2), 10)) for n, d in enumerate(reversed(body)))
    return str(-total % 10)


def card(draw: random.Random) -> str:
    body = draw.choice(["4", "51", "55"])
    body += digits(draw, 15 - len(body))
    return body + luhn_digit(body)


def npwp(draw: random.Random) -> str:
    body = digits(draw, 8)
    return body + luhn_digit(body) + digits(draw, 6)


def nrc(draw: random.Random) -> str:
    if draw.random() < 0.5:
        town = draw.choice(["OUKAMA", "MaMaKa", "PaBaTha", "LaThaNa", "KAMAYA"])
        return f"{draw.randint(1, 14)}/{town}({draw.choice(['N', 'E', 'P', 'Naing'])}){digits(draw, 6)}"
    town, kind = draw.choice(["ဥကမ", "မမက", "ပဘတ", "လသန"]), draw.choice(["နိုင်", "ဧည့်", "ပြု"])
    made = f"{draw.randint(1, 14)}/{town}({kind}){digits(draw, 6)}"
    return native(made, "၀")


def mail(draw: random.Random) -> str:
    name = "".join(draw.choices(string.ascii_lowercase, k=draw.randint(3, 9)))
    host = draw.choice(["example.com", "mail.example.co.th", "example.org", "contoh.example.id"])
    return f"{name}{draw.choice(['', '.x', '_99', '+a'])}@{host}"


def passport(draw: random.Random, layout: str) -> str:
    return "".join(
        draw.choice(string.ascii_uppercase) if c == "A" else draw.choice(string.digits) if c == "#" else c
        for c in layout
    )


def native(text: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(c)) if c in string.digits else c for c in text)


def laid_out(number: str, groups: str, separator: str) -> str:
    pieces, place = [], 0
    for length in groups.split("-"):
        pieces.append(number[place : place + int(length)])
        place += int(length)
    return separator.join(pieces)


# type -> (maker, groups of its usual layout or "", (language, kind of carrier) …)
KINDS = {
    "SG_NRIC": (sg_nric, "", [("en", "id"), ("ms", "id"), ("zh", "id")]),
    "MY_NRIC": (my_nric, "6-2-4", [("ms", "id")]),
    "ID_NIK": (id_nik, "4-4-4-4", [("id", "id")]),
    "ID_NPWP": (npwp, "2-3-3-1-3-3", [("id", "tax")]),
    "TH_PIN": (th_pin, "1-4-5-2-1", [("th", "id")]),
    "VN_CCCD": (vn_cccd, "3-3-3-3", [("vi", "id")]),
    "VN_MST": (vn_mst, "", [("vi", "tax")]),
    "PH_TIN": (ph_tin, "3-3-3", [("tl", "tax")]),
    "PH_PCN": (lambda draw: digits(draw, 16), "4-4-4-4", [("tl", "id")]),
    "PH_CRN": (lambda draw: "0" + digits(draw, 11), "4-7-1", [("tl", "id")]),
    "MM_NRC": (nrc, "", [("my", "id")]),
    "KH_ID": (lambda draw: digits(draw, 9), "", [("km", "id")]),
    "LA_ID": (lambda draw: digits(draw, 9), "", [("lo", "id")]),
    "BN_IC": (lambda draw: draw.choice(["00", "01", "30", "50"]) + digits(draw, 6), "2-6", [("ms", "id")]),
    "CARD": (card, "4-4-4-4", [("en", "card"), ("zh", "card")]),
    "EMAIL": (mail, "", [("en", "mail"), ("th", "mail")]),
    "PASSPORT": (lambda draw: passport(draw, draw.choice(["A#######A", "A########", "AA#######"])), "", [("en", "passport"), ("th", "passport"), ("id", "passport")]),
    "BANK_ACCOUNT": (lambda draw: "1" + digits(draw, 9), "", [("id", "account"), ("th", "account"), ("vi", "account")]),
}  # fmt: skip
# mobile numbers as they are dialled at home: country -> (prefix, digits behind it, groups, language)
PHONES = {
    "sg": ("9", 7, "4-4", "en"), "my": ("012", 7, "3-3-4", "ms"), "id": ("0812", 8, "4-4-4", "id"), "th": ("081", 7, "3-3-4", "th"),
    "vn": ("0912", 6, "4-3-3", "vi"), "ph": ("0917", 7, "4-3-4", "tl"), "mm": ("0979", 7, "2-3-3-3", "my"), "kh": ("012", 6, "3-3-3", "km"),
    "la": ("0205", 7, "3-4-4", "lo"), "bn": ("8", 6, "3-4", "ms"), "tl": ("77", 6, "4-4", "en"),
}  # fmt: skip
CODES = {
    "sg": "65",
    "my": "60",
    "id": "62",
    "th": "66",
    "vn": "84",
    "ph": "63",
    "mm": "95",
    "kh": "855",
    "la": "856",
    "bn": "673",
    "tl": "670",
}


def write(draw: random.Random, number: str, groups: str, language: str) -> tuple[str, str]:
    """(the number as written, how) in one of the ways that people write it."""
    ways = ["plain"] + ["usual"] * 2 * bool(groups) + ["separators"] * bool(groups)
    ways += ["native"] * (language in NATIVE and number[0].isdigit())
    way = draw.choice(ways)
    if way == "usual":
        return laid_out(number, groups, draw.choice("- ")), way
    if way == "separators":
        return laid_out(number, groups, draw.choice(["\u00a0", "\u2011", "\u200b", "\u2013", "."])), way
    if way == "native":
        return native(
            laid_out(number, groups, "-") if groups and draw.random() < 0.5 else number, NATIVE[language]
        ), way
    return number, way


def place(value: str, carrier: str) -> tuple[str, int]:
    text = carrier.replace("{v}", value)
    start = carrier.index("{v}")
    return text, start


def positives(draw: random.Random, rows: int) -> list[Row]:
    made = []
    for kind, (maker, groups, carriers) in KINDS.items():
        for _ in range(rows):
            language, topic = draw.choice(carriers)
            with_word, without = CARRIERS[(language, topic)]
            word = not without or draw.random() < 0.5
            carrier = draw.choice(with_word if word else without)
            if kind == "PH_CRN" and word:
                carrier = with_word[1]
            elif kind == "PH_PCN" and word:
                carrier = with_word[0]
            value, form = write(draw, maker(draw), groups, language)
            text, start = place(value, carrier)
            made.append(Row(text, kind, start, start + len(value), word, form))
    countries = list(PHONES)
    for _ in range(rows * 3):
        country = draw.choice(countries)
        prefix, count, groups, language = PHONES[country]
        with_word, without = CARRIERS[(language, "phone")]
        number = prefix + digits(draw, count)
        word = draw.random() < 0.5
        if draw.random() < 0.33:
            national = number.removeprefix("0") if country not in ("sg", "bn", "tl") else number
            value, form = f"+{CODES[country]}{draw.choice(['', ' '])}{national}", "+code"
        else:
            value, form = write(draw, number, groups, language)
        text, start = place(value, draw.choice(with_word if word else without))
        made.append(
            Row(
                text,
                "PHONE",
                start,
                start + len(value),
                word,
                form if form == "+code" else f"{form}, {'trunk' if number[0] == '0' else 'no trunk'}",
            )
        )
    return made


def negatives(draw: random.Random, rows: int) -> list[Row]:
    """Numbers that are nobody's: what stands in ordinary text, and identifiers spoilt."""
    carriers = [
        c for (language, topic), (_, plain) in CARRIERS.items() for c in plain if topic in ("id", "card")
    ]
    shops = [
        "Order {v} has shipped.",
        "Pesanan {v} sudah dikirim.",
        "คำสั่งซื้อ{v}จัดส่งแล้ว",
        "Đơn hàng {v} đã gửi.",
        "订单{v}已发货",
        "ကုန်ပို့{v}",
        "ISBN {v}",
    ]

    def wrong(maker: Callable[[random.Random], str], groups: str) -> str:
        number = maker(draw)
        last = number[-1]
        pool = string.digits if last.isdigit() else string.ascii_uppercase
        spoilt = number[:-1] + draw.choice([c for c in pool if c != last])
        return laid_out(spoilt, groups, "-") if groups and draw.random() < 0.3 else spoilt

    makers = [
        lambda: f"Rp {draw.randint(1, 999)}.{draw.randint(0, 999):03}.{draw.randint(0, 999):03}",
        lambda: f"{draw.randint(1, 999)}.{draw.randint(0, 999):03}.{draw.randint(0, 999):03} đồng",
        lambda: f"{draw.randint(1990, 2030)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
        lambda: f"{draw.randint(1, 28):02}/{draw.randint(1, 12):02}/{draw.randint(1990, 2030)}",
        lambda: f"{draw.randint(1990, 2020)}-{draw.randint(2021, 2030)}",
        lambda: f"{draw.randint(8, 11):02}.00-{draw.randint(12, 22)}.30",
        lambda: ".".join(str(draw.randint(1, 255)) for _ in range(4)),
        lambda: "".join(draw.choices("0123456789abcdef", k=32)),
        lambda: f"978-{draw.randint(0, 9)}-{digits(draw, 4)}-{digits(draw, 4)}-{draw.randint(0, 9)}",
        lambda: f"{draw.randint(1_600_000_000, 1_800_000_000)}",
        lambda: f"{draw.randint(1_600_000_000_000, 1_800_000_000_000)}",
        lambda: f"20{draw.randint(15, 26)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}{digits(draw, 4)}",
        lambda: f"SKU{digits(draw, 10)}",
        lambda: f"{draw.randint(0, 90)}.{digits(draw, 8)}",
        lambda: f"{draw.randint(1, 99)},{digits(draw, 9)}",
        lambda: str(draw.randint(1, 9)) + digits(draw, draw.choice([7, 8, 9, 10, 11, 12, 13, 15])),
        lambda: wrong(th_pin, "1-4-5-2-1"),
        lambda: wrong(sg_nric, ""),
        lambda: wrong(ph_tin, "3-3-3"),
        lambda: wrong(card, "4-4-4-4"),
        lambda: passport(draw, "A########"),
    ]  # fmt: skip
    made = []
    for _ in range(rows):
        for maker in makers:
            value = maker()
            text, start = place(value, draw.choice(carriers + shops))
            made.append(Row(text, "", start, start + len(value), word=False, form=""))
    return made


PRESIDIO_SCRIPT = """
import json, logging, sys, tempfile, time
import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer import predefined_recognizers as known
from presidio_analyzer.nlp_engine import SlimSpacyNlpEngine
rows = json.load(sys.stdin)
registry = RecognizerRegistry(supported_languages=["en"])
for name in ("SgFinRecognizer", "ThTninRecognizer", "PhTinRecognizer", "PhUmidRecognizer", "CreditCardRecognizer", "EmailRecognizer"):
    registry.add_recognizer(getattr(known, name)(supported_language="en"))
registry.add_recognizer(known.PhoneRecognizer(supported_language="en", supported_regions=("SG","MY","ID","TH","VN","PH","MM","KH","LA","BN","TL")))
logging.disable(logging.WARNING)
blank = tempfile.mkdtemp()
spacy.blank("en").to_disk(blank)
engine = SlimSpacyNlpEngine(models=[{"lang_code": "en", "model_name": blank}])
analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"], default_score_threshold=float(sys.argv[1]))
analyzer.analyze("warm up 1", "en")
start = time.process_time()
found = [[(r.entity_type, r.start, r.end) for r in analyzer.analyze(text, "en")] for text in rows]
json.dump({"found": found, "seconds": time.process_time() - start}, sys.stdout)
"""  # fmt: skip


def presidio(
    python: str, texts: list[str], threshold: float
) -> tuple[list[list[tuple[str, int, int]]], float]:
    done = subprocess.run(
        [python, "-c", PRESIDIO_SCRIPT, str(threshold)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"presidio failed:\n{done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    return answer["found"], answer["seconds"]


def tally(
    rows: list[Row], found: list[list[tuple[str, int, int]]], names: dict[str, str]
) -> dict[str, dict[str, list[int]]]:
    """By type: recall with a word, without, by form, and precision, each as [hits, rows]."""
    table: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    of = {name: kind for kind, name in names.items()}
    for row, items in zip(rows, found, strict=True):
        if row.type in names:
            exact = any(t == names[row.type] and (s, e) == (row.start, row.end) for t, s, e in items)
            hidden = all(any(s <= n < e for _, s, e in items) for n in range(row.start, row.end))
            entry = table[row.type]
            for key, hit in (
                ("with a word" if row.word else "without", exact),
                ("hidden by any type", hidden),
                (row.form if row.word else f"{row.form}, no word", exact),
            ):
                entry[key][0] += hit
                entry[key][1] += 1
        for kind, start, end in items:
            if kind in of:
                right = row.type == of[kind] and start < row.end and end > row.start
                table[of[kind]]["precision"][0] += right
                table[of[kind]]["precision"][1] += 1
    return table


def share(pair: list[int]) -> str:
    if not pair[1]:
        return f"{'–':>22}"
    low, high = wilson(*pair)
    return f"{pair[0] / pair[1]:6.3f} [{low:.3f}, {high:.3f}]"


def show(title: str, table: dict[str, dict[str, list[int]]]) -> None:
    print(
        f"\n{title}\n{'type':14} {'recall, with a word':>22} {'recall, without':>22} {'hidden by any type':>22} {'precision':>22}"
    )
    for kind, entry in table.items():
        print(
            f"{kind:14} "
            + " ".join(
                share(entry[key]) for key in ("with a word", "without", "hidden by any type", "precision")
            )
        )


def ordinary(draw: random.Random, language: str, size: int) -> list[str]:
    """Texts of about 2 kB of carrier sentences, a year in every other one and a phone number in every fourth."""
    sentences = [
        c.replace("{v}", "")
        for (tag, _), both in CARRIERS.items()
        for part in both
        for c in part
        if tag == language
    ]
    texts, total = [], 0
    while total < size:
        text = ""
        while len(text.encode()) < 2000:
            text += draw.choice(sentences) + " "
        text += draw.choice(["2024 ", ""]) + draw.choice(["0812345678 ", "", "", ""])
        texts.append(text)
        total += len(text.encode())
    return texts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--presidio", help="the Python of an environment with presidio-analyzer")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    rows = positives(draw, arguments.rows) + negatives(draw, arguments.rows)
    texts = [row.text for row in rows]
    ours = [[(f.type, f.start, f.end) for f in items] for items in find_all(texts)]
    names = {kind: kind for kind in (*KINDS, "PHONE")}
    result = {"rumpun": tally(rows, ours, names)}
    alarms = sum(bool(items) for row, items in zip(rows, ours, strict=True) if not row.type)
    wrong = [alarms, sum(not row.type for row in rows)]
    speed, rates = {}, {}
    for language in sorted({tag for tag, _ in CARRIERS}):
        many = ordinary(draw, language, 2_000_000)
        start = time.process_time()
        find_all(many)
        speed[language] = sum(len(text.encode()) for text in many) / 1e6 / (time.process_time() - start)
    if arguments.presidio:
        mine = [row for row in rows if row.type in PRESIDIO or not row.type]
        subset = [row.text for row in mine]
        for threshold in (0.0, 0.5):
            theirs, seconds = presidio(arguments.presidio, subset, threshold)
            result[f"presidio, scores from {threshold}"] = tally(mine, theirs, PRESIDIO)
        start = time.process_time()
        find_all(subset)
        rates = {"rumpun": len(subset) / (time.process_time() - start), "presidio": len(subset) / seconds}
    if arguments.json:
        sys.stdout.write(
            json.dumps(
                {
                    "tables": result,
                    "negatives": wrong,
                    "mb_per_cpu_second": speed,
                    "rows_per_cpu_second": rates,
                }
            )
            + "\n"
        )
        return
    for title, table in result.items():
        show(title, table)
    print(f"\nhard negatives with anything found: {share(wrong)} of {wrong[1]}")
    print("\nMB of text a CPU-second (2 kB texts with few digits)")
    for name, value in speed.items():
        print(f"  {name:9} {value:6.1f}")
    for name, value in rates.items():
        print(f"rows like these, each with a number, a CPU-second: {name} {value:.0f}")


if __name__ == "__main__":
    main()
