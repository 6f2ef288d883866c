"""A real browser for tests of pages: Debian's Chromium, which `.ci/run` requires."""

import os
import shutil

from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = CHROMIUM is None and os.environ.get("BROWSER") != "required"
WHY = "no Chromium on PATH (Debian: apt-get install chromium)"
QUIET = ["background-networking", "component-update", "sync", "quic"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{name}" for name in QUIET)]


def contrast(page: Page, ink: str) -> float:
    """Measure the contrast of a colour with the page's, by WCAG 2.1."""
    script = """(ink) => {
        const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
        const light = (colour) => {
            paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data].map((one) => one / 255)
                .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
        };
        const [one, other] = [light(ink), light(getComputedStyle(document.body).backgroundColor)];
        return Math.max(one, other) / Math.min(one, other);
    }"""
    found: float = page.evaluate(script, ink)
    return found
