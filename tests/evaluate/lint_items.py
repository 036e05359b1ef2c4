"""Items written for the lint's tests: short stories of a market in eleven languages, sound ones and ones with a planted fault."""

import dataclasses
import itertools
import random

from rumpun.evaluate.items import Item

# passage, question, what is bought, names, days, places
FRAMES = {
    "en": (
        "On {day} {name} went to the market in {place} with her mother. They bought {thing} and two kilograms of rice, and took the bus home because it was raining.",
        "What did {name} and her mother buy at the market besides rice?",
        ["bananas", "fresh fish", "red onions", "coconuts", "dried shrimp", "sweet potatoes"],
        ["Siti", "Mei Ling", "Anna"], ["Monday", "Friday"], ["Ipoh", "Cebu", "Tampines"],
    ),
    "id": (
        "Pada hari {day} {name} pergi ke pasar di {place} bersama ibunya. Mereka membeli {thing} dan dua kilogram beras, lalu pulang naik bus karena hujan turun.",
        "Selain beras, apa yang dibeli {name} dan ibunya di pasar itu?",
        ["pisang", "ikan segar", "bawang merah", "kelapa muda", "udang kering", "ubi jalar"],
        ["Dewi", "Rina", "Wulan"], ["Senin", "Jumat"], ["Bandung", "Ambon", "Medan"],
    ),
    "ms": (
        "Pada hari {day} {name} pergi ke pasar di {place} bersama emaknya. Mereka membeli {thing} dan dua kilogram beras, kemudian pulang menaiki bas kerana hujan turun.",
        "Selain beras, apakah yang dibeli oleh {name} dan emaknya di pasar itu?",
        ["pisang", "ikan segar", "bawang merah", "kelapa muda", "udang kering", "ubi keledek"],
        ["Aminah", "Salmah", "Nurul"], ["Isnin", "Jumaat"], ["Melaka", "Kuching", "Ipoh"],
    ),
    "vi": (
        "Hôm {day}, {name} đi chợ ở {place} cùng với mẹ. Hai mẹ con mua {thing} và hai cân gạo, sau đó về nhà bằng xe buýt vì trời mưa.",
        "Ngoài gạo ra, {name} và mẹ đã mua gì ở chợ hôm đó?",
        ["chuối chín", "cá tươi", "hành tím", "dừa xiêm", "tôm khô", "khoai lang"],
        ["Lan", "Hương", "Thảo"], ["thứ hai", "thứ sáu"], ["Huế", "Cần Thơ", "Đà Lạt"],
    ),
    "th": (
        "วัน{day} {name}ไปตลาดที่{place}กับแม่ ทั้งสองซื้อ{thing}และข้าวสารสองกิโลกรัม แล้วนั่งรถเมล์กลับบ้านเพราะฝนตก",
        "นอกจากข้าวสารแล้ว {name}กับแม่ซื้ออะไรที่ตลาด",
        ["กล้วยหอม", "ปลาสด", "หอมแดง", "มะพร้าว", "กุ้งแห้ง", "มันเทศ"],
        ["มะลิ", "สมศรี", "นิดา"], ["จันทร์", "ศุกร์"], ["เชียงใหม่", "ตรัง", "ขอนแก่น"],
    ),
    "tl": (
        "Noong {day} ay pumunta si {name} sa palengke ng {place} kasama ang kanyang nanay. Bumili sila ng {thing} at dalawang kilong bigas, at saka sumakay ng bus pauwi dahil umuulan.",
        "Bukod sa bigas, ano ang binili ni {name} at ng kanyang nanay sa palengke?",
        ["saging", "sariwang isda", "sibuyas", "niyog", "tuyong hipon", "kamote"],
        ["Maria", "Liza", "Tala"], ["Lunes", "Biyernes"], ["Iloilo", "Baguio", "Lipa"],
    ),
    "zh": (
        "{day}，{name}和妈妈一起去{place}的市场。她们买了{thing}和两公斤大米，然后因为下雨坐公共汽车回家。",
        "除了大米以外，{name}和妈妈在市场上还买了什么东西？",
        ["香蕉", "鲜鱼", "红葱头", "椰子", "虾米", "红薯"],
        ["美玲", "小芳", "丽华"], ["星期一", "星期五"], ["怡保", "槟城", "新山"],
    ),
    "ta": (
        "{day} அன்று {name} தன் அம்மாவுடன் {place} சந்தைக்குச் சென்றாள். அவர்கள் {thing} மற்றும் இரண்டு கிலோ அரிசி வாங்கினார்கள், மழை பெய்ததால் பேருந்தில் வீடு திரும்பினார்கள்.",
        "அரிசியைத் தவிர {name} தன் அம்மாவுடன் சந்தையில் என்ன வாங்கினாள்?",
        ["வாழைப்பழம்", "மீன்", "வெங்காயம்", "தேங்காய்", "உலர்ந்த இறால்", "சர்க்கரைவள்ளி"],
        ["மீனா", "கலா", "ராதா"], ["திங்கள்", "வெள்ளி"], ["மதுரை", "ஈப்போ", "தேக்கா"],
    ),
    "my": (
        "{day}နေ့တွင် {name}သည် အမေနှင့်အတူ {place} ဈေးသို့ သွားခဲ့သည်။ သူတို့သည် {thing}နှင့် ဆန်နှစ်ကီလို ဝယ်ပြီး မိုးရွာသောကြောင့် ဘတ်စ်ကားဖြင့် အိမ်ပြန်ခဲ့သည်။",
        "{name}နှင့် အမေသည် ဆန်အပြင် ဈေးတွင် ဘာဝယ်ခဲ့သနည်း။",
        ["ငှက်ပျောသီး", "ငါးစိမ်း", "ကြက်သွန်နီ", "အုန်းသီး", "ပုစွန်ခြောက်", "ကန်စွန်းဥ"],
        ["မေ", "သီတာ", "နီလာ"], ["တနင်္လာ", "သောကြာ"], ["ပုသိမ်", "မန္တလေး", "ပဲခူး"],
    ),
    "km": (
        "នៅថ្ងៃ{day} {name}បានទៅផ្សារនៅ{place}ជាមួយម្តាយ។ ពួកគេបានទិញ{thing}និងអង្ករពីរគីឡូក្រាម ហើយជិះឡានក្រុងត្រឡប់ទៅផ្ទះវិញព្រោះភ្លៀងធ្លាក់។",
        "ក្រៅពីអង្ករ តើ{name}និងម្តាយបានទិញអ្វីនៅផ្សារ?",
        ["ចេក", "ត្រីស្រស់", "ខ្ទឹមក្រហម", "ដូង", "បង្គាក្រៀម", "ដំឡូងជ្វា"],
        ["សុភា", "ចាន់ធូ", "ស្រីមុំ"], ["ចន្ទ", "សុក្រ"], ["បាត់ដំបង", "កំពត", "តាកែវ"],
    ),
    "lo": (
        "ວັນ{day} {name}ໄປຕະຫຼາດຢູ່{place}ກັບແມ່. ພວກເຂົາຊື້{thing}ແລະເຂົ້າສານສອງກິໂລ ແລ້ວຂີ່ລົດເມກັບບ້ານເພາະຝົນຕົກ.",
        "ນອກຈາກເຂົ້າສານແລ້ວ {name}ກັບແມ່ຊື້ຫຍັງຢູ່ຕະຫຼາດ?",
        ["ກ້ວຍ", "ປາສົດ", "ຜັກບົ່ວແດງ", "ໝາກພ້າວ", "ກຸ້ງແຫ້ງ", "ມັນດ້າງ"],
        ["ຈັນທາ", "ບົວ", "ສີດາ"], ["ຈັນ", "ສຸກ"], ["ປາກເຊ", "ຫຼວງພະບາງ", "ທ່າແຂກ"],
    ),
}  # fmt: skip
# what sound items may have: terms of another language, code, a list, an interval, a smiley, quotes, accents
ADDED = [
    " (Wi-Fi, WhatsApp)", " for (i = 0; i < n; i++) { print(x[i]); }", " 1) a; 2) b", " [0, 1)", " :)", ' "Café São João"',
    " https://example.org/a(b)", " ĐÃ – «À» … “é”", " (a) (b)",
]  # fmt: skip


