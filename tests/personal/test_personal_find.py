"""What is found and what is not. Sentences were written for this test and not reviewed by native speakers; every
number is made up or from a public description."""

import pytest

from rumpun.errors import UsageError
from rumpun.personal import MASK_AT, find, find_all, tag

TABLE = [
    # country's number, in the usual layout, glued, in native digits, with a word of context
    ("No. KP 880101-14-5678 ya", "MY_NRIC", "880101-14-5678"),
    ("IC880101145678 saya", "MY_NRIC", "880101145678"),
    ("身份证880101145678号", "MY_NRIC", "880101145678"),
    ("NRIC: S1234567D.", "SG_NRIC", "S1234567D"),
    ("我的S1234567D号码", "SG_NRIC", "S1234567D"),
    ("என் எண்T1234567Jஆகும்", "SG_NRIC", "T1234567J"),
    ("fin no g1234567x", "SG_NRIC", "g1234567x"),
    ("NRIC ending 567D", "SG_NRIC_PART", "567D"),
    ("S****567D", "SG_NRIC_PART", "S****567D"),
    ("NIK 3174010101900001", "ID_NIK", "3174010101900001"),
    ("KTP: 3174 0101 0190 0001", "ID_NIK", "3174 0101 0190 0001"),
    ("NPWP 01.312.166.0-091.000", "ID_NPWP", "01.312.166.0-091.000"),
    ("เลขบัตรประชาชน1234567890121ครับ", "TH_PIN", "1234567890121"),
    ("เลข ๑-๒๓๔๕-๖๗๘๙๐-๑๒-๑ ค่ะ", "TH_PIN", "๑-๒๓๔๕-๖๗๘๙๐-๑๒-๑"),
    ("ID 1-2345-67890-12-1", "TH_PIN", "1-2345-67890-12-1"),
    ("căn cước 001099012345 nhé", "VN_CCCD", "001099012345"),
    ("can cuoc cong dan 001 099 012 345", "VN_CCCD", "001 099 012 345"),
    ("CMND số 012345678", "VN_CMND", "012345678"),
    ("mã số thuế 0100233488", "VN_MST", "0100233488"),
    ("TIN 123-456-782", "PH_TIN", "123-456-782"),
    ("PhilSys PCN 1234-5678-9012-3456", "PH_PCN", "1234-5678-9012-3456"),
    ("SSS no 34-1234567-8 po", "PH_SSS", "34-1234567-8"),
    ("PhilHealth 12-345678901-2", "PH_PHILHEALTH", "12-345678901-2"),
    ("UMID CRN 0111-1234567-8", "PH_CRN", "0111-1234567-8"),
    ("12/OUKAMA(N)123456", "MM_NRC", "12/OUKAMA(N)123456"),
    ("နံပါတ်၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆ဖြစ်သည်", "MM_NRC", "၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆"),
    ("9/LaThaNa (Naing) 012345 pa", "MM_NRC", "9/LaThaNa (Naing) 012345"),
    ("អត្តសញ្ញាណប័ណ្ណលេខ០១២៣៤៥៦៧៨", "KH_ID", "០១២៣៤៥៦៧៨"),
    ("ບັດປະຈຳຕົວ ໑໒໓໔໕໖໗", "LA_ID", "໑໒໓໔໕໖໗"),
    ("IC 01-234567", "BN_IC", "01-234567"),
    ("kartaun eleitoral 000123456", "TL_ID", "000123456"),
    ("passport E1234567K", "PASSPORT", "E1234567K"),
    ("paspor no. B1234567", "PASSPORT", "B1234567"),
    ("หนังสือเดินทาง AA1234567", "PASSPORT", "AA1234567"),
    ("4111111111111111", "CARD", "4111111111111111"),
    ("thẻ 5555 5555 5555 4444", "CARD", "5555 5555 5555 4444"),
    ("rekening BCA 1234567890 a.n. Budi", "BANK_ACCOUNT", "1234567890"),
    ("เลขบัญชี 123-4-56789-0", "BANK_ACCOUNT", "123-4-56789-0"),
    ("stk vcb 0123456789012", "BANK_ACCOUNT", "0123456789012"),
    ("budi@example.co.id", "EMAIL", "budi@example.co.id"),
    ("อีเมลsomchai.a@example.co.thนะ", "EMAIL", "somchai.a@example.co.th"),
    ("bakong: dara@aclb", "KH_BAKONG", "dara@aclb"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "value"), TABLE)
