# ruff: noqa: INP001 (a script, not a package)
"""Draw docs/graph.mmd as docs/images/graph.svg: `python docs/draw_graph.py PATH/OF/mermaid.min.js`.

It needs Chromium with its driver, the package selenium, and `npm pack mermaid@11` for the script. The site shows this
file, since a page that renders mermaid would load it from another host. A test fails when the file is out of date.
"""

import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
DRAW = """
const [source, done] = arguments;
mermaid.initialize({startOnLoad: false, htmlLabels: false, fontFamily: 'sans-serif', deterministicIds: true});
mermaid.render('graph', source).then(drawn => done(drawn.svg), fault => done('' + fault));
"""


def main(mermaid: Path) -> None:
    """Draw the picture."""
    mermaid_text = (DOCS / "graph.mmd").read_text(encoding="utf-8")
    source = (
        mermaid_text.replace("&nbsp;", " ")
        .replace("<p>", "")
        .replace("</p>", "")
        .replace("([__start__])", "([start])")
        .replace("([__end__])", "([end])")
    )
    drawn = re.sub(r' data-[\w-]+="[^"]*"', "", _draw(source, mermaid))
    drawn = re.sub(r"-?\d+\.\d\d+", lambda number: f"{float(number[0]):.1f}", drawn)  # a tenth of a pixel is enough
    if not drawn.startswith("<svg"):
        raise SystemExit(drawn)
    # The background is white: the lines are dark, and the page may be, too.
    head, rest = drawn.split(">", 1)
    digest = hashlib.sha256(mermaid_text.encode()).hexdigest()
    text = f'{head}><desc>graph.mmd {digest}</desc><rect width="100%" height="100%" fill="#fff"/>{rest}\n'
    (DOCS / "images" / "graph.svg").write_text(text, encoding="utf-8")


def _draw(source: str, mermaid: Path) -> str:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    # The driver is named, or selenium would ask another host where it is.
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "page.html")
            page.write_text(f"<meta charset=utf-8><script src='{mermaid.resolve().as_uri()}'></script>")
            browser.get(page.as_uri())
            return str(browser.execute_async_script(DRAW, source))
    finally:
        browser.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
