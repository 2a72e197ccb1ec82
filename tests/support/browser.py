"""A headless Chromium of our own, and the page in this process or in one of its own, ended by what started them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.dev_server import free_port, wait_until_up
from tests.support.processes import ROOT, child_environment

QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
PATIENCE = 60.0  # seconds for anything to appear: the router loads with the first request, and CI machines are busy


def find_browser() -> tuple[str, str]:
    """Return Chromium and its driver; without them a test is skipped, or fails where OMNI_TEST_BROWSER=required."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        reason = "Chromium is not installed: apt-get install chromium chromium-driver"
        if os.environ.get("OMNI_TEST_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    return browser, driver


@contextmanager
def chromium(profile: Path, *, width: int = 1200, height: int = 800, dark: bool = False) -> Iterator[webdriver.Chrome]:
    """Run a browser with an empty profile."""
    from selenium.webdriver.chrome.service import Service

    binary, driver = find_browser()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*QUIET, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        still = {"name": "prefers-reduced-motion", "value": "reduce"}  # what moves takes a processor
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [*scheme, still]})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        yield browser
    finally:
        browser.quit()


@contextmanager
def page_server(folder: Path, *flags: str, **variables: str) -> Iterator[str]:
    """Serve the page from `folder`, where its images and its history go, and yield its URL."""
    port = free_port()
    command = [sys.executable, str(ROOT / "omni_router_dev.py"), "ui", "--port", str(port), *flags]
    with page_process(folder, command, port, **variables):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def page_in_process(folder: Path, *flags: str) -> Iterator[str]:
    """Serve the page as `omni-router ui` does, from threads of this process, where the router is loaded already."""
    from omni_router.cli.ui import command, open_page
    from omni_router.ui.local import LocalBackend
    from omni_router.ui.start import open_server

    with command.make_context("ui", ["--output-dir", str(folder / "outputs"), *flags]) as context:
        server, token = context.params["server"], context.params["hf_token"]
        opened = open_server(server, folder / "outputs") if server else open_page(context, token)
    if isinstance(opened[0], LocalBackend):
        opened[0].warm_up()  # a thread of the page does so too, and may outlast the test
    with launched(*opened) as url:
        yield url


@contextmanager
def launched(backend: Any, banner: str, folder: Path) -> Iterator[str]:
    """Serve a page from threads of this process, and yield its URL."""
    from omni_router.ui.page import build_page, launch

    port = free_port()
    with loops_closed():
        page = build_page(backend, banner, folder)
        try:
            launch(page, host="127.0.0.1", port=port)
            yield f"http://127.0.0.1:{port}"
        finally:
            page.close(verbose=False)


@contextmanager
def loops_closed() -> Iterator[None]:
    """Close the event loops that Gradio opens for its locks and leaves open, and let it start on a busy machine."""
    opened: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def remembered() -> asyncio.AbstractEventLoop:
        opened.append(new_event_loop())
        return opened[-1]

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "new_event_loop", remembered)
            patch.setattr("gradio.networking.url_ok", lambda _: True)  # for three seconds
            yield
    finally:
        for loop in opened:
            if not loop.is_running():
                loop.close()
        asyncio.set_event_loop(None)


@contextmanager
def page_process(folder: Path, command: list[str], port: int, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command that serves a page on a port, until it is up; end it afterwards."""
    log = folder / "page.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=page_environment(folder, **variables), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until_up(process, f"http://127.0.0.1:{port}/", log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def page_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return the variables of a page's process."""
    return child_environment(folder, GRADIO_TEMP_DIR=str(folder / "uploads"), **variables)


class Page:
    """The page in a browser, in the words of who uses it."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser, self.url = browser, url

    def open(self) -> None:
        """Open the page anew: a new session."""
        self.browser.get("about:blank")
        self.browser.get(self.url)
        self.one("#omni-field textarea")

    def all(self, selector: str) -> list[WebElement]:
        """Find what is visible."""
        return [element for element in self.browser.find_elements(By.CSS_SELECTOR, selector) if element.is_displayed()]

    def one(self, selector: str, containing: str = "") -> WebElement:
        """Wait for the newest visible element that contains a text."""
        elements: list[WebElement] = self.until(
            lambda: [each for each in self.all(selector) if containing in each.text], f"{selector} {containing!r}"
        )
        return elements[-1]

    def until(self, happens: Any, what: str) -> Any:
        """Wait until something is so; elements that Gradio replaces meanwhile are looked for again."""
        from selenium.common.exceptions import StaleElementReferenceException, TimeoutException

        try:
            waiting = WebDriverWait(
                self.browser, PATIENCE, poll_frequency=0.2, ignored_exceptions=[StaleElementReferenceException]
            )
            return waiting.until(lambda _: happens())
        except TimeoutException:
            raise AssertionError(f"did not appear: {what}; the page shows:\n{self.text()}") from None

    def text(self) -> str:
        """Return all that is to be read."""
        return self.browser.find_element(By.TAG_NAME, "body").text

    def click(self, selector: str, containing: str = "") -> None:
        """Click the newest such element."""
        self.until(lambda: self._clicked(selector, containing), f"a click on {selector} {containing!r}")

    def _clicked(self, selector: str, containing: str) -> bool:
        from selenium.common.exceptions import ElementClickInterceptedException

        try:
            self.one(selector, containing).click()
        except ElementClickInterceptedException:
            return False
        return True

    def ask(self, text: str) -> None:
        """Type a request and send it, and wait until its answer is complete."""
        answers = len(self.all("details.omni-badge"))
        self.type(text)
        self.send()
        self.until(lambda: len(self.all("details.omni-badge")) > answers, "the badge of the answer")
        self.one("#omni-verdict")

    def type(self, text: str) -> None:
        """Type into the field."""
        self.one("#omni-field textarea").send_keys(text)

    def send(self) -> None:
        """Press the button beside the field."""
        self.click("#omni-field button.submit-button")

    def attach(self, path: Path) -> None:
        """Attach a file by the field's own input."""
        self.browser.find_element(By.CSS_SELECTOR, "#omni-field input[type=file]").send_keys(str(path))

    def requests(self) -> list[str]:
        """Return the addresses that the page has asked for."""
        import json

        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]  # type: ignore[no-untyped-call]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
