"""The pages of the tiny book as a browser shows them: wide and narrow, light and dark.

Wants Chromium. Set RECO_PAGES to a folder of finished pages to look at those instead of making the tiny book, and
RECO_AXE to the file axe.min.js (npm's package axe-core) to ask also what hinders readers who see or move otherwise.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_chain import Tiny

pytestmark = pytest.mark.long

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
VIEWS = [(1400, "light"), (390, "light"), (1400, "dark"), (390, "dark")]
WEIGHT, EXPLORER = 1.8e6, 5e6

# what a page says is kept from its first line on; the policy forbids whatever comes from elsewhere, and says so
RECORDER = b"""<script>
window.said = [];
console.error = console.warn = (...words) => said.push(words.join(" "));
addEventListener("error", (e) => said.push(e.message || "not loaded: " + (e.target.src || e.target.href)), true);
addEventListener("unhandledrejection", (e) => said.push(String(e.reason)));
addEventListener("securitypolicyviolation", (e) => said.push("from outside: " + e.blockedURI));
</script>"""
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"

DRIVER = """<!doctype html><title>driver</title><body><script>
const tell = (what) => fetch("/told", { method: "POST", body: JSON.stringify(what) });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
async function look(page, width, theme) {
  localStorage.setItem("mode", theme);
  localStorage.setItem("theme", theme);
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 900px; border: 0`;
  const loaded = new Promise((done) => (frame.onload = done));
  frame.src = page;
  document.body.append(frame);
  await loaded;
  const { contentWindow: inside, contentDocument: shown } = frame;
  await inside.MathJax?.startup?.promise;
  await shown.fonts.ready;
  await pause(300);
  const loads = inside.performance.getEntriesByType("resource");
  const kept = [...loads, ...inside.performance.getEntriesByType("navigation")]
    .filter((e) => e.initiatorType !== "fetch" && !/\\.(png|svg)$/.test(e.name));
  const found = {
    page, width, theme, said: [...inside.said], wider: shown.documentElement.scrollWidth - width,
    weight: kept.reduce((sum, e) => sum + e.decodedBodySize, 0),
    unnamed: [...shown.querySelectorAll(".scrolls")]
      .filter((box) => box.scrollWidth > box.clientWidth + 1 && !(box.tabIndex === 0 && box.ariaLabel)).length,
    stops: shown.querySelectorAll("mjx-container[tabindex]").length,
    dense: [...shown.querySelectorAll(".bd-article figure img")].every((i) => i.naturalWidth >= 1.9 * i.width),
  };
  const cite = shown.getElementById("cite");
  cite?.showModal();
  cite?.dispatchEvent(new inside.KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }));
  found.stuck = Boolean(cite?.open);
  cite?.close();
  if (AXE) {
    const script = shown.createElement("script");
    script.src = "/axe.min.js";
    const ready = new Promise((done) => (script.onload = done));
    shown.head.append(script);
    await ready;
    const { violations } = await inside.axe.run(shown, { resultTypes: ["violations"] });
    found.axe = violations.map((v) => [v.id, v.impact, v.nodes.length, v.nodes[0].html.slice(0, 200)]);
  }
  frame.remove();
  await tell(found);
}
(async () => {
  for (const page of PAGES) for (const [width, theme] of VIEWS)
    await look(page, width, theme).catch((error) => tell({ page, width, theme, failed: String(error) }));
  await tell("end");
})();
</script>"""


class Served(SimpleHTTPRequestHandler):
    """Finished pages, each with the recorder at its head; and what the driver tells."""

    def __init__(self, *arguments, told, over, **options):
        self.told, self.over = told, over
        super().__init__(*arguments, **options)

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if self.path == "/driver":
            self.answer(self.server.driver.encode())
        elif self.path == "/axe.min.js":
            self.answer(Path(os.environ["RECO_AXE"]).read_bytes(), "text/javascript")
        elif path.suffix == ".html":
            self.answer(path.read_bytes().replace(b"<head>", b"<head>" + RECORDER, 1))
        else:
            super().do_GET()

    def answer(self, body, kind="text/html; charset=utf-8"):
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        if self.path != "/driver":
            self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        what = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.over.set() if what == "end" else self.told.append(what)
        self.send_response(204)
        self.end_headers()


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of the finished pages."""
    if BROWSER is None:
        pytest.skip("looking at pages wants Chromium: found none")
    if named := os.environ.get("RECO_PAGES"):
        return Path(named).resolve()
    made = Tiny(tmp_path_factory.mktemp("tiny"))
    assert made.first.returncode == 0, made.first.stdout + made.first.stderr
    return made.html


@pytest.fixture(scope="module")
def views(html, tmp_path_factory):
    """What each page is found to be in each view, by one process of the browser."""
    told, over = [], threading.Event()
    pages = sorted(path.relative_to(html).as_posix() for path in html.glob("[bn]*/*.html"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Served, directory=str(html), told=told, over=over))
    values = {"PAGES": pages + ["search.html?q=lag"], "VIEWS": VIEWS, "AXE": "RECO_AXE" in os.environ}
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    server.driver = DRIVER.replace("<script>\n", f"<script>\n{constants}", 1)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = f"--user-data-dir={tmp_path_factory.mktemp('browser')}"
    address = f"http://127.0.0.1:{server.server_address[1]}/driver"
    options = [*QUIET, profile, "--window-size=1500,1000", "--proxy-server=direct://", "--remote-debugging-port=0"]
    with subprocess.Popen([BROWSER, *options, address], stderr=subprocess.DEVNULL) as browser:
        ended = over.wait(1500)
        browser.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            browser.wait(10)
        browser.kill()
    server.shutdown()
    assert ended, f"the browser looked at {len(told)} views only"
    assert len(told) == len(VIEWS) * len(values["PAGES"])
    return told


def test_every_page_can_be_seen_in_every_view(views):
    assert [view for view in views if "failed" in view] == []


def test_no_page_complains_or_asks_for_anything_from_outside(views):
    assert [(view["page"], view["theme"], view["said"]) for view in views if view["said"]] == []


def test_no_page_is_wider_than_the_screen_and_what_scrolls_in_it_has_a_name(views):
    assert [(view["page"], view["width"], view["wider"]) for view in views if view["wider"] > 0] == []
    assert [(view["page"], view["width"]) for view in views if view["unnamed"]] == []


def test_pages_are_light_images_dense_and_formulas_no_stops_of_the_tab_key(views):
    heavy = {view["page"]: view["weight"] for view in views if view["weight"] > WEIGHT}
    assert [page for page, weight in heavy.items() if page != "book/explorer.html" or weight > WEIGHT + EXPLORER] == []
    assert [view["page"] for view in views if not view["dense"]] == []
    assert [view["page"] for view in views if view["stops"]] == []


def test_escape_closes_how_to_cite(views):
    assert [view["page"] for view in views if view["stuck"]] == []


def test_axe_finds_nothing(views):
    if "RECO_AXE" not in os.environ:
        pytest.skip("set RECO_AXE to the file axe.min.js of npm's axe-core to run this test")
    assert {str((v["page"], v["width"], v["theme"])): v["axe"] for v in views if v["axe"]} == {}


def opened(html, page, tmp_path):
    """A page as it is when opened as a file, and what it complained of."""
    options = ["--dump-dom", "--virtual-time-budget=8000", "--enable-logging=stderr", f"--user-data-dir={tmp_path}"]
    done = subprocess.run(
        [BROWSER, *QUIET, *options, f"file://{html}/{page}"], capture_output=True, text=True, timeout=120
    )
    said = re.findall(r'CONSOLE.*?\] "(.*?)", source', done.stderr)
    return done.stdout, [line for line in said if re.search("error|invalid|refused|failed", line, re.IGNORECASE)]


def test_pages_opened_as_files_show_formulas_and_say_nothing(html, tmp_path):
    page, said = opened(html, "notebooks/03_cnn_ablation.html", tmp_path)
    assert "<mjx-math" in page and said == []


@pytest.mark.parametrize(
    ("words", "page"), [("own data", "your_own"), ("0.989", "03_cnn_ablation"), ("65.59", "06_trends")]
)
def test_the_search_finds_numbers_as_printed_and_the_page_on_own_data_among_its_first(html, words, page, tmp_path):
    shown, said = opened(html, f"search.html?q={words.replace(' ', '+')}", tmp_path)
    found = re.findall(r'<li[^>]*><a href="([^"?#]*)', shown[shown.index('id="search-results"') :])
    assert any(page in address for address in found[:3]), found
    assert said == []
