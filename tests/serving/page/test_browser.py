"""The page of `python -m serving` in a real browser: search, classify, and label while the server is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from components.fetch.given import GivenLabels
from tests.browser import CHROMIUM, FLAGS, MISSING, WHY, contrast
from tests.conftest import ROOT
from tests.serving.digits import DigitsProject

PATIENCE = 60_000  # milliseconds; a shared machine may be slow
PARTS = ("search", "classify", "label")

pytestmark = [pytest.mark.skipif(MISSING, reason=WHY), pytest.mark.slow]


class Server:
    """`python -m serving`, which can be killed and started again at the same address."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root, 0

    def start(self) -> None:
        """Start it; `wait` waits until it answers."""
        command = (sys.executable, "-m", "serving", "--port", str(self.port))
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        log = (self.root / "serving.log").open("ab")
        self.process = subprocess.Popen(command, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=log)
        log.close()

    def wait(self) -> str:
        """Wait until it answers, and return its address."""
        assert self.process.stdout
        self.address = self.process.stdout.readline().decode().strip()
        assert self.address.startswith("http://127.0.0.1:"), (self.root / "serving.log").read_text()
        self.port = int(self.address.rstrip("/").rpartition(":")[2])
        return self.address

    def kill(self) -> None:
        """Kill it without a warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> DigitsProject:
    project = DigitsProject(tmp_path_factory.mktemp("digits") / "project")
    for stage in ("fetch", "pretrain", "embed"):
        project.run(stage)
    project.run("evaluate", probe="logistic")
    project.run("index", encoder="byol")
    project.run("classifier", encoder="byol")
    project.run("select", strategy="random")
    return project


@pytest.fixture(scope="module")
def server(digits: DigitsProject) -> Iterator[Server]:
    server = Server(digits.root)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        server.wait()
        yield started
        started.close()


@dataclass
class Visit:
    """What a person does with the page, and what the page did that it should not do."""

    context: BrowserContext
    server: Server
    wrong: list[str] = field(default_factory=list)

    def open(self, part: str) -> Page:
        """Open a part of the page in a new tab."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        own = (self.server.address, "blob:", "data:")
        page.on("request", lambda request: None if request.url.startswith(own) else self.wrong.append(request.url))
        page.goto(f"{self.server.address}#{part}")
        page.locator("html[data-ready=yes]").wait_for()
        return page


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    visit = Visit(browser.new_context(viewport={"width": 1280, "height": 900}), server)
    yield visit
    visit.context.close()
    assert visit.wrong == [], "errors, or requests that leave the machine"


def drop(page: Page, part: str, files: dict[str, bytes]) -> None:
    """Drop files on a part of the page."""
    script = """(files) => {
        const transfer = new DataTransfer();
        const type = "image/png";
        for (const [name, bytes] of files) transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
        return transfer;
    }"""
    transfer = page.evaluate_handle(script, [[name, list(content)] for name, content in files.items()])
    page.dispatch_event(f"#{part} .drop", "drop", {"dataTransfer": transfer})


def test_a_dropped_image_finds_its_class_and_its_place(visit: Visit, digits: DigitsProject) -> None:
    page = visit.open("search")
    count = """() => {
        const { width, height } = document.getElementById("map");
        const { data } = document.getElementById("map").getContext("2d").getImageData(0, 0, width, height);
        return data.filter((value, place) => place % 4 === 3 && value).length;
    }"""  # painted pixels
    before = page.evaluate(count)
    assert before > 400, "a point for each image"
    drop(page, "search", {"new.png": digits.new})
    page.locator("#search-query .verdict").wait_for()
    near = page.locator("#search-near .near")
    assert near.count() == 12
    assert digits.new_class in near.locator("b").all_inner_texts()
    similar = [float(text) for text in near.locator("small").all_inner_texts()]
    assert similar == sorted(similar, reverse=True)
    assert page.evaluate(count) > before, "rings in the map"
    near.first.focus()
    page.keyboard.press("Enter")  # searches with that image, and goes on from its nearest
    page.locator("#search-query").get_by_text("digits/").wait_for()
    expect(near.first).to_be_focused()


def test_each_of_many_images_has_probabilities_and_what_speaks_for_them(visit: Visit, digits: DigitsProject) -> None:
    page = visit.open("classify")
    drop(page, "classify", {"new.png": digits.new, "again.png": digits.new})
    cards = page.locator(".card")
    cards.nth(1).locator(".bars").wait_for()
    cards.nth(0).locator(".bars").wait_for()
    assert cards.count() == 2
    shares = [float(text.removesuffix(" %")) for text in cards.nth(0).locator(".bars small").all_inner_texts()]
    assert len(shares) == 5
    assert 0 < sum(shares) <= 100.3
    assert "no label" not in cards.nth(0).locator(".near b").all_inner_texts()
    assert digits.new_class in cards.nth(0).locator(".near b").all_inner_texts()