def test_found_with_its_place_in_the_original_text(text, kind, value):
    found = find(text)
    assert [(f.type, text[f.start : f.end]) for f in found] == [(kind, value)], found
    assert MASK_AT <= found[0].score <= 1
    assert found[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tanpa angka sama sekali",
        "harga Rp 12.345.678.901 saja",
        "Rp12345678901",
        "jumlah 1.234.567.890 đồng",
        "2024-01-15 12:30 sampai 2025-02-01",
        "15/01/2024",
        "tahun 2019-2023",
        "buka 08.00-17.30",
        "192.168.100.100",
        "versi 1.2.3.4",
        "ISBN 9786020331234",  # first digit 9: no Thai number
        "order 202401151234 sudah dikirim",
        "880101-14-567",
        "881301-14-5678",  # month 13
        "S1234567A",  # another check letter
        "XS1234567D9",
        "1234567890122",  # wrong check digit, no word beside it
        "1-2345-67890-12-2",
        "A1234567",  # no word for passports
        "12/31/2024 (N) 123456",
        "user@localhost",
        "@budi dan @siti",
        "https://example.com/a?page=2",
        "sha 3174010101900001abcdef",
        "id_3174010101900001_x",
        "4111111111111112",
        "0.1234567890123",
    ],
)
def test_ordinary_numbers_are_left_alone(text):
    assert find(text) == []


def test_a_wrong_check_is_still_masked_beside_its_word():
    found = find("เลขบัตรประชาชน 1234567890122")
    assert [f.type for f in found] == ["TH_PIN"]
    assert "fails its check" in found[0].reason


def test_the_nearer_and_better_reading_is_taken():
    assert [f.type for f in find("IC 880101-14-5678, HP 012-345 6789")] == ["MY_NRIC", "PHONE"]
    assert [f.type for f in find("NIK 3174010101900001, kartu kredit 4111111111111111")] == ["ID_NIK", "CARD"]


def test_a_list_shares_its_heading():
    text = "Rekening:\n1234567890\n2345678901\n3456789012\n" + "4567890123\n" * 5
    assert [f.type for f in find(text)] == ["BANK_ACCOUNT"] * 8


def test_the_same_number_elsewhere_is_found_too():
    text = (
        "rekening 1234567890. "
        + "Kalimat lain yang cukup panjang untuk jauh dari kata itu. " * 2
        + "1234567890 sudah"
    )
    assert len(find(text)) == 2
    assert "the same as at 9" in find(text)[1].reason


def test_words_count_within_thirty_code_points_before_and_behind():
    assert find("rekening" + "." * 28 + " 1234567890")
    assert not find("rekening" + " x" * 40 + " 1234567890")
    assert find("1234567890 itu nomor rekening saya")


def test_short_latin_words_count_whole():
    assert not find("medical 880101145")
    assert not find("politic 01234567")
    assert [f.type for f in find("ic 01234567")] == ["BN_IC"]


def test_vietnamese_plain_words_are_no_words_of_other_languages():
    assert not find("tin mới: mã đơn 123456789 nhé bạn")
    assert [f.type for f in find("TIN 123456789 po")] == ["PH_TIN"]


def test_countries_and_types_can_be_chosen():
    assert find("880101145678", countries=["th"]) == []
    assert [f.country for f in find("880101145678", countries=["my"])] == ["my"]
    assert find("1234567890121") == []  # a check alone is not enough
    assert [f.type for f in find("1234567890121", countries=["th"])] == ["TH_PIN"]
    assert find("budi@example.co.id", types=["PHONE"]) == []
    assert find("SBS3229P") == []
    assert [f.type for f in find("SBS3229P", types=["SG_PLATE"])] == ["SG_PLATE"]
    with pytest.raises(UsageError, match="no pack for the country 'xx'"):
        find("1", countries=["xx"])
    with pytest.raises(UsageError, match="no type of personal data is called 'PHONES'"):
        find("1", types=["PHONES"])
    with pytest.raises(UsageError, match="text 1: a int"):
        find_all(["a", 5])


