"""A server on this machine for tests: real layouts of files, and every way in which servers misbehave."""

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RANGE = re.compile(r"bytes=(\d+)-$")


@dataclass
class Page:
    """What one path answers.

    ``drops``: how many times the connection breaks off, after ``half`` of what was to come; ``ranges``: honours Range
    and If-Range; ``busy``: how many times it answers ``busy_status`` first; ``length``: tells the size; ``token``: lets
    in only those who show it; ``stalls``: falls silent half-way; ``half_way``: is called there.
    """

    body: bytes = b""
    kind: str = "application/octet-stream"
    status: int = 200
    headers: dict = field(default_factory=dict)
    etag: str = '"one"'
    modified: str = "Mon, 01 Mar 2021 10:51:24 GMT"
    ranges: bool = True
    length: bool = True
    drops: int = 0
    half: float = 0.5
    busy: int = 0
    busy_status: int = 503
    token: str = ""
    stalls: bool = False
    half_way: Callable | None = None
    wrong_range: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing of clients that go away."""


class Site:
    """Pages by path, and what was asked for: a list of (path, headers)."""

    def __init__(self):
        self.pages, self.asked, self.closing = {}, [], threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, path, body=b"", **how):
        """Serve bytes (or whatever ``how`` says) at a path; return its address."""
        self.pages[path] = Page(body, **how)
        return self.url + path

    def index(self, folder, names):
        """Serve a folder's index, as Apache and nginx write it."""
        rows = "".join(f'<tr><td><a href="{name}">{name[:20]}..&gt;</a></td><td>2021</td></tr>' for name in names)
        top = '<a href="?C=N;O=D">Name</a> <a href="/">Up</a> <a href="https://elsewhere.example/x.hdf">x</a>'
        return self.put(folder, f"<html><body>{top}<table>{rows}</table></body></html>".encode(), kind="text/html")

    def paths(self):
        return [path for path, _ in self.asked]

    def headers(self, path):
        return [headers for asked, headers in self.asked if asked == path]


def _handler(site):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Say nothing."""

        def do_GET(self):
            path = self.path
            site.asked.append((path, dict(self.headers)))
            page = site.pages.get(path)
            if page is None:
                return self._send(404, b"<html>not here</html>", {"Content-Type": "text/html"})
            if page.token and self.headers.get("Authorization") != f"Bearer {page.token}":
                return self._send(401, b"no", {})
            if page.busy:
                page.busy -= 1
                return self._send(page.busy_status, b"busy", {})
            return self._file(page)

        def _file(self, page):
            told = {"Content-Type": page.kind, **page.headers}
            told |= {"ETag": page.etag} if page.etag else {}
            told |= {"Last-Modified": page.modified} if page.modified else {}
            status, start = page.status, 0
            asked = RANGE.match(self.headers.get("Range", ""))
            same = self.headers.get("If-Range") in (None, page.etag, page.modified)
            if page.ranges and asked and same:
                start, whole = int(asked[1]), len(page.body)
                if start >= whole:
                    return self._send(416, b"", {"Content-Range": f"bytes */{whole}"})
                status = 206
                told["Content-Range"] = f"bytes {start + 7 * page.wrong_range}-{whole - 1}/{whole}"
            return self._send(status, page.body[start:], told, page)

        def _send(self, status, body, told, page=None):
            self.send_response(status)
            for name, value in told.items():
                self.send_header(name, value)
            if page and not page.length:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if page and page.stalls:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                return site.closing.wait(10)
            if page and page.half_way:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                page.half_way()
                body = body[len(body) // 2 :]
            if page and page.drops:
                page.drops -= 1
                return self._break_off(body[: int(len(body) * page.half)])
            if page and not page.length:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body) if body else b"")
                return self.wfile.write(b"0\r\n\r\n")
            return self.wfile.write(body)

        def _break_off(self, body):
            self.wfile.write(body)
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    return Handler
