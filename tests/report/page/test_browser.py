"""The page in a real browser: it needs no network, answers to mouse, finger and keyboard, and fits a phone."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc_render.html import render_html
from dvc_render.image import ImageRenderer
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import CHROMIUM, FLAGS, MISSING, WHY, contrast
from tests.conftest import ROOT
from tests.report.page import pages
from tests.small import encode_png

LONG = "Schwarzenegger_Kostelic"
NAMES = ["a$$n$$t", "bee", "<b>cat</b>", "</script>"]  # who names a folder so should still get a page, and no request

pytestmark = pytest.mark.skipif(MISSING, reason=WHY)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "index.html"
    path.write_text(pages.write_labelled(folder, names=NAMES).render(), encoding="utf-8")
    return path


@dataclass
class Opened:
    """A page, and what it did that it should not do."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def where(self, row: int) -> tuple[float, float]:
        """Locate an image of the map on the screen."""
        self.page.locator("#map").scroll_into_view_if_needed()
        script = """(row) => {
            const source = findModel("map"), view = Object.values(Bokeh.index.roots ?? Bokeh.index)
                .find((one) => one.model.renderers?.some((part) => part.data_source === source));
            const box = view.canvas_view.el.getBoundingClientRect(), frame = view.frame;
            const { x, y } = source.data;
            return [box.x + frame.x_scale.compute(x[row]), box.y + frame.y_scale.compute(y[row])];
        }"""
        x, y = self.page.evaluate(script, row)
        return x, y

    def nearest(self) -> list[int]:
        """List the images in the panel."""
        return [int(one) for one in self.page.locator("#panel .near button").evaluate_all(
            "(all) => all.map((one) => one.dataset.image)"
        )]  # fmt: skip

    def ringed(self) -> int:
        """Count the images that have a ring on the map."""
        found: int = self.page.evaluate("findModel('map rings').data.x.length")
        return found


