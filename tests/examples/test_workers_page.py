"""The workers' page: who may read and write, and two people on it in a real Chromium, at a desk and on a phone."""

import json
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from between.page import BODY_MOST
from between.talk import LONGEST
from served import running
from workers_process import BLOCKING, TOLD, Process, dispute, interpreter, up

from rumpun.engines.fake import Fake

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
FLAGS = [
    "--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--no-first-run",
]  # fmt: skip
WAGES, PAY = list(TOLD)[:2]


@pytest.fixture(scope="module")
def far() -> Iterator[str]:
    with (
        running(Fake(name="jauh", context_tokens=32_768, reply=interpreter)) as run,
        up(f"{run.url}/v1", "--port", "0", *BLOCKING) as service,
    ):
        yield service.line()


class Page:
    """The example's page, as a process, with the two links that it printed."""

    def __init__(self, child: Process) -> None:
        self.child = child
        self.links = dict(child.line().split(": ", 1) for _ in range(2))
        self.url = self.links["worker"].partition("/#")[0]
        self.keys = {side: link.partition("#")[2] for side, link in self.links.items()}

    def ask(self, path: str, side: str = "worker", body: Any = None, **headers: str) -> httpx2.Response:
        sent = {"authorization": f"Bearer {self.keys[side]}"} | headers
        if body is None:
            return httpx2.get(self.url + path, headers=sent, timeout=60)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | sent
        return httpx2.post(self.url + path, content=content, headers=sent, timeout=60)


@pytest.fixture
def page(far: str) -> Iterator[Page]:
    with dispute(far, "--page", "--port", "0") as child:
        yield Page(child)


def test_only_who_holds_a_link_reads_and_writes_and_only_their_side(page: Page) -> None:
    said = page.ask("/say", body={"text": "ini zorkblip"})
    assert said.status_code == 200
    page.ask("/say", body={"text": WAGES})
    assert [turn["number"] for turn in page.ask("/turns").json()["turns"]] == [1, 2]
    assert [turn["number"] for turn in page.ask("/turns", "employer").json()["turns"]] == [2]
    assert page.ask("/turns?after=2").json() == {"turns": [], "after": 2}
    assert page.ask("/about", "employer").json()["language"] == "zh"
    for path, body in (("/about", None), ("/turns", None), ("/say", {"text": "x"})):
        for given in ("", "Bearer", "Bearer salah", f"Basic {page.keys['worker']}", page.keys["worker"][:-1]):
            answer = page.ask(path, body=body, authorization=given)
            assert answer.status_code == 401, (path, given)
    assert page.child.errors == []  # no message, no key, no path


def test_both_read_where_to_get_help_and_only_where_they_need_it(page: Page) -> None:
    for text in ("Terima kasih.", WAGES):  # the second: two months without wages
        assert page.ask("/say", body={"text": text}).status_code == 200
    for side, office, lawyer in (
        ("worker", "Kantor tenaga kerja", "Pengacara atau bantuan hukum"),
        ("employer", "劳工部门", "律师或法律援助"),
    ):
        thanks, wages = page.ask("/turns", side).json()["turns"]
        assert thanks["signs"] == []
        [sign] = wages["signs"]
        assert office.casefold() in sign["advice"]
        assert [place["kind"] for place in sign["places"]] == [office, lawyer]


def test_another_site_can_neither_read_nor_write(page: Page) -> None:
    for headers in (
        {"origin": "https://jahat.example"}, {"origin": "null"}, {"host": "jahat.example"}, {"host": "127.0.0.1.jahat.example"},
    ):  # fmt: skip
        assert page.ask("/say", body={"text": "x"}, **headers).status_code == 403
        assert page.ask("/turns", **headers).status_code == 403
    assert page.ask("/say", body={"text": WAGES}, origin=page.url).status_code == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert page.ask("/say", body={"text": "x"}, **{"content-type": kind}).status_code == 415
    answer = page.ask("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert not any(key in answer.text for key in page.keys.values())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"[]", 400), (b'{"text": 1}', 400), (b"[" * 20_000, 400), (b"\xff", 400),
        (b'{"text": " "}', 400), (b'{"text": "\\ud800"}', 200), (b" " * (BODY_MOST + 1), 413),
        (json.dumps({"text": "x" * (LONGEST + 1)}).encode(), 400),
    ],
)  # fmt: skip
def test_a_wrong_body_is_told(page: Page, body: bytes, status: int) -> None:
    answer = page.ask("/say", body=body)
    assert answer.status_code == status, answer.text
    assert (status == 200) == ("number" in answer.json())
    assert page.ask("/turns?after=x").status_code == 400


