"""A server on this machine for tests of downloads: real layouts of files, and the ways in which servers misbehave."""

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Page:
    """What one path answers.

    ``drops``: how many times the connection breaks off half-way; ``busy``: how many times it answers 503 first;
    ``token``: lets in only those who show it; ``half_way``: is called there, and the rest comes slowly; ``raw``: bytes
    that are the whole answer, head and all, or several which come one after the other as long as somebody listens.
    """

    body: bytes = b""
    kind: str = "application/octet-stream"
    status: int = 200
    headers: dict = field(default_factory=dict)
    drops: int = 0
    busy: int = 0
    token: str = ""
    half_way: object = None
    raw: object = None


class Site:
    """Pages by path, and what was asked for: a list of (path, headers)."""

    def __init__(self):
        self.pages, self.asked = {}, []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # clients go away
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def put(self, path, body=b"", **how):
        """Serve bytes (or whatever ``how`` says) at a path; return its address."""
        self.pages[path] = Page(body, **how)
        return self.url + path

    def lead(self, path, target):
        """Lead from a path to another address; return the path's."""
        return self.put(path, status=302, headers={"Location": target})

    def index(self, folder, names):
        """Serve a folder's index, as Apache and nginx write it."""
        rows = "".join(f'<tr><td><a href="{name}">{name[:20]}..&gt;</a></td><td>2021</td></tr>' for name in names)
        top = '<a href="?C=N;O=D">Name</a> <a href="/">Up</a> <a href="https://elsewhere.example/x.hdf">x</a>'
        return self.put(folder, f"<html><body>{top}<table>{rows}</table></body></html>".encode(), kind="text/html")

    def paths(self):
        return [path for path, _ in self.asked]

    def shown_logins(self):
        """Return every login that was shown, with the path that it was shown for."""
        return [(path, headers["Authorization"]) for path, headers in self.asked if "Authorization" in headers]


def _handler(site):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Say nothing."""

        def do_GET(self):
            site.asked.append((self.path, dict(self.headers)))
            page = site.pages.get(self.path, Page(b"<html>not here</html>", "text/html", 404))
            if page.token and self.headers.get("Authorization") != f"Bearer {page.token}":
                page = Page(b"no", status=401)
            elif page.busy:
                page.busy -= 1
                page = Page(b"busy", status=503)
            if page.raw is not None:
                self.close_connection = True
                for part in [page.raw] if isinstance(page.raw, bytes) else page.raw():
                    self.wfile.write(part)
                    self.wfile.flush()
                return
            self.send_response(page.status)
            for name, value in {"Content-Type": page.kind, "Content-Length": len(page.body), **page.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            half = len(page.body) // 2
            self.wfile.write(page.body[:half])
            self.wfile.flush()
            if page.half_way:
                page.half_way()
            if page.drops:
                page.drops -= 1
                self.close_connection = True
                return
            step = 2**16 if page.half_way else len(page.body)
            for start in range(half, len(page.body), step):
                self.wfile.write(page.body[start : min(start + step, len(page.body))])
                threading.Event().wait(0.1 if page.half_way else 0)

    return Handler


@pytest.fixture
def server(monkeypatch):
    """A server, gone after the test; proxies of the machine are left out of it, and nobody waits between tries."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    site = Site()
    site.waits = []
    monkeypatch.setattr(time, "sleep", site.waits.append)
    yield site
    site.close()