def test_a_lower_least_score_shows_the_guesses():
    assert find("1234567890121") == []
    guesses = find("1234567890121", least=0.3)
    assert [f.type for f in guesses] == ["TH_PIN"]
    assert guesses[0].score < MASK_AT


def test_guesses_displace_nothing_that_is_found():
    text = "ເລກບັດປະຈຳຕົວຂອງຂ້ອຍແມ່ນ608303967"  # its digits would also be a Thai number without its zero
    assert [f.type for f in find(text)] == [f.type for f in find(text, least=0)] == ["LA_ID"]


def test_a_word_beside_it_decides_between_readings():
    assert [f.type for f in find("អត្តសញ្ញាណប័ណ្ណ061925016")] == ["KH_ID"]
    assert [f.type for f in find("ទូរស័ព្ទ061925016")] == ["PHONE"]


def test_numbers_of_another_country_are_unlikely_in_a_script_that_is_not_its_own():
    assert find("เมื่อวานเขาส่ง801003023994มาให้เรา") == []
    assert [f.type for f in find("Dia hantar 801003023994 semalam")] == ["MY_NRIC"]


def test_points_do_not_hide_a_number_that_a_word_names():
    assert [f.type for f in find("CCCD 038.155.273.976")] == ["VN_CCCD"]
    assert [f.type for f in find("TIN 359.517.006 po")] == ["PH_TIN"]
    assert find("359.517.006 orang, 65.80726157 persen, 031.1") == []


def test_numbers_glued_to_one_another_are_each_found():
    assert [f.type for f in find("IC880101-14-5678S1234567D")] == ["MY_NRIC", "SG_NRIC"]
    assert [f.type for f in find("12/OUKAMA(N)123456\u200b880101-14-5678")] == ["MM_NRC", "MY_NRIC"]
    assert [f.type for f in find("a@example.com081234567890")] == ["EMAIL", "PHONE"]


def test_many_texts_are_as_one_by_one():
    texts = [text for text, _, _ in TABLE]
    assert find_all(texts) == [find(text) for text in texts] == tag(texts)


SEPARATORS = [" ", "\u00a0", "\u202f", "\u200b", "\u200c", "\u200d", "\u2060", "\u00ad", "-", "\u2010", "\u2011", "\u2012", "\u2013",
              "\u2014", "\u2015", "\u2212", ".", "·"]  # fmt: skip


@pytest.mark.parametrize("separator", SEPARATORS)
def test_every_separator_is_read(separator):
    text = "เลขบัตรประชาชน " + separator.join(["1", "2345", "67890", "12", "1"])
    found = find(text)
    assert [(f.type, f.end) for f in found] == [("TH_PIN", len(text))]


@pytest.mark.parametrize("stop", ["။", "៖", "។", "ฯ", "ໆ", "၊", "/", ",", "\n\n\n\n"])
def test_full_stops_of_the_region_separate_nothing(stop):
    assert all(f.type != "TH_PIN" for f in find(stop.join(["1", "2345", "67890", "12", "1"]), least=0.1))


ZEROS = {
    "Thai": "๐",
    "Lao": "໐",
    "Khmer": "០",
    "Myanmar": "၀",
    "Shan": "႐",
    "Tamil": "௦",
    "full": "０",
    "Arabic": "٠",
    "Java": "꧐",
}


@pytest.mark.parametrize("zero", ZEROS.values(), ids=ZEROS)
def test_native_digits_are_digits(zero):
    native = "".join(chr(ord(zero) + int(d)) for d in "1234567890121")
    text = f"เลขบัตรประชาชน{native}ครับ"
    assert [(f.type, text[f.start : f.end]) for f in find(text)] == [("TH_PIN", native)]


def test_khmer_divination_signs_and_tamil_tens_are_no_digits():
    assert find("អត្តសញ្ញាណប័ណ្ណ " + "\u17f1\u17f2\u17f3\u17f4\u17f5\u17f6\u17f7\u17f8\u17f9") == []
    assert find("அடையாள அட்டை " + "\u0bf0\u0bf1\u0bf2" * 4) == []


def test_both_spellings_of_sara_am_are_one_word():
    assert find("ເລກບັດປະຈໍາຕົວ 1234567")[0].type == "LA_ID"  # niggahita and aa instead of sam
    assert find("ບັດປະຈຳຕົວ 1234567")[0].type == "LA_ID"