# ---- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Person:
    """One person's page, with everything that it complained about."""

    def __init__(self, browser: Any, page: Page, side: str, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.page.set_default_timeout(20_000)
        self.asked: list[str] = []
        self.troubles: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on(
            "console", lambda line: self.troubles.append(line.text) if line.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.goto(page.links[side])
        self.page.locator("#send:not(:empty)").wait_for()

    def say(self, text: str) -> None:
        self.page.fill("#text", text)
        self.page.click("#send")

    def turn(self, number: int) -> Any:
        found = self.page.locator("li.turn").nth(number)
        found.wait_for()
        return found


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1280, 800), (360, 740)], ids=["desktop", "phone"])
def test_two_people_write_and_read_in_their_own_languages(
    browser: Any, page: Page, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    worker = Person(browser, page, "worker", viewport=viewport)
    employer = Person(browser, page, "employer", viewport=viewport)
    assert worker.page.locator("html").get_attribute("lang") == "id"
    assert employer.page.locator("#advice").inner_text().startswith("这不是法律意见")
    assert worker.page.locator("#stored").inner_text().startswith("Tidak ada yang disimpan")
    worker.say(WAGES)
    seen = employer.turn(0)
    assert seen.locator(".translation").inner_text() == TOLD[WAGES]
    assert seen.locator(".translation").get_attribute("lang") == "zh"
    assert WAGES in seen.inner_text()
    for text in ("Employment Act 1968, section 38(4)", "未核对", "2025-01", "劳工部门"):
        assert text in seen.inner_text(), text
    assert seen.locator("a[href='https://www.mom.gov.sg']").count() == 1
    assert seen.locator("a").first.get_attribute("rel") == "noreferrer noopener"
    employer.say(PAY)
    assert worker.turn(1).locator(".translation").inner_text() == TOLD[PAY]
    assert worker.page.locator("#text").input_value() == ""
    # what the guard holds is told to its writer alone
    worker.say("ini zorkblip")
    assert "Tidak terkirim." in worker.turn(2).inner_text()
    # markup of a person or of the model stays text
    worker.say("serang")
    assert "<img" in employer.turn(2).locator(".translation").inner_text()
    assert employer.page.locator("li.turn").count() == 3
    assert employer.page.locator("li img").count() == 0
    for person in (worker, employer):
        assert person.page.title() != "broken"
        width = person.page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= size[0]
        assert person.page.evaluate("() => document.getElementById('send').offsetHeight") >= 44
        assert person.troubles == []
        assert all(url.startswith(page.url + "/") for url in person.asked)
        person.page.close()


@pytest.mark.browser
def test_a_service_that_dies_leaves_the_text_in_the_box(browser: Any) -> None:
    with (
        running(Fake(name="jauh", context_tokens=32_768, reply=interpreter)) as run,
        up(f"{run.url}/v1", "--port", "0", *BLOCKING) as service,
        dispute(url := service.line(), "--page", "--port", "0") as child,
    ):
        page = Page(child)
        worker = Person(browser, page, "worker")
        worker.say("Terima kasih.")
        worker.turn(0)
        service.kill()
        worker.say(WAGES)
        worker.page.locator("#trouble:not(:empty)").wait_for()
        said = worker.page.locator("#trouble").inner_text()
        assert said.startswith("Tidak terkirim: layanan tidak menjawab.")
        assert worker.page.locator("#text").input_value() == WAGES
        with up(f"{run.url}/v1", "--port", url.rpartition(":")[2], *BLOCKING) as again:
            again.line()
            worker.page.click("#send")
            assert worker.turn(1).locator(".translation").inner_text() == TOLD[WAGES]
        worker.page.close()


@pytest.mark.browser
def test_both_are_told_that_the_talk_is_kept(browser: Any, far: str, tmp_path: Any) -> None:
    with dispute(far, "--page", "--port", "0", "--keep", str(tmp_path / "talk")) as child:
        page = Page(child)
        assert not page.ask("/about").json()["weak"]
        for side, says in (("worker", "Pembicaraan ini ditulis ke berkas"), ("employer", "本次谈话会写入")):
            person = Person(browser, page, side)
            assert says in person.page.locator("#stored").inner_text()
            person.page.close()


@pytest.mark.browser
def test_a_link_without_its_key_says_what_to_open(browser: Any, page: Page) -> None:
    opened = browser.new_page()
    opened.goto(page.url)
    opened.locator("#trouble:not(:empty)").wait_for()
    assert "open the whole link" in opened.locator("#trouble").inner_text()
    assert not opened.locator("#send").is_visible()
    opened.close()


def test_two_who_write_at_once_both_get_through(page: Page) -> None:
    answers: list[int] = []
    writers = [
        threading.Thread(
            target=lambda side=side, text=text: answers.append(
                page.ask("/say", side, {"text": text}).status_code
            )
        )
        for side, text in (("worker", WAGES), ("employer", PAY)) * 3
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    turns = page.ask("/turns").json()["turns"]
    assert answers == [200] * 6
    assert [turn["number"] for turn in turns] == [1, 2, 3, 4, 5, 6]
    assert sorted(turn["text"] for turn in turns) == sorted([WAGES, PAY] * 3)