def sound(per_language: int, seed: int = 0) -> list[Item]:
    """Items with nothing wrong, the right place going round; every third has something that only looks wrong."""
    found = []
    for language, (passage, question, things, names, days, places) in FRAMES.items():
        random.seed(f"{seed}{language}")
        every = list(itertools.product(things, names, days, places))
        for number, (thing, name, day, place) in enumerate(random.sample(every, per_language)):
            filled = {"day": day, "name": name, "place": place, "thing": thing}
            wrong = random.sample([other for other in things if other != thing], 3)
            right = number % 4
            text = passage.format(**filled) + (ADDED[number // 3 % len(ADDED)] if number % 3 == 0 else "")
            found.append(
                Item(
                    id=f"{language}-{number}",
                    language=language,
                    fields={"passage": text, "question": question.format(**filled)},
                    options=(*wrong[:right], thing, *wrong[right:]),
                    gold=right,
                    source="market",
                )
            )
    return found


def _fields(item, **changed):
    return dataclasses.replace(item, fields={**item.fields, **changed})


def _option(item, place, text):
    options = list(item.options)
    options[place] = text
    return dataclasses.replace(item, options=tuple(options))


def _other(item, name):
    """The same field in the next language that is no sister: of the next script, or far away."""
    language = {"en": "vi", "id": "en", "ms": "tl", "vi": "id", "tl": "en"}.get(item.language, "en")
    passage, question, things, names, days, places = FRAMES[language]
    text = passage if name == "passage" else question
    return text.format(day=days[0], name=names[0], place=places[0], thing=things[0])


def _mojibake(text):
    """The text's UTF-8 read as Windows-1252, or as Latin-1 where that has no such sign."""
    return "".join(
        bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in (text + " – é").encode("utf-8")
    )


def _wrong(item, nth=0):
    return [place for place in range(4) if place != item.gold][nth]


# kind of problem -> how to plant it: a function of an item and an earlier sound one of its language
FAULTS = [
    ("empty option", lambda item, _: _option(item, _wrong(item), "")),
    ("empty option", lambda item, _: _option(item, item.gold, "\u200b ")),
    ("space at an option", lambda item, _: _option(item, item.gold, " " + item.right)),
    ("space at an option", lambda item, _: _option(item, item.gold, item.right + "\u00a0")),
    ("space at an option", lambda item, _: _option(item, _wrong(item), "\u200b" + item.options[_wrong(item)])),
    ("duplicate option", lambda item, _: _option(item, _wrong(item), item.options[_wrong(item, 1)].upper())),
    ("right option twice", lambda item, _: _option(item, _wrong(item), item.right.upper())),
    ("no right option", lambda item, _: dataclasses.replace(item, gold=4)),
    ("no right option", lambda item, _: dataclasses.replace(item, gold=-1)),
    ("empty text", lambda item, _: _fields(item, question=" \n")),
    ("empty text", lambda item, _: _fields(item, passage="")),
    ("wrong language", lambda item, _: _fields(item, passage=_other(item, "passage"))),
    ("wrong language", lambda item, _: _fields(item, question=_other(item, "question"))),
    ("damaged text", lambda item, _: _fields(item, question=item.fields["question"][:9] + "\ufffd" + item.fields["question"][9:])),
    ("damaged text", lambda item, _: _fields(item, question=item.fields["question"] + "\x07")),
    ("damaged text", lambda item, _: _fields(item, passage=_mojibake(item.fields["passage"]))),
    ("unclosed bracket", lambda item, _: _option(item, _wrong(item), item.options[_wrong(item)] + " (A")),
    ("unclosed bracket", lambda item, _: _fields(item, question=item.fields["question"] + " ABCD]")),
    ("doubled quotes", lambda item, _: _fields(item, passage='"' + item.fields["passage"].replace('"', '""') + ' ""!"""')),
    ("item twice", lambda item, other: dataclasses.replace(other, id=item.id, options=other.options[::-1], gold=3 - other.gold)),
    ("item twice, two answers", lambda item, other: dataclasses.replace(other, id=item.id, gold=(other.gold + 1) % 4)),
]  # fmt: skip


def planted(per_language: int) -> tuple[list[Item], dict[str, str]]:
    """(items, id -> the one kind planted in it): every second item has a fault."""
    items, truth = [], {}
    fault = itertools.cycle(FAULTS)
    earlier = None
    for number, item in enumerate(sound(per_language)):
        if number % 2 == 0:
            items.append(item)
            earlier = item
        else:
            kind, plant = next(fault)
            items.append(plant(item, earlier))
            truth[item.id] = kind
    return items, truth
