"""The screenshots in docs/images, taken anew of the page on the sandbox: `python -m tests.support.screenshots`."""

import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from omni_router import cli
from tests.support.browser import Page, chromium, page_server
from tests.support.processes import ROOT

IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 200_000  # a picture in a README is fetched by everybody who reads it
COLOURS = 256
SETTLED = 1.5  # seconds until scrolling, fonts and plots have come to rest


def take(page: Page, name: str) -> None:
    """Save what the browser shows as a PNG, with fewer colours where it would be too large."""
    page.browser.execute_script("document.activeElement.blur()")
    time.sleep(SETTLED)
    path = IMAGES / f"ui-{name}.png"
    with Image.open(io.BytesIO(page.browser.get_screenshot_as_png())) as shot:
        shot.convert("RGB").save(path, optimize=True)
        if path.stat().st_size > MAX_BYTES:
            shot.convert("RGB").quantize(COLOURS).save(path, optimize=True)


@contextmanager
def opened(url: str, folder: Path, *, dark: bool = False) -> Iterator[Page]:
    """Open the page in a browser of its own."""
    with chromium(folder, dark=dark) as browser:
        page = Page(browser, url)
        page.open()
        yield page


def chat(page: Page) -> None:
    """Capture an answer, its correction, and what has come of some requests."""
    page.ask("Hello! How are you today?")  # what it takes to load the router is no part of the times shown
    page.click("#omni-clear")
    page.until(lambda: not page.all(".bot-row"), "an empty chat")
    take(page, "start")
    page.ask("Explain tides to a ten-year-old in three sentences.")
    page.click("details.omni-badge summary")
    page.one("details.omni-badge", "candidates")
    take(page, "answer")
    page.click("#omni-route label", "creative_writing")
    page.one("#omni-kept .omni-kept")
    take(page, "correction")
    for request in (
        "Hello! How are you today?",
        "Tell me a joke about computers.",
        "Who was the first woman to win a Nobel Prize in Physics?",
        "Who was the first man to win a Nobel Prize in Physics? [[sandbox:error_body*1]]",
        "Write a Python function to check if a number is prime.",
    ):
        page.ask(request)
    page.click("button[role=tab]", "Routes")
    page.until(lambda: page.all("#omni-plots svg, #omni-plots canvas"), "the plots")
    take(page, "routes")


def images(page: Page) -> None:
    """Capture a question about an image, and a generated image."""
    page.click("#omni-chat .example", "flower")
    page.one("#omni-field .thumbnail-item")
    page.send()
    page.one("#omni-verdict")
    take(page, "image-question")
    page.ask("Paint a picture of a lighthouse at dusk, in watercolour.")
    page.one(".bot-row img")
    take(page, "image-dark")


def served() -> None:
    """Draw what the sandbox serves for a route."""
    assert cli.main(["--sandbox", "--list-models", "code_generation", "--plot", str(IMAGES / "served.png")]) == 0


def main() -> None:
    """Capture all of them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    served()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with page_server(place) as url:
            with opened(url, place / "light") as page:
                chat(page)
            with opened(url, place / "dark", dark=True) as page:
                images(page)
        with (
            page_server(place, "--sandbox", "--hf-token", "hf_wrong") as url,
            opened(url, place / "wrong") as page,
        ):
            page.ask("Tell me a joke about computers.")
            take(page, "error")


if __name__ == "__main__":
    main()
