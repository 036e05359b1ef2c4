"""Sentences in the region's scripts, written for these tests and not reviewed by native speakers, and documents made of them."""

import random

SENTENCES = {
    "id": ["Nenek menanam jahe di belakang rumah.", "Hujan turun sejak pagi, jadi pasar sepi.", "Anak-anak belajar membaca bersama gurunya.",
           "Kapal kecil itu berlayar ke pulau seberang.", "Kami memasak nasi dan sayur setiap hari.", "Burung terbang rendah di atas sawah."],
    "vi": ["Bà trồng gừng ở sau nhà.", "Trời mưa từ sáng nên chợ vắng.", "Trẻ em học đọc cùng cô giáo.",
           "Chiếc thuyền nhỏ đi ra đảo xa.", "Chúng tôi nấu cơm và rau mỗi ngày.", "Chim bay thấp trên cánh đồng."],
    "en": ["Grandmother grows ginger behind the house.", "It has rained since morning, so the market is empty.",
           "The children learn to read with their teacher.", "That small boat sails to the far island.",
           "We cook rice and greens every day of the week.", "Birds fly low over the wet fields."],
    "th": ["คุณยายปลูกขิงไว้หลังบ้าน", "ฝนตกตั้งแต่เช้าตลาดจึงเงียบ", "เด็กๆเรียนอ่านหนังสือกับครู", "เรือลำเล็กแล่นไปเกาะไกล",
           "เราหุงข้าวและทำผักทุกวัน", "นกบินต่ำเหนือทุ่งนา"],
    "lo": ["ແມ່ເຖົ້າປູກຂີງໄວ້ຫຼັງເຮືອນ", "ຝົນຕົກແຕ່ເຊົ້າຕະຫຼາດຈຶ່ງງຽບ", "ເດັກນ້ອຍຮຽນອ່ານກັບຄູ", "ເຮືອນ້ອຍແລ່ນໄປເກາະໄກ",
           "ພວກເຮົາຫຸງເຂົ້າທຸກມື້", "ນົກບິນຕ່ຳຢູ່ເໜືອທົ່ງນາ"],
    "km": ["ជីដូនដាំខ្ញីនៅក្រោយផ្ទះ", "ភ្លៀងធ្លាក់តាំងពីព្រឹកផ្សារស្ងាត់", "ក្មេងៗរៀនអានជាមួយគ្រូ", "ទូកតូចនោះទៅកោះឆ្ងាយ",
           "យើងដាំបាយរាល់ថ្ងៃ", "បក្សីហើរទាបលើវាលស្រែ"],
    "my": ["အဘွားသည် အိမ်နောက်တွင် ချင်းစိုက်သည်။", "မနက်ကတည်းက မိုးရွာ၍ ဈေးတိတ်ဆိတ်သည်။", "ကလေးများ ဆရာနှင့် စာဖတ်သင်သည်။",
           "လှေငယ်သည် ကျွန်းသို့ ရွက်လွှင့်သည်။", "ကျွန်ုပ်တို့ နေ့တိုင်း ထမင်းချက်သည်။", "ငှက်များ လယ်ကွင်းပေါ် နိမ့်နိမ့်ပျံသည်။"],
    "ta": ["பாட்டி வீட்டின் பின்புறம் இஞ்சி வளர்க்கிறார்.", "காலையிலிருந்து மழை பெய்ததால் சந்தை அமைதி.", "குழந்தைகள் ஆசிரியருடன் படிக்கிறார்கள்.",
           "சிறிய படகு தூரத் தீவுக்குச் செல்கிறது.", "நாங்கள் தினமும் சோறு சமைக்கிறோம்.", "பறவைகள் வயல் மீது தாழப் பறக்கின்றன."],
    "zh": ["奶奶在屋后种姜。", "早上开始下雨，集市很冷清。", "孩子们跟老师学读书。", "小船驶向远处的岛。", "我们每天煮饭炒菜。", "鸟儿低低地飞过田野。"],
}  # fmt: skip
UNSPACED = ("th", "lo", "km", "zh")


def document(tag: str, seed: int, sentences: int = 24) -> str:
    """A document: lines of one to four sentences, drawn with their words (letters where there are no spaces) shuffled now and then."""
    rng = random.Random(f"{tag} {seed}")
    lines: list[str] = []
    left = sentences
    while left > 0:
        some = [_varied(rng.choice(SENTENCES[tag]), tag, rng) for _ in range(min(left, rng.randint(1, 4)))]
        left -= len(some)
        lines.append((" " if tag != "zh" else "").join(some))
    return "\n".join(lines)


def _varied(sentence: str, tag: str, rng: random.Random) -> str:
    """The sentence with pieces of another in it, so that no two documents are alike."""
    other = rng.choice(SENTENCES[tag])
    if tag in UNSPACED:
        cut, start = rng.randrange(len(sentence)), rng.randrange(len(other))
        return sentence[:cut] + other[start : start + rng.randint(2, 9)] + sentence[cut:]
    words = sentence.split()
    words.insert(rng.randrange(len(words)), rng.choice(other.split()).strip(".").lower())
    rng.shuffle(middle := words[1:-1])
    return " ".join([words[0], *middle, words[-1]])
