"""The pages in a real Chromium: nothing runs over the edge, nothing is fetched, nothing of the data runs."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from page_parts import EVIL, hostile
from report_runs import run

from rumpun.evaluate.report import leaderboard_html, report_html
from rumpun.evaluate.report.flips import flips, flips_html

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
WHOLE = run(items=3)
ATTACK = (
    "".join(EVIL)
    + "x" * 300
    + "ก"
    + "\u0e49" * 200
    + "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"
)
# what stands outside the window and in no box that scrolls, with its text; tables must not push a page wide
OVER = """() => [...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  return (box.right > innerWidth + 0.5 || box.left < -0.5) && !e.closest('.scroll') && !e.closest('.unseen');
}).map(e => e.tagName + ' ' + e.textContent.slice(0, 40))"""


def all_pages() -> dict[str, str]:
    attacked = hostile(WHOLE.scores, WHOLE.samples, WHOLE.against, ATTACK)
    return {
        "report": report_html(WHOLE.scores, WHOLE.samples, WHOLE.against),
        "board": leaderboard_html(
            [("evaluations/padi", WHOLE.scores), ("alone", run(items=3, seed=3, models=1).scores)]
        ),
        "flips": flips_html(flips(WHOLE.against, WHOLE.samples), names=("base", "layer")),
        "attacked": report_html(*attacked),
        "attacked board": leaderboard_html([(ATTACK, attacked[0])]),
        "attacked flips": flips_html(flips(attacked[2], attacked[1]), names=(ATTACK, ATTACK)),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, html in all_pages().items():
        path = folder / f"{name.replace(' ', '-')}.html"
        path.write_text(html, encoding="utf-8")
        found[name] = path.as_uri()
    return found


@pytest.mark.parametrize("name", ["report", "board", "flips", "attacked", "attacked board", "attacked flips"])
def test_it_fits_phones_and_screens_and_does_nothing(browser: Any, files: dict[str, str], name: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    troubles: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: troubles.append(line.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(files[name])
    title = page.title()
    for width in (320, 360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for opened in ("false", "true"):
            # opening all of a long page takes seconds: some of each part stand for the rest
            page.evaluate(
                f"[...document.querySelectorAll('details')].forEach((d, n) => d.open = {opened} && n % 9 < 2)"
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, opened)
            assert page.evaluate(OVER) == [], (width, opened)
    assert asked == [files[name]]
    assert troubles == []
    assert page.title() == title
    page.close()


def test_a_keyboard_reaches_and_opens_everything(browser: Any, files: dict[str, str]) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800}, java_script_enabled=True)
    page.goto(files["report"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Gains"
    first = page.locator("#tasks summary").first
    first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#tasks details").first.evaluate("e => e.open")
    box = page.locator("#skills .scroll")
    box.focus()
    page.keyboard.press("ArrowRight")
    seen: list[float] = []
    while not any(seen) and len(seen) < 100:
        page.wait_for_timeout(50)
        seen.append(page.evaluate("document.querySelector('#skills .scroll').scrollLeft"))
    assert seen[-1] > 0
    assert (
        page.locator("#gains table").first.evaluate("e => e.querySelectorAll('[role=rowheader]').length")
        == 11
    )
    page.close()


def test_labels_of_a_plot_do_not_lie_on_one_another(browser: Any, files: dict[str, str]) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 800})
    for name in ("report", "board"):
        page.goto(files[name])
        overlaps = page.evaluate("""() => [...document.querySelectorAll('svg')].flatMap(svg => {
          const boxes = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect()).filter(b => b.width);
          return boxes.slice(1).filter((box, n) => box.left < boxes[n].right + 1).map(box => box.left);
        })""")
        assert overlaps == []
    page.close()
