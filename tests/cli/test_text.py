"""`rumpun text` as a process: lines in, lines out."""

import json

from commands import refused, rumpun, said


def text(*arguments, data=""):
    return rumpun("text", *arguments, input=data)


def rows(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_normalise_gives_a_line_for_a_line_and_counts_what_it_mended():
    done = text("normalise", data="น\u0e4d\u0e49\u0e32\n\nbaik\u200b\n๑๒")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "น้ำ\n\nbaik\n๑๒\n"
    assert done.stderr == "mended: hidden 1, thai.am 1\n"


def test_normalise_in_json_has_the_changes_and_the_way_back():
    found = rows(text("normalise", "--json", "--digits", data="น\u0e4d\u0e49\u0e32 ๑\na\u2028b\nok\n"))
    assert [list(row) for row in found] == [["text", "changes", "offsets"]] * 3
    assert found[0]["text"] == "น้ำ 1"
    assert found[0]["changes"] == {"thai.am": 1, "digit": 1}
    assert found[0]["offsets"] == [[0, 1], [1, 4], [1, 4], [4, 5], [5, 6]]
    assert found[1]["text"] == "a\nb"
    assert found[2] == {"text": "ok", "changes": {}, "offsets": []}


def test_normalise_takes_options_and_a_language():
    zawgyi = "\u103b\u1019\u1014\u1039\u1019\u102c\n"
    assert text("normalise", data=zawgyi).stdout == "မြန်မာ\n"
    assert text("normalise", "--zawgyi", "never", data=zawgyi).stdout == zawgyi
    assert text("normalise", "--language", "shn", data=zawgyi).stdout == zawgyi
    mixed = "p\u0430y\n"
    assert text("normalise", data=mixed).stdout == "pay\n"
    assert text("normalise", "--no-homoglyphs", data=mixed).stdout == mixed
    assert text("normalise", "--word-marks", "drop", data="ไป\u200bตลาด\n").stdout == "ไปตลาด\n"


def test_segment_by_each_unit():
    line = "แม่ซื้อผักที่ตลาด น้ำ\n"
    assert text("segment", "--segmenter", "pure", data=line).stdout == "แม่|ซื้อ|ผัก|ที่|ตลาด|น้ำ\n"
    assert text("segment", "--by", "syllables", "--separator", "-", data="မြန်မာ\n").stdout == "မြန်-မာ\n"
    assert text("segment", "--by", "graphemes", data="น้ำ\n").stdout == "น้ำ\n"
    assert text("segment", "--by", "sentences", data="Baik. Mari pergi.\n").stdout == "Baik. |Mari pergi.\n"


def test_segment_in_json_names_the_segmenter():
    (row,) = rows(text("segment", "--json", "--segmenter", "pure", "-l", "id", data="Ibu ke pasar.\n"))
    assert row["spans"] == [[0, 3], [4, 6], [7, 12]]
    assert row["segmenter"].startswith("pure ")


def test_count_says_how_much_of_everything(tmp_path):
    (tmp_path / "a").write_text("Ibu ke pasar. Baik.\n", encoding="utf-8")
    (tmp_path / "b").write_text("မြန်မာ 👩🏽‍🌾\n", encoding="utf-8")
    found = said(text("count", "--json", "--segmenter", "pure", tmp_path / "a", tmp_path / "b"))
    assert found["lines"] == 2
    assert found["sentences"] == 3
    assert found["words"] == 4 + 1
    assert found["syllables"] == 4 + 2
    assert found["characters"] == 19 + 11
    assert found["graphemes"] == 19 + 6
    assert found["bytes"] == len((tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes()) - 2
    assert found["scripts"] == {"Latn": 14, "Mymr": 6}
    table = text("count", data="Ibu\n").stdout
    assert "characters" in table
    assert "Latn" in table


def test_nothing_in_nothing_out():
    assert text("normalise").stdout == ""
    assert text("segment", "--json").stdout == ""
    assert said(text("count", "--json"))["lines"] == 0


def test_wrong_input_is_one_line_and_a_hint():
    line, hint = refused(text("segment", "--segmenter", "icy", data="a\n"), 2)
    assert line == "rumpun: no segmenter is called 'icy'"
    assert hint == "did you mean 'icu'?"
    done = rumpun("text", "normalise", "none.txt")
    assert "none.txt: cannot be read" in refused(done, 3)[0]
