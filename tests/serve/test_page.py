"""The page in a real Chromium: streaming, stopping, verdicts, switching, small screens, keyboards, nothing from outside."""

import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
from served import BAD, DOUBTFUL, SAD, Running, message, running, served, word_guard

from rumpun.engines.fake import Fake
from rumpun.engines.port import Request
from rumpun.serve.settings import GuardMode, Settings

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
FLAGS = [
    "--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--no-first-run",
]  # fmt: skip
ATTACK = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script><b>tebal</b>"
THAI = "กาลครั้งหนึ่ง มีแม่น้ำสายหนึ่งไหลผ่านหมู่บ้านเล็ก ๆ ที่เชิงเขา\nชาวบ้านปลูกข้าว"
LONG = "x" * 400 + " " + "မြစ်ကမ်းဘေးမှာရွာငယ်လေးတစ်ရွာရှိခဲ့ပါတယ်" * 8


class Slowly(str):
    """A text whose characters come one by one."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        for character in super().__iter__():
            time.sleep(0.002)
            yield character


def reply(request: Request) -> str:
    asked = request.messages[-1].content
    answers = {
        "serang": ATTACK,
        "เล่านิทานเกี่ยวกับแม่น้ำให้ฟังหน่อยครับ": THAI,
        "panjang": LONG,
        "lama": Slowly("sungai " * 2000),
    }
    if asked.startswith("berapa"):
        return f"{len(request.messages)} turns"
    return answers.get(asked, f"Jawaban: {asked}.")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def serving(mode: GuardMode) -> Iterator[Running]:
    models = [
        served(
            Fake(name="padi+pertama", reply=reply),
            layer_name="pertama",
            caution="Ini demonstrasi.",
        ),
        served(Fake(name="kedua", reply=lambda _: "dari kedua"), caution="Yang ini juga."),
    ]
    with running(models, word_guard(), Settings(guard=mode)) as run:
        yield run


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    yield from serving("warn")


@pytest.fixture(scope="module")
def blocking() -> Iterator[Running]:
    yield from serving("block")


class Visit:
    """A page that is open, with everything it asked for and complained about."""

    def __init__(self, browser: Any, run: Running, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.asked: list[str] = []
        self.troubles: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on(
            "console", lambda line: self.troubles.append(line.text) if line.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.goto(run.url)

    def say(self, text: str) -> None:
        self.page.fill("#message", text)
        self.page.keyboard.press("Enter")

    def settled(self) -> None:
        expect(self.page.locator(".busy")).to_have_count(0, timeout=20_000)

    def last(self, kind: str = "answer") -> Any:
        return self.page.locator(f".{kind}").last


@pytest.fixture
def visit(browser: Any, service: Running) -> Iterator[Visit]:
    found = Visit(browser, service)
    yield found
    found.page.close()
    assert found.troubles == []
    assert all(url.startswith(service.url + "/") for url in found.asked), found.asked


def test_it_sends_streams_and_shows_what_the_guard_saw(visit: Visit) -> None:
    visit.say("เล่านิทานเกี่ยวกับแม่น้ำให้ฟังหน่อยครับ")
    expect(visit.last().locator(".words")).to_contain_text("กาลครั้งหนึ่ง")
    visit.settled()
    expect(visit.last().locator(".words")).to_have_text(THAI)
    assert visit.last().locator(".words").inner_text() == THAI  # the line end is seen
    for kind in ("asked", "answer"):
        expect(visit.last(kind).locator(".verdict")).to_have_text("guard: nothing found")
        assert visit.last(kind).locator(".words").get_attribute("lang") == "th"
        expect(visit.last(kind).locator(".language")).to_have_text("ไทย")
    expect(visit.last().locator(".facts-line")).to_contain_text("tokens/s")
    said = visit.page.locator("#said")
    assert said.get_attribute("aria-live") == "polite"
    expect(said).to_contain_text("กาลครั้งหนึ่ง")


def test_a_flagged_text_is_marked_in_words(visit: Visit) -> None:
    visit.say(f"apa itu {BAD}")
    visit.settled()
    for kind in ("asked", "answer"):
        expect(visit.last(kind).locator(".verdict.bad")).to_have_text("guard: flagged, hate 97 %")


def test_a_word_of_care_and_help_stand_beside_the_answer(visit: Visit) -> None:
    for word, action in ((DOUBTFUL, "care"), (SAD, "help")):
        visit.say(f"berapa {word}")
        visit.settled()
        expect(visit.last("asked").locator(".verdict")).to_contain_text(f"guard: {action}")
        assert visit.last().locator(".note").inner_text().split() == message(f"berapa {word}").split()


def test_stop_keeps_what_has_come(visit: Visit, service: Running) -> None:
    for how in ("button", "Escape"):
        visit.say("lama")
        expect(visit.last().locator(".words")).to_contain_text("sungai")
        expect(visit.page.locator("#send")).to_be_hidden()
        if how == "button":
            visit.page.click("#stop")
        else:
            visit.page.keyboard.press("Escape")
        visit.settled()
        expect(visit.last().locator(".facts-line")).to_contain_text("stopped")
        assert 0 < len(visit.last().locator(".words").inner_text()) < 2000 * 7 - 10
        expect(visit.page.locator("#send")).to_be_visible()
        expect(visit.page.locator("#message")).to_be_focused()
    engine: Any = service.service.shelf.default.model.engine
    for _ in range(100):
        if engine.running == 0:
            break
        visit.page.wait_for_timeout(20)
    assert engine.running == 0


def test_an_attack_in_an_answer_stays_text(visit: Visit) -> None:
    visit.say("serang")
    visit.settled()
    expect(visit.last().locator(".words")).to_have_text(ATTACK)
    visit.say(ATTACK)
    visit.settled()
    assert visit.page.locator("#talk img, #talk script, #talk b").count() == 0
    assert "broken" not in visit.page.title()


def test_the_conversation_goes_along_and_a_new_chat_forgets_it(visit: Visit) -> None:
    for expected in ("1 turns", "3 turns", "5 turns"):
        visit.say("berapa")
        visit.settled()
        expect(visit.last().locator(".words")).to_have_text(expected)
    visit.page.click("#new")
    expect(visit.page.locator("#talk li")).to_have_count(0)
    expect(visit.page.locator("#welcome")).to_be_visible()
    visit.say("berapa")
    visit.settled()
    expect(visit.last().locator(".words")).to_have_text("1 turns")


def test_a_new_chat_ends_an_answer_under_way(visit: Visit) -> None:
    visit.say("lama")
    expect(visit.last().locator(".words")).to_contain_text("sungai")
    visit.page.click("#new")
    visit.say("berapa")
    visit.settled()
    expect(visit.page.locator("#talk li")).to_have_count(2)
    expect(visit.last().locator(".words")).to_have_text("1 turns")


def test_the_model_can_be_switched(visit: Visit) -> None:
    assert visit.page.locator("#model option").all_inner_texts() == ["padi+pertama", "kedua"]
    expect(visit.page.locator("#layer")).to_have_text("layer pertama")
    expect(visit.page.locator("#caution")).to_have_text("Ini demonstrasi.")
    visit.page.select_option("#model", "kedua")
    expect(visit.page.locator("#layer")).to_have_text("no layer")
    expect(visit.page.locator("#caution")).to_have_text("Yang ini juga.")
    visit.say("hai")
    visit.settled()
    expect(visit.last().locator(".words")).to_have_text("dari kedua")
    visit.page.click("#card")
    expect(visit.page.locator("h1")).to_have_text("kedua")
    visit.page.go_back()
    visit.page.select_option("#model", "padi+pertama")
    visit.page.click("#card")
    expect(visit.page.locator("h1")).to_have_text("padi+pertama")


def test_block_refuses_in_words_and_leaves_the_request_out(browser: Any, blocking: Running) -> None:
    visit = Visit(browser, blocking)
    visit.say(f"apa itu {BAD}")
    visit.settled()
    expect(visit.last().locator(".why")).to_contain_text("held this request back")
    expect(visit.last("asked").locator(".verdict.bad")).to_be_visible()
    visit.say("berapa")
    visit.settled()
    expect(visit.last().locator(".words")).to_have_text("1 turns")
    assert "The guard blocks" in visit.page.locator(".foot").inner_text()
    visit.page.close()
    assert visit.troubles == []


def test_errors_are_said_in_words(browser: Any) -> None:
    settings = Settings(guard="off")
    with running(Fake(context_tokens=60, fails_at=20), settings=settings) as run:
        visit = Visit(browser, run)
        visit.say("x" * 100)
        expect(visit.last().locator(".why")).to_contain_text("longer than the model can read")
        visit.say("hai")
        expect(visit.last().locator(".why")).to_contain_text("broke off")
        assert "not checked" in visit.last("asked").inner_text()
    visit.say("hai")
    expect(visit.last().locator(".why")).to_contain_text("did not answer")
    expect(visit.page.locator("#said")).to_contain_text("did not answer")
    visit.page.close()


def test_a_service_with_a_key_asks_for_it(browser: Any) -> None:
    with running(Fake(reply=reply), settings=Settings(guard="off", api_keys=("kunci",))) as run:
        visit = Visit(browser, run)
        visit.say("hai")
        expect(visit.page.locator("#lock")).to_be_visible()
        visit.page.fill("#key", "kunci")
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator("#lock")).to_be_hidden()
        visit.say("hai")
        visit.settled()
        expect(visit.last().locator(".words")).to_have_text("Jawaban: hai.")
        visit.page.close()


def test_the_keyboard_alone_is_enough(visit: Visit) -> None:
    page = visit.page
    expect(page.locator("#message")).to_be_focused()
    page.keyboard.type("satu")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("dua")
    assert page.locator("#message").input_value() == "satu\ndua"
    page.keyboard.press("Enter")
    visit.settled()
    expect(visit.last("asked").locator(".words")).to_have_text("satu\ndua")
    page.keyboard.press("Enter")  # an empty message is not sent
    expect(page.locator("#talk li")).to_have_count(2)
    page.reload()
    page.evaluate("() => document.activeElement.blur()")
    seen = []
    for _ in range(24):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(
            "() => { const e = document.activeElement; return e === document.body ? 'BODY' : e.id || e.className || e.tagName }"
        ))  # fmt: skip
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        ring = page.evaluate(
            "() => getComputedStyle(document.activeElement.closest('.ask') || document.body).boxShadow"
        )
        assert outline != "none" or ring != "none" or seen[-1] == "BODY", seen[-1]
    round_trip = seen[seen.index("skip") :]  # the first Tab goes on from where the focus was
    stops = {"skip", "mark", "model", "card", "new", "starter", "message", "send"}
    order = [name for name in round_trip if name in stops]
    assert order[:6] == ["skip", "mark", "model", "card", "new", "starter"]
    assert order.index("message") < order.index("send")


def test_what_is_there_has_a_name_and_room_for_a_finger(browser: Any, service: Running) -> None:
    visit = Visit(browser, service, viewport={"width": 360, "height": 740}, has_touch=True)
    found = visit.page.evaluate(
        """() => [...document.querySelectorAll('button, select, textarea, input, .choice a, .mark')]
            .filter(e => e.offsetParent)
            .map(e => [e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels[0] && e.labels[0].textContent) || '',
                       e.getBoundingClientRect().height, e.id || e.className])"""
    )
    assert len(found) > 12
    for name, height, which in found:
        assert name, which
        assert height >= 43.9, which
    assert visit.page.locator("html").get_attribute("lang") == "en"
    assert visit.page.locator("h1").count() == 1
    visit.page.close()


@pytest.mark.parametrize("path", ["/", "/models/padi+pertama", "/guard", "/nothing"])
@pytest.mark.parametrize("zoom", [1, 2])
def test_a_phone_never_scrolls_sideways(browser: Any, service: Running, path: str, zoom: int) -> None:
    visit = Visit(browser, service, viewport={"width": 360, "height": 740})
    visit.page.goto(service.url + path)
    if path == "/":
        visit.say("panjang")
        visit.settled()
    if zoom != 1:
        visit.page.evaluate("(size) => { document.documentElement.style.fontSize = size }", f"{16 * zoom}px")
    width = visit.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 360
    visit.page.close()


CONTRAST = """() => {
  const channel = (v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 };
  const light = (c) => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c } return [255, 255, 255, 1] };
  const out = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.offsetParent || e.closest('.unseen, .skip, option, script')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    out.push([(a + .05) / (b + .05), e.tagName + '.' + e.className]);
  }
  return out;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Any, service: Running, scheme: str) -> None:
    visit = Visit(browser, service, color_scheme=scheme)
    found = visit.page.evaluate(CONTRAST)
    visit.say(f"apa itu {BAD}")
    visit.settled()
    found += visit.page.evaluate(CONTRAST)
    visit.page.goto(f"{service.url}/models/padi+pertama")
    found += visit.page.evaluate(CONTRAST)
    assert len(found) > 30
    worst = min(found)
    assert worst[0] >= 4.5, worst
    ground = visit.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(17, 22, 15)") == (scheme == "dark")
    visit.page.close()