def open_page(browser: Browser, path: Path, **options: Any) -> Opened:
    opened = Opened(browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options)).new_page())
    page, wrong = opened.page, opened.wrong
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    local = ("file:", "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(local) else wrong.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    return opened


@pytest.fixture(scope="module")
def shared(browser: Browser, file: Path) -> Opened:
    return open_page(browser, file)


@pytest.fixture
def opened(shared: Opened) -> Iterator[Opened]:
    yield shared
    assert shared.wrong == [], "errors, or requests that leave the machine"


def test_hovering_shows_the_image_and_its_class(opened: Opened) -> None:
    opened.page.mouse.move(*opened.where(9))
    tooltip = opened.page.locator(".bk-Tooltip img")
    tooltip.wait_for()
    assert tooltip.get_attribute("src") == opened.page.evaluate("findModel('map').data.image[9]")
    assert tooltip.evaluate("(image) => image.naturalWidth") == 8
    assert "<b>cat</b>" in tooltip.locator("..").inner_text()


def test_a_tap_shows_the_nearest_and_a_tap_on_one_of_them_moves_on(opened: Opened) -> None:
    panel = opened.page.locator("#panel")
    opened.page.mouse.click(*opened.where(6))
    panel.get_by_text("13.png").wait_for()
    first, *others = opened.nearest()
    assert {number // 4 for number in (first, *others[:2])} == {1}, "the three others of its class are nearest"
    assert opened.ringed() == 1 + len(others) + 1
    panel.locator(".near button").first.click()
    assert panel.locator(".chosen small").inner_text() == f"{2 * first + 1}.png"
    assert 6 in opened.nearest()


def test_the_map_can_be_walked_by_keyboard(opened: Opened) -> None:
    opened.page.locator("#panel .near button").first.focus()
    following = opened.nearest()[0]
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#panel .chosen small").inner_text() == f"{2 * following + 1}.png"
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#panel .chosen small").inner_text() != f"{2 * following + 1}.png"


def test_a_class_can_be_singled_out_and_let_go(opened: Opened) -> None:
    def strong() -> int:
        count: int = opened.page.evaluate("findModel('map').data.alpha.filter((one) => one > 0.5).length")
        return count

    button = opened.page.locator(".legend button", has_text="bee")
    button.click()
    assert strong() == 4
    button.click()
    assert strong() == 16


def test_a_phone_needs_no_sideways_scrolling_and_can_tap(browser: Browser, file: Path) -> None:
    size = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    opened = open_page(browser, file, **size)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 360
    opened.page.touchscreen.tap(*opened.where(6))
    opened.page.locator("#panel").get_by_text("13.png").wait_for()
    assert opened.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_charts_are_readable_and_follow_the_reader_from_light_to_dark(opened: Opened, scheme: Any) -> None:
    opened.page.emulate_media(color_scheme=scheme)
    background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    body, soft = opened.page.evaluate(
        "[document.body, document.querySelector('.soft')].map((one) => getComputedStyle(one).color)"
    )
    labels = "models().map((one) => one.attributes.major_label_text_color).filter(Boolean)"
    # The browser tells the page of another scheme a moment later than it draws the text in it.
    page_ink = "getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()"
    deadline = (
        time.monotonic() + 30
    )  # not `wait_for_function`: looking again, it would evaluate text, as the page forbids
    while not opened.page.evaluate(f"{labels}.every((one) => one === {page_ink})"):
        assert time.monotonic() < deadline, "the labels keep the colour of the other scheme"
        opened.page.wait_for_timeout(50)
    axes = opened.page.evaluate(labels)
    assert min(contrast(opened.page, ink) for ink in {body, soft, *axes}) >= 4.5
    dots = opened.page.evaluate("[...new Set(findModel('map').data.colour)]")
    assert min(contrast(opened.page, ink) for ink in dots) >= 3, "graphics, by WCAG 2.1"


def test_unlabelled_images_have_their_map_too(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(pages.write_unlabelled(tmp_path).render(), encoding="utf-8")
    opened = open_page(browser, path)
    opened.page.mouse.click(*opened.where(3))
    opened.page.locator("#panel").get_by_text("3.png", exact=True).wait_for()
    assert len(opened.nearest()) == 8
    assert opened.wrong == []


def test_many_long_names_fit_a_phone_and_do_not_break_inside_a_word(browser: Browser, tmp_path: Path) -> None:
    names = [*(f"{LONG}_{number}" for number in range(51)), "two  spaces and $$"]
    path = tmp_path / "index.html"
    path.write_text(pages.write_labelled(tmp_path, names=names, each=2).render(), encoding="utf-8")
    opened = open_page(browser, path, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    shown = page.locator(".nearest figure, .tile, #panel button")
    assert max(shown.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().right)")) <= 390
    parts = """[...document.querySelectorAll('figcaption, #panel b, #panel span, .mistake h3')].flatMap((one) => {
        const texts = document.createTreeWalker(one, NodeFilter.SHOW_TEXT), found = [];
        while (texts.nextNode()) {
            for (const word of texts.currentNode.data.matchAll(/Schwarzenegger|Kostelic/g)) {
                const range = document.createRange();
                range.setStart(texts.currentNode, word.index);
                range.setEnd(texts.currentNode, word.index + word[0].length);
                found.push(new Set([...range.getClientRects()].map((box) => box.top)).size);
            }
        }
        return found;
    })"""
    lines = page.evaluate(parts)
    assert len(lines) > 50
    assert set(lines) == {1}
    strong = "findModel('map').data.alpha.filter((one) => one > 0.5).length"
    page.get_by_role("button", name="other classes").click()
    assert page.evaluate(strong) == 52 - len(page.query_selector_all(".legend button")) + 1
    others = page.get_by_label("Single out another class")
    for place in (1, others.locator("option").count() - 1):
        others.select_option(index=place)
        assert page.evaluate(strong) == 1
    assert opened.wrong == []


@pytest.mark.parametrize("width", [1280, 390])
def test_dvcs_page_of_plots_shows_the_images_of_two_revisions_whole(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    (tmp_path / "views.png").write_bytes(encode_png(np.zeros((240, 960, 3))))
    revisions = [{"rev": name, "src": str(tmp_path / "views.png")} for name in ("HEAD", "workspace")]
    template = ROOT / ".dvc" / "offline-plots.html"
    render_html([ImageRenderer(revisions, "views.png")], tmp_path / "index.html", html_template=template)
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.goto((tmp_path / "index.html").as_uri())
    boxes = page.evaluate("[...document.images].map((one) => [one.naturalWidth, one.getBoundingClientRect().right])")
    assert [natural for natural, _ in boxes] == [960, 960]
    assert max(right for _, right in boxes) <= width
