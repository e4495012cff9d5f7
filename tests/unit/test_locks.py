"""What is installed is pinned once: requirements.txt, both locks and the Dockerfile agree."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.errors import RunError
from templates.base_images import DOCKERFILE, Name, digest_of, with_digests, without_digest
from templates.lock import (
    EMULATORS,
    EMULATORS_LOCK,
    IMAGE_LOCK,
    LOCK,
    REQUIREMENTS,
    for_tests,
    for_workers,
    pins,
)
from tests.support.dockerfile import instructions

DIGEST = "sha256:" + "a1" * 32


def entries(text: str) -> dict[str, str]:
    """The entries of a lock, hashes and all, by what they pin."""
    found = re.findall(r"^([a-z0-9][^\\\n]*?) ?\\\n((?:    --hash=.*\n?)+)", text, re.MULTILINE)
    return {pin.partition(";")[0].strip(): hashes.replace(" \\", "") for pin, hashes in found}


def test_locks_have_what_requirements_pin_and_a_hash_for_each() -> None:
    """Stale? `make lock` rewrites them."""
    everything = "\n".join([REQUIREMENTS.read_text(), *for_tests()])
    for wanted, lock in (
        (everything, LOCK),
        (for_workers(), IMAGE_LOCK),
        (EMULATORS.read_text(), EMULATORS_LOCK),
    ):
        locked = pins(lock.read_text())
        assert wanted
        assert pins(wanted).items() <= locked.items()
        pinned = re.findall(r"^[a-z0-9][^ \\]*==[^ \\]+", lock.read_text(), re.MULTILINE)
        assert len(pinned) == len(entries(lock.read_text())) > 40


def test_workers_run_the_versions_that_tests_run() -> None:
    tested = entries(LOCK.read_text())
    for pin, hashes in entries(IMAGE_LOCK.read_text()).items():
        assert tested[pin] == hashes


def test_the_dockerfile_begins_with_the_versions_that_are_pinned() -> None:
    images = [
        rest.split()[0] for name, rest in instructions(DOCKERFILE.read_text()) if name == "FROM"
    ]
    names = [image.partition("@")[0] for image in images]
    assert f"apache/beam_python3.11_sdk:{pins(LOCK.read_text())['apache-beam']}" in names
    assert names[-1].startswith("python:3.11.")
    assert all(":" in name and not name.endswith(":latest") for name in names)


def test_a_digest_is_written_behind_each_tag_and_replaced_by_a_newer_one() -> None:
    text = "FROM gcr.io/a/b:1 AS one\nRUN true\nFROM python:3.11.15-slim\n"
    assert without_digest(text) == ["gcr.io/a/b:1", "python:3.11.15-slim"]
    pinned = with_digests(text, lambda name: DIGEST)
    assert pinned == (
        f"FROM gcr.io/a/b:1@{DIGEST} AS one\nRUN true\nFROM python:3.11.15-slim@{DIGEST}\n"
    )
    assert without_digest(pinned) == []
    newer = DIGEST.replace("a1", "b2")
    assert with_digests(pinned, lambda name: newer) == pinned.replace(DIGEST, newer)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gcr.io/a/b:1", Name("gcr.io", "a/b", "1")),
        ("apache/beam:2", Name("registry-1.docker.io", "apache/beam", "2")),
        ("python:3.11", Name("registry-1.docker.io", "library/python", "3.11")),
    ],
)
def test_an_image_lies_where_docker_looks_for_it(text: str, name: Name) -> None:
    assert Name.parse(text) == name


@contextmanager
def registry(digest: str) -> Iterator[str]:
    """A registry on loopback that wants a token, as Docker Hub does; gives its host."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            host = self.headers["Host"]
            known = self.path == "/v2/library/python/manifests/3.11"
            if self.headers.get("Authorization") != "Bearer pass":
                challenge = f'Bearer realm="http://{host}/token",service="s",scope="pull"'
                self._answer(401, ("WWW-Authenticate", challenge))
            elif known and "image.index" in self.headers["Accept"]:
                self._answer(200, ("Docker-Content-Digest", digest))
            else:
                self._answer(404, ("Content-Type", "text/plain"))

        def do_GET(self) -> None:
            assert self.path == "/token?service=s&scope=pull"
            self._answer(200, ("Content-Type", "application/json"))
            self.wfile.write(b'{"token": "pass"}')

        def _answer(self, code: int, header: tuple[str, str]) -> None:
            self.send_response(code)
            self.send_header(*header)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_registry_is_asked_for_a_digest() -> None:
    with registry(DIGEST) as host:
        assert digest_of(Name(host, "library/python", "3.11"), "http") == DIGEST
        with pytest.raises(RunError, match=r"can't ask .* for library/python:9 .*404"):
            digest_of(Name(host, "library/python", "9"), "http")
    with registry("") as host, pytest.raises(RunError, match="gives no digest"):
        digest_of(Name(host, "library/python", "3.11"), "http")
