"""A server on this machine that takes what --alert posts."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

SECRET = "T0123/B4567/not-to-be-shown"


@dataclass
class Receiver:
    """What was posted, and with which statuses it is answered.

    Attributes:
        url: where to post.
        got: the JSON of each post.
        answers: statuses of the next answers; 200 once they are used up.
    """

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def texts(self) -> list[str]:
        """The texts of all posts; none is kept."""
        found = [message["text"] for message in self.got]
        self.got.clear()
        return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server that runs while the context lasts."""
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"].startswith("application/json")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = receiver.answers.pop(0) if receiver.answers else 200
            receiver.got.append(body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/services/{SECRET}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
