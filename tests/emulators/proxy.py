"""A proxy between a client and an emulator, at which a test makes things go wrong."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

from tests.emulators.servers import serving

_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


@dataclass(frozen=True)
class Request:
    """A request that came to a proxy.

    Attributes:
        number: how many came before it.
        method: GET, POST ...
        path: with the query.
        body: what came with it.
    """

    number: int
    method: str
    path: str
    body: bytes

    @property
    def writes(self) -> bool:
        """Whether it may change what the server holds."""
        return self.method != "GET"


@dataclass(frozen=True)
class Answer:
    """An error that BigQuery or Cloud Storage answers with."""

    code: int
    reason: str
    message: str = "made up by the test"

    @property
    def body(self) -> bytes:
        """As Google's APIs word errors, in JSON."""
        item = {"reason": self.reason, "message": self.message, "domain": "global"}
        error = {"code": self.code, "message": self.message, "errors": [item]}
        return json.dumps({"error": error}).encode()


@dataclass(frozen=True)
class Reset:
    """The connection breaks: before the server sees the request, or after it has done it."""

    after: bool = False


Fault = Answer | Reset
Rule = Callable[[Request], Fault | None]
Rewrite = Callable[[Request, bytes], bytes]


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        url: where it listens.
        upstream: the server behind it, as a URL.
        rule: what goes wrong with a request; None for nothing.
        rewrite: changes the body of an answer.
        done: called with each request that the server has done, before the client knows.
        requests: all that came.
    """

    upstream: str
    url: str = ""
    rule: Rule = lambda request: None
    rewrite: Rewrite = lambda request, body: body
    done: Callable[[Request], None] = lambda request: None
    requests: list[Request] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def note(self, method: str, path: str, body: bytes) -> Request:
        """Count a request."""
        with self._lock:
            request = Request(len(self.requests), method, path, body)
            self.requests.append(request)
        return request


@contextmanager
def between(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of a server."""
    proxy = Proxy(upstream)

    class Handler(_Handler):
        serves = proxy

    with serving(Handler) as port:
        proxy.url = f"http://127.0.0.1:{port}"
        yield proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    serves: Proxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        request = self.serves.note(self.command, self.path, body)
        fault = self.serves.rule(request)
        if isinstance(fault, Answer):
            self._send(fault.code, [("Content-Type", "application/json")], fault.body)
            return
        if fault == Reset(after=False):
            self._reset()
            return
        code, headers, content = self._forward(request)
        self.serves.done(request)
        if isinstance(fault, Reset):
            self._reset()
            return
        self._send(code, headers, self.serves.rewrite(request, content))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _forward(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.serves.upstream).netloc, timeout=60)
        kept = {name: v for name, v in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            connection.request(request.method, request.path, request.body, kept)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if "json" in (answer.getheader("Content-Type") or ""):
            # Where an object can be downloaded from.
            content = content.replace(self.serves.upstream.encode(), self.serves.url.encode())
        headers = [
            # Where an upload goes on.
            (name, value.replace(self.serves.upstream, self.serves.url))
            for name, value in answer.getheaders()
            if name.lower() not in _HOP_BY_HOP
        ]
        return answer.status, headers, content

    def _send(self, code: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        # Without lingering the kernel sends RST, as a server that crashes does.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
