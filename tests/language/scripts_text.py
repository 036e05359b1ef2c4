"""Small texts in every script of the region, and strings made of their letters and marks.

Written for these tests by a program's authors, not reviewed by native speakers.
"""

from hypothesis import strategies as st

# language -> a clean text: nothing in it needs mending
CLEAN = {
    "id": "Ibu membeli sayur di pasar pagi ini.",
    "ms": "Emak membeli sayur di pasar pagi tadi, kanak-kanak bermain.",
    "vi": "Mẹ tôi mua rau ở chợ sáng nay.",
    "th": "แม่ซื้อผักที่ตลาดเช้านี้ น้ำเย็นมาก",
    "tl": "Bumili ng gulay ang nanay ko kaninang umaga.",
    "my": "အမေသည် ဒီမနက် ဈေးမှာ ဟင်းသီးဟင်းရွက် ဝယ်ခဲ့သည်။ ကျွန်ုပ် ယောက်ျား",
    "km": "ម្ដាយខ្ញុំទិញបន្លែនៅផ្សារព្រឹកនេះ។ ស្ត្រី ម្យ៉ាង",
    "lo": "ແມ່ຂອງຂ້ອຍຊື້ຜັກຢູ່ຕະຫຼາດ ນ້ຳເຢັນ",
    "ta": "அம்மா இன்று காலை சந்தையில் காய்கறி வாங்கினார்.",
    "zh": "妈妈今天早上在市场买菜。",
    "en": "My mother bought vegetables at the market this morning.",
    "shn": "မႄႈၶႃႈ သိုဝ်ႉၽၵ်း တီႈၵၢတ်ႇ။",
    "jv": "ꦲꦶꦧꦸ ꦠꦸꦏꦸ ꦱꦪꦸꦂ",
    "ban": "ᬫᬾᬫᬾ",
    "su": "ᮕᮞᮁ",
    "bug": "ᨅᨔ ᨕᨘᨁᨗ",
    "Arab": "بهاس ملايو دتوليس دڠن جاوي",
    "emoji": "👩🏽‍🌾 🇮🇩 ❤️ ok",
}

# language -> letters and marks to make strings of
ALPHABETS = {
    "th": "".join(map(chr, (*range(0xE01, 0xE3B), *range(0xE40, 0xE5C)))),
    "lo": "".join(
        chr(c) for c in range(0xE81, 0xEE0) if c not in (0xEBE, 0xEBF, 0xEC5, 0xEC7, 0xECF, 0xEDA, 0xEDB)
    ),
    "km": "".join(map(chr, range(0x1780, 0x17DE))) + "\u200c\u200d",
    "my": "".join(map(chr, range(0x1000, 0x10A0))),
    "my-core": "ကခငစညတနပမယရလဝသဿအဥ၀၇၄၎" + "".join(map(chr, range(0x102B, 0x103F))) + "\u1039",
    "ta": "".join(map(chr, (0xB82, *range(0xB85, 0xB8B), *range(0xB95, 0xB9B), *range(0xBBE, 0xBC3), *range(0xBC6, 0xBC9), 0xBCD, 0xBD7))),
    "vi": "aăâeêioôơuưyđAĐ\u0300\u0301\u0303\u0309\u0323\u0302\u0306\u031b",
    "Java": "".join(map(chr, range(0xA980, 0xA9CE))),
    "Bali": "".join(map(chr, range(0x1B00, 0x1B4C))),
    "Sund": "".join(map(chr, range(0x1B80, 0x1BBA))),
    "Arab": "ابتثجحخدرسشصعڠفقكلمنوهيڽءأإ\u064b\u0650\u0654\ufe8d\ufefb\ufb8a",
    "mixed": "abcABC авеорсхАВЕО αβοΑΒΟ ＡＢａｂ é\u0301\u0327\u00b5",
}  # fmt: skip
_SIGNS = " \n\r\u200b\u200c\u200d\u00ad\ufeff\u2060\u2028\x00\x1f👩🌾\ufe0f0123٣๓"


def strings(max_size=24):
    """Strings of one script's letters and marks with hidden signs among them, and of anything at all."""
    of_script = [
        st.text(st.sampled_from(letters + _SIGNS), max_size=max_size) for letters in ALPHABETS.values()
    ]
    across = st.text(st.sampled_from("".join(ALPHABETS.values()) + _SIGNS), max_size=max_size)
    return st.one_of(*of_script, across, st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size))
