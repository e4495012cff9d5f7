"""Stands for `python -m pipeline` in a line of bash: the command runs in a fork, see `forks`.

python -S -E tests/support/fork_client.py SOCKET ARGUMENT ...

It passes on its folder and its streams, of which some may be closed. It imports next to nothing: a
new interpreter that has imported Beam takes 1.6 CPU seconds, and this 0.03.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator


def _open_streams() -> Iterator[int]:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            continue
        yield number


def _main(path: str, arguments: list[str]) -> int:
    # Before anything is opened, which would take the number of a closed stream.
    streams = list(_open_streams())
    folder = os.open(".", os.O_RDONLY)
    asked = {"arguments": arguments, "environment": dict(os.environ), "streams": streams}
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(connection, [b"."], [folder, *streams])
    connection.sendall(json.dumps({**asked, "script": None}).encode() + b"\n")
    with connection.makefile() as answer:
        _, code = answer.readline(), int(answer.readline())
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2:]))
