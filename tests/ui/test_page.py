"""The page in a real browser, on the sandbox."""

import json
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from selenium import webdriver

from omni_router import _sandbox
from omni_router._sandbox import Reasoning
from omni_router.cli import main
from omni_router.routers.semantic.router import SemanticRouter
from tests.support.browser import Page, chromium, find_browser, page_in_process, page_process, page_server
from tests.support.dev_server import dev_server, free_port
from tests.support.json_server import json_server
from tests.support.processes import ROOT

# Gradio runs in this process, and what it warns of is its own matter.
pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    find_browser()  # no page is served to nobody
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with page_server(folder) as url:  # without a token
        yield url


@pytest.fixture
def page(browser: webdriver.Chrome, url: str) -> Page:
    page = Page(browser, url)
    page.open()
    return page


@pytest.fixture
def alone(semantic: SemanticRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Serve a page for one test from this process, whose router is loaded already."""
    monkeypatch.setenv("OMNI_ROUTER", "semantic")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return partial(page_in_process, tmp_path)


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    path = tmp_path / "garden.png"
    Image.new("RGB", (60, 40), "purple").save(path)
    return path


def test_without_a_token_a_banner_says_that_models_are_simulated_and_how_to_get_real_ones(page: Page) -> None:
    banner = page.one(".omni-banner").text
    assert "simulated" in banner
    assert "Set HF_TOKEN" in banner


def test_an_answer_has_a_badge_that_opens_to_how_it_came_about(page: Page) -> None:
    page.ask("Who was the first woman to win a Nobel Prize in Physics?")
    badge = page.one("details.omni-badge")
    assert "question_answering" in badge.text
    assert "sandbox/text-generation-" in badge.text
    assert "sure" in badge.text
    assert "candidates" not in badge.text, "it is closed until it is clicked"
    assert "you wrote “Who was the first woman" in page.one(".bot-row .md").text
    page.click("details.omni-badge summary")
    opened = page.one("details.omni-badge", "candidates").text
    for text in ("why", "served for the task", "best score", "answered in", "s in total", "decision"):
        assert text in opened


def test_an_answer_streams_below_its_badge(page: Page) -> None:
    page.browser.execute_script(
        "window.seen = []; new MutationObserver(() => {"
        "  const answer = document.querySelector('.bot-row .md');"
        "  if (answer) window.seen.push([answer.innerText, !!document.querySelector('details.omni-badge')]);"
        "}).observe(document.body, {childList: true, subtree: true, characterData: true});"
    )
    page.ask("Who was the first woman to win a Nobel Prize in Physics?")
    seen: list[tuple[str, bool]] = page.browser.execute_script("return window.seen")
    assert len({text for text, _ in seen}) >= 3, "the text came in pieces"
    assert all(badge for _, badge in seen), "the badge came first"


def test_one_click_has_another_model_answer_the_same_request(page: Page) -> None:
    page.ask("Who was the first woman to win a Nobel Prize in Physics?")
    page.one("#omni-field textarea").send_keys("half a thought")
    page.click("#omni-another")
    page.until(lambda: len(page.all("details.omni-badge")) == 2, "a second answer")
    page.one("#omni-verdict")
    first, second = (re.search(r"sandbox/[\w-]+", badge.text) for badge in page.all("details.omni-badge"))
    assert first
    assert second
    assert first[0] != second[0]
    assert len(page.all(".user-row")) == 1
    assert page.one("#omni-field textarea").get_attribute("value") == "half a thought"


def test_an_image_is_attached_shown_and_understood(page: Page, image_file: Path) -> None:
    page.attach(image_file)
    page.one("#omni-field .thumbnail-item")
    page.ask("What flower is this?")
    assert "image_understanding" in page.one("details.omni-badge").text
    assert page.one(".user-row img").get_attribute("src")
    assert f"image/png, of {image_file.stat().st_size} bytes" in page.one(".bot-row .md").text


def test_the_address_of_an_image_may_stand_in_the_text_or_in_its_own_field(page: Page) -> None:
    page.ask("What flower is this? https://pictures.example/garden.jpg")
    assert "the address https://pictures.example/garden.jpg" in page.one(".bot-row .md").text
    page.one("#omni-address input").send_keys("https://pictures.example/bird")
    page.ask("What bird is in the picture?")
    page.one(".bot-row .md", "https://pictures.example/bird")
    assert page.one(".user-row .omni-address").text == "https://pictures.example/bird"
    assert page.one("#omni-address input").get_attribute("value") == ""


def test_a_generated_image_is_shown_and_can_be_downloaded(page: Page, folder: Path) -> None:
    page.ask("Paint a picture of a red fox in the snow")
    shown = page.one(".bot-row img")
    page.until(lambda: int(shown.get_attribute("naturalWidth") or 0) > 100, "the image itself")
    assert page.all(".bot-row [aria-label=Download]") or page.all("[aria-label=Download]")
    assert list((folder / "outputs").glob("*_image_generation.png"))


def test_no_file_is_served_but_what_was_shown(page: Page, url: str, folder: Path) -> None:
    page.ask("Paint a picture of a heron on a lake")
    shown = page.one(".bot-row img").get_attribute("src") or ""
    assert httpx.get(shown, timeout=10).status_code == 200
    history = folder / "outputs" / "sandbox" / "route_config.json"
    [*_, image] = sorted((folder / "outputs").glob("*.png"))
    for file in (history, image):
        assert file.exists()
        assert httpx.get(f"{url}/gradio_api/file={file}", timeout=10).status_code == 403


def test_a_route_is_corrected_with_one_click_and_the_next_request_takes_it(page: Page) -> None:
    request = "Compose something about the sea for my niece"
    page.ask(request)
    before = page.one("details.omni-badge .omni-route").text
    assert before != "translation"
    page.click("#omni-route label", "translation")
    note = page.one("#omni-kept .omni-kept").text
    assert "example of translation" in note
    assert "route_config.json" in note
    page.ask(request)
    page.until(lambda: page.all(".omni-route")[-1].text == "translation", "the corrected route")


def test_good_and_bad_are_counted_for_the_model(page: Page) -> None:
    page.ask("Hello! How are you today?")
    page.click("#omni-bad")
    assert "rated bad for casual_conversation" in page.one("#omni-kept .omni-kept").text
    page.click("#omni-good")
    page.one("#omni-kept .omni-kept", "rated good for casual_conversation")


def test_the_second_tab_shows_routes_their_models_and_plots(page: Page) -> None:
    page.ask("Hello! How are you today?")
    page.click("button[role=tab]", "Routes")
    rows = page.until(lambda: page.all(".omni-routes > tbody > tr"), "the routes")
    first = rows[0].text
    assert "casual_conversation" in first
    assert "greetings and small talk" in first
    assert "sandbox/text-generation-" in first
    page.until(lambda: len(page.all("#omni-plots svg, #omni-plots canvas")) >= 2, "two plots")


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        ("token_401", "token is missing, wrong", "On the server, set HF_TOKEN"),
        ("overloaded_503", "could not answer right now", "Ask again in a minute"),
    ],
)
def test_a_failure_is_a_sentence_and_what_to_do_about_it(page: Page, fault: str, message: str, hint: str) -> None:
    page.ask(f"Hello! How are you today? [[sandbox:{fault}]]")
    problem = page.one(".omni-problem").text
    assert message in problem
    assert hint in problem
    assert "Traceback" not in page.text()


def test_an_empty_request_and_a_file_without_an_image_are_errors_beside_the_field(page: Page, tmp_path: Path) -> None:
    page.type("  ")
    page.send()
    assert "prompt is empty" in page.one("#omni-notice .omni-problem").text
    text = tmp_path / "notes.txt"
    text.write_text("these are notes")
    page.attach(text)
    page.one(".toast-body", "notes.txt")
    text = tmp_path / "notes.png"
    text.write_text("these are notes, and not an image")
    page.attach(text)
    page.one("#omni-field .thumbnail-item")
    page.type("What is this?")
    page.send()
    problem = page.one("#omni-notice .omni-problem", "notes.png").text
    assert "not a readable image" in problem
    assert str(tmp_path) not in problem
    assert "uploads" not in problem


def test_what_comes_from_outside_is_shown_as_text(
    browser: webdriver.Chrome, alone: Callable[..., Any], tmp_path: Path
) -> None:
    evil = '<img src=x onerror="window.reached=true"> ${window.reached=true}'
    routes = [
        {"name": f"{evil} {task}", "task": task, "description": f"{evil} about {about}"}
        for task, about in (("text-generation", "stories"), ("text-to-image", "drawings"))
    ]
    policy = tmp_path / "evil.json"
    policy.write_text(json.dumps(routes))
    with alone("--sandbox", "--route-config", str(policy)) as url:
        page = Page(browser, url)
        page.open()
        page.ask(f"Tell me stories {evil}")
        page.click("details.omni-badge summary")
        assert evil in page.one("details.omni-badge", "candidates").text
        page.click("#omni-route label", evil)
        page.one("#omni-kept .omni-kept", evil)
        page.click("button[role=tab]", "Routes")
        page.one(".omni-routes", evil)
        assert page.browser.execute_script("return window.reached") is None


def test_an_answer_can_be_stopped_and_the_next_one_asked(
    browser: webdriver.Chrome, alone: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_SANDBOX_LATENCY", "15")
    with alone("--sandbox") as url:
        page = Page(browser, url)
        page.open()
        page.type("Hello! How are you today?")
        page.send()
        page.one("details.omni-badge")
        page.click("#omni-field button.stop-button")
        page.one(".omni-waiting", "Stopped.")
        page.one("#omni-field button.submit-button")


def test_reasoning_is_folded_above_the_answer_and_opens(browser: webdriver.Chrome, alone: Callable[..., Any]) -> None:
    with alone("--sandbox") as url:
        box = _sandbox.active()
        assert box is not None
        for number in (1, 2, 3):
            box.set_reasoning(f"sandbox/text-generation-{number}", Reasoning())
        page = Page(browser, url)
        page.open()
        page.ask("Hello! How are you today?")
        assert page.one("details.omni-reasoning summary").text == "Reasoning · 16 words"
        assert "step-1" not in page.one(".bot-row").text
        page.click("details.omni-reasoning summary")
        page.one("details.omni-reasoning div", "step-1")


def test_a_new_chat_forgets_the_old_one(page: Page) -> None:
    page.ask("Hello! How are you today?")
    page.click("#omni-clear")
    page.until(lambda: not page.all(".bot-row"), "an empty chat")
    assert not page.all("#omni-verdict")


def test_examples_fill_the_field(page: Page) -> None:
    page.click("#omni-chat .example", "lighthouse")
    page.until(lambda: "lighthouse" in (page.one("#omni-field textarea").get_attribute("value") or ""), "the example")


def test_the_page_asks_no_other_host_for_anything(page: Page) -> None:
    page.requests()  # what came before
    page.open()
    page.ask("Paint a picture of a red fox in the snow")
    page.click("button[role=tab]", "Routes")
    page.until(lambda: page.all("#omni-plots svg, #omni-plots canvas"), "the plots")
    asked = [address for address in page.requests() if address.startswith("http")]
    assert asked
    assert [address for address in asked if not address.startswith(page.url)] == []


def test_two_chats_at_once_keep_apart(page: Page, browser: webdriver.Chrome) -> None:
    first = browser.current_window_handle
    page.type("Tell me a joke about computers.")
    browser.switch_to.new_window("window")
    try:
        page.open()
        page.type("Tell me a joke about gardens.")
        second = browser.current_window_handle
        browser.switch_to.window(first)
        page.send()
        browser.switch_to.window(second)
        page.send()
        page.one(".bot-row .md", "about gardens")
        assert "computers" not in page.text()
    finally:
        browser.close()
        browser.switch_to.window(first)
    page.one(".bot-row .md", "about computers")
    assert "gardens" not in page.text()


def test_a_port_that_is_taken_is_reported_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert main(["ui", "--port", str(port)]) == 2
    errors = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}" in errors
    assert "--port" in errors


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    command, port = [sys.executable, str(ROOT / "omni_router_dev.py"), "ui"], free_port()
    with page_process(tmp_path, [*command, "--port", str(port)], port) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
    assert "Traceback" not in (tmp_path / "page.log").read_text()


def test_a_wrong_token_is_reported_and_stands_nowhere(
    browser: webdriver.Chrome, alone: Callable[..., Any], tmp_path: Path
) -> None:
    secret = "hf_wrong"  # the one that the sandbox refuses
    with alone("--sandbox", "--hf-token", secret) as url:
        page = Page(browser, url)
        page.open()
        assert "No Hugging Face token" not in page.one(".omni-banner").text
        page.ask("Hello! How are you today?")
        assert "token is missing, wrong" in page.one(".omni-problem").text
        assert secret not in page.browser.page_source
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in left if secret.encode() in path.read_bytes()] == []


def test_a_server_that_goes_away_is_named_in_the_chat(browser: webdriver.Chrome, alone: Callable[..., Any]) -> None:
    with ExitStack() as page_alone:
        with json_server({"/ok": {"ok": True}}) as server:
            url = page_alone.enter_context(alone("--server", server))
        page = Page(browser, url)
        page.open()
        page.type("Hello!")
        page.send()
        problem = page.one(".bot-row .omni-problem").text
        assert "does not answer" in problem
        assert "make serve" in problem


def test_without_a_server_there_is_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    assert main(["ui", "--port", str(free_port()), "--server", address]) == 2
    errors = capsys.readouterr().err
    assert f"no LangGraph server answers at {address}" in errors
    assert "make serve" in errors


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the dev server needs Python 3.11")
def test_the_page_talks_to_a_langgraph_server(browser: webdriver.Chrome, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "server", tmp_path / "page"
    theirs.mkdir()
    ours.mkdir()
    images = theirs / "outputs"
    with dev_server(theirs) as server, page_server(ours, "--server", server, "--output-dir", str(images)) as url:
        page = Page(browser, url)
        page.open()
        assert server in page.one(".omni-banner").text
        assert "Sandbox: answers and images are simulated" in page.one(".omni-banner").text
        page.ask("Who was the first woman to win a Nobel Prize in Physics?")
        page.one(".bot-row .md", "you wrote “Who was the first woman")
        page.click("details.omni-badge summary")
        assert "best score" in page.one("details.omni-badge", "candidates").text
        assert "The server keeps the history" in page.one("#omni-kept").text
        assert not page.all("#omni-good")
        page.ask("Paint a picture of a red fox in the snow")
        page.one(".bot-row img")
        page.click("button[role=tab]", "Routes")
        page.one(".omni-note", "The server keeps the routes")
    assert not (ours / "outputs").exists()


def test_the_page_of_the_space_starts_without_a_token(browser: webdriver.Chrome, tmp_path: Path) -> None:
    port = free_port()
    script = [sys.executable, str(ROOT / "docs" / "space" / "app.py")]
    with page_process(tmp_path, script, port, GRADIO_SERVER_NAME="127.0.0.1", GRADIO_SERVER_PORT=str(port)):
        page = Page(browser, f"http://127.0.0.1:{port}")
        page.open()
        assert "simulated" in page.one(".omni-banner").text
        page.ask("Hello! How are you today?")
