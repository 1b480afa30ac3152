"""The built site, served on this machine, and one headless Chromium for all tests of it."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Error, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
NO_BROWSER = "no Chromium that can be driven: `apt-get install chromium libatomic1 fonts-noto-cjk`"
NO_FONT = "no Chinese font: `apt-get install fonts-noto-cjk`"
DOWNLOAD = (sys.executable, "-m", "playwright", "install", "--only-shell", "chromium")
DOWNLOAD_SECONDS = 90


@pytest.fixture(scope="session")
def load():
    """Import one of the build's own files, which are in no package: load("serve.py")."""

    def from_docs(name):
        path = ROOT / "docs" / name
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return from_docs


@pytest.fixture(scope="session")
def address(site, load):
    """Serve the site and return where."""
    with load("serve.py").server(site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def soups(site):
    """Return each page of the site, parsed, by its address from the site's root."""
    files = [p for code in ("en", "zh_CN") for p in sorted((site / code).rglob("*.html"))]
    return {
        path.relative_to(site).as_posix(): BeautifulSoup(path.read_bytes(), "html.parser")
        for path in [site / "index.html", *files]
        if "_static" not in path.parts
    }


def skip_or_fail(reason):
    """Leave out what this machine cannot do; REFNET_REQUIRE_BROWSER=1 makes that a failure."""
    if os.environ.get("REFNET_REQUIRE_BROWSER") == "1":
        pytest.fail(f"REFNET_REQUIRE_BROWSER=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def download(folder):
    """Let Playwright fetch its Chromium, once for all processes of a run; return no fault."""
    if os.environ.get("REFNET_OFFLINE") != "1":
        # without it the start fails, which is reported
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(DOWNLOAD, capture_output=True, timeout=DOWNLOAD_SECONDS)
    return ""


def start(playwright, path):
    """Start Chromium: the one at the path, or Playwright's own where there is no path."""
    options = ["--disable-gpu"]
    if os.name == "posix" and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses to run as root with it
    return playwright.chromium.launch(executable_path=path, args=options)


def find_browser(playwright, made_once):
    """Return a started Chromium: of this machine, else Playwright's, else as it downloads it."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        return start(playwright, path)
    except Error:
        made_once("chromium", download)
    try:
        return start(playwright, None)
    except Error:
        skip_or_fail(NO_BROWSER)


@pytest.fixture(scope="session")
def browser(made_once):
    """One headless Chromium for all tests of a process."""
    try:
        playwright = sync_playwright().start()
    except Exception as error:  # missing, or for another machine: it raises a plain Exception
        skip_or_fail(f"{NO_BROWSER} (Playwright's driver: {error})")
    try:
        chromium = find_browser(playwright, made_once)
        yield chromium
        chromium.close()
    finally:
        playwright.stop()


TWO_SIGNS_DIFFER = """() => {
  const draw = sign => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 40;
    const context = canvas.getContext("2d");
    context.font = "30px sans-serif";
    context.fillText(sign, 4, 34);
    return canvas.toDataURL();
  };
  return draw("神") !== draw("经");
}"""


@pytest.fixture
def chinese_font(browser):
    """Leave out a test that looks at Chinese where all its signs are drawn as the same box."""
    page = browser.new_page()
    differ = page.evaluate(TWO_SIGNS_DIFFER)
    page.close()
    if not differ:
        skip_or_fail(NO_FONT)


class Visit:
    """One page in a browser that has seen no other, and all that it asked for or complained of."""

    def __init__(self, browser, address, **options):
        self.address, self.complaints, self.bytes = address, [], {}
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.page.on("console", self.note_message)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self.note_request)
        self.page.on("requestfailed", self.note_failure)
        self.page.on("response", self.note_response)

    def note_message(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def note_request(self, request):
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"leaves the site: {request.url}")

    def note_failure(self, request):
        # aborted: the page was left; csp: a script, in a browser that runs none
        if request.failure not in ("net::ERR_ABORTED", "csp"):
            self.complaints.append(f"failed: {request.url}: {request.failure}")

    def note_response(self, response):
        self.bytes[response.url] = int(response.headers.get("content-length", 0))
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def open(self, path):
        self.page.goto(f"{self.address}/{path}", wait_until="load")
        return self.page


@pytest.fixture
def visit(browser, address):
    """Open a browser of its own on the site: visit(**options of the browser context)."""
    visits = []

    def start(**options):
        visits.append(Visit(browser, address, **options))
        return visits[-1]

    yield start
    for one in visits:
        one.context.close()