def test_motion_stops_where_it_is_not_wanted(browser: Any, service: Running) -> None:
    visit = Visit(browser, service, reduced_motion="reduce")
    visit.say("lama")
    expect(visit.last().locator(".words")).to_contain_text("sungai")
    assert (
        visit.page.evaluate(
            "() => getComputedStyle(document.querySelector('.busy'), '::before').animationName"
        )
        == "none"
    )
    visit.page.keyboard.press("Escape")
    visit.settled()
    visit.page.close()


def test_scripts_with_stacked_marks_get_room_and_fonts(visit: Visit) -> None:
    heights = visit.page.evaluate(
        """() => Object.fromEntries(['en', 'th', 'lo', 'km', 'my', 'ta'].map(tag => {
            const e = document.createElement('div'); e.lang = tag; e.textContent = 'x'; document.querySelector('main').append(e);
            const s = getComputedStyle(e); return [tag, [parseFloat(s.lineHeight) / parseFloat(s.fontSize), s.fontFamily, s.wordBreak]] }))"""
    )
    assert heights["en"][0] < heights["th"][0] <= heights["ta"][0] < heights["my"][0] == heights["km"][0]
    for font in ("Noto Sans Thai", "Noto Sans Lao", "Noto Sans Khmer", "Noto Sans Myanmar", "Noto Sans Tamil", "Leelawadee UI",
                 "Thonburi", "Khmer OS", "Padauk", "Pyidaungsu", "Latha"):  # fmt: skip
        assert font in heights["my"][1]
    assert all(found[2] == "normal" for found in heights.values())


def test_without_javascript_it_says_what_is_needed(browser: Any, service: Running) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(service.url)
    expect(page.locator("noscript .notice")).to_contain_text("needs JavaScript")
    page.close()


def test_a_starter_fills_the_box(visit: Visit) -> None:
    visit.page.locator(".starter[lang=th]").click()
    assert "แม่น้ำ" in visit.page.locator("#message").input_value()
    expect(visit.page.locator("#message")).to_be_focused()