def label(page: Page, digits: DigitsProject, count: int) -> None:
    """Label so many images by keyboard, each rightly."""
    for _ in range(count):
        shown = page.locator("#shown[data-id^=digits]").get_attribute("data-id")
        assert shown
        page.keyboard.press(digits.truth[shown])
        expect(page.locator("#shown")).not_to_have_attribute("data-id", shown)


def test_twenty_labels_by_keyboard_outlive_a_killed_server_and_a_closed_window_and_make_it_better(
    visit: Visit, digits: DigitsProject, server: Server
) -> None:
    page = visit.open("")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#who")).to_be_focused()
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    page.locator("#shown img").wait_for()
    skipped = page.locator("#shown").get_attribute("data-id")
    page.keyboard.press("Space")
    label(page, digits, 6)
    page.keyboard.press("Backspace")
    label(page, digits, 3)
    server.kill()  # with labels on the way, perhaps
    label(page, digits, 5)
    expect(page.locator("#away")).to_contain_text("does not answer")
    assert int(page.locator("#given").inner_text()) <= 8, "what nobody has acknowledged does not count"
    page.close()
    assert {text for text in visit.wrong if "net::ERR_" not in text} == set()
    visit.wrong.clear()  # the browser itself says that a server is not there
    server.start()
    server.wait()
    page = visit.open("label")
    expect(page.locator("#given")).to_have_text("13")
    expect(page.locator("#unsent")).to_have_text("")
    expect(page.locator("#recent button")).to_have_count(12)
    if page.locator("#shown").get_attribute("data-id") == skipped:
        page.keyboard.press("Space")
    label(page, digits, 7)
    expect(page.locator("#given")).to_have_text("20")
    expect(page.locator("#expected")).to_contain_text("expected after 20 labels")
    rows = GivenLabels(digits.root / "labels").read()
    assert {name: row.label for name, row in rows.items()} == {name: digits.truth[name] for name in rows}
    assert (len(rows), {row.who for row in rows.values()}) == (20, {"Ada"})
    before = digits.read_metric("logistic", "accuracy")
    digits.run("fetch")
    digits.run("embed")
    digits.run("evaluate", probe="logistic")
    assert digits.read_metric("logistic", "accuracy") > before


def test_a_label_that_is_refused_says_why_and_its_image_comes_again(visit: Visit, digits: DigitsProject) -> None:
    page = visit.open("label")
    page.locator("#who").fill("Ada")
    page.keyboard.press("Enter")
    page.locator("#shown img").wait_for()
    given, refused = page.locator("#given").inner_text(), page.locator("#shown").get_attribute("data-id")
    page.route("**/labels/digits*", lambda route: route.fulfill(status=422, json={"detail": "not so"}))
    page.keyboard.press("1")
    expect(page.locator("#label-fault")).to_have_text("not so")
    expect(page.locator("#given")).to_have_text(given)
    expect(page.locator("#unsent")).to_have_text("")
    assert page.locator("#shown").get_attribute("data-id") != refused, "or a key would label another than was seen"
    page.keyboard.press("Space")
    expect(page.locator("#shown")).to_have_attribute("data-id", str(refused))
    assert all("422" in text for text in visit.wrong), "the browser itself says that a request is refused"
    visit.wrong.clear()


def test_it_fits_a_phone_and_is_readable_by_day_and_by_night(browser: Browser, visit: Visit, server: Server) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    phone = Visit(context, server, visit.wrong)
    page = phone.open("search")
    for part in PARTS:
        page.locator(f"nav a[href='#{part}']").tap()
        page.locator(f"#{part}").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#who").fill("Ben")
    page.locator("#who-form button").tap()
    page.locator(".choices button").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = "(all) => all.filter((one) => one.getBoundingClientRect().height < 40).length"
    assert page.locator(".choices button, .deeds button").evaluate_all(small) == 0, "buttons for fingers"
    schemes: tuple[Any, ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        inks = "(all) => [...new Set(all.map((one) => getComputedStyle(one).color))]"
        shown = page.locator("body, .soft, .note, small, kbd, nav a, .plain, .wrong").evaluate_all(inks)
        assert min(contrast(page, ink) for ink in shown) >= 4.5, scheme
    context.close()
