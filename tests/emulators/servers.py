"""The emulators as processes on loopback, and a metadata server that hands out a token."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import google.cloud.pubsub as pubsub

from tests.emulators.install import BIN, environment

PROJECT: Final = "test-project"
BUCKET: Final = "test-bucket"
PUBSUB: Final = Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator/bin/cloud-pubsub-emulator")
_BIGQUERY: Final = Path(__file__).with_name("bigquery_server.py")
_START_SECONDS: Final = 300


@dataclass(frozen=True)
class Servers:
    """Addresses of the running emulators.

    Attributes:
        bigquery: of the REST API, as a URL.
        storage_read: of BigQuery's Storage Read API, host and port.
        storage: of Cloud Storage, as a URL.
        metadata: of a metadata server like that of Compute Engine, host and port.
        objects: the folder in which Cloud Storage keeps the bucket's objects as files.
        pubsub: of Pub/Sub, host and port; empty where its emulator is not installed.
    """

    bigquery: str
    storage_read: str
    storage: str
    metadata: str
    objects: Path
    pubsub: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What leads Google's clients to these servers, and keeps them from any other."""
        return {
            "BIGQUERY_EMULATOR_HOST": self.bigquery,
            "BIGQUERY_STORAGE_EMULATOR_HOST": self.storage_read,
            "STORAGE_EMULATOR_HOST": self.storage,
            "GCE_METADATA_HOST": self.metadata,
            "GCE_METADATA_IP": self.metadata,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "CLOUDSDK_CONFIG": os.devnull,
            **({"PUBSUB_EMULATOR_HOST": self.pubsub} if self.pubsub else {}),
        }


@contextmanager
def running() -> Iterator[Servers]:
    """Start the emulators, empty but for the bucket; they end with the context."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emulators-")))
        bigquery, storage_read, storage = free_ports(3)
        pubsub = "" if missing_pubsub() else stack.enter_context(running_pubsub())
        servers = Servers(
            bigquery=f"http://127.0.0.1:{bigquery}",
            storage_read=f"127.0.0.1:{storage_read}",
            storage=f"http://127.0.0.1:{storage}",
            metadata=stack.enter_context(_metadata()),
            objects=folder / ".cloudstorage" / BUCKET,
            pubsub=pubsub,
        )
        stack.enter_context(
            _process(
                ["gcp-storage-emulator", "start", "--host", "127.0.0.1", "--port", str(storage)],
                ["--default-bucket", BUCKET, "--quiet"],
                folder,
                {"STORAGE_BASE": str(folder)},
            )
        )
        stack.enter_context(
            _process(
                ["python", str(_BIGQUERY), "--host", "127.0.0.1", "--port", str(bigquery)],
                ["--grpc-port", str(storage_read), "--data-dir", str(folder / "bigquery")],
                folder,
                # The two processes share the objects through the disk.
                {"GCS_LOCAL_ROOT": str(folder / ".cloudstorage")},
            )
        )
        _wait_for(servers.storage)
        _wait_for(f"{servers.bigquery}/bigquery/v2/projects/{PROJECT}/datasets")
        yield servers


def missing_pubsub() -> str | None:
    """Why Pub/Sub's emulator can't be used; None if it can."""
    if not PUBSUB.exists():
        return (
            "Pub/Sub's emulator is not installed (Google's Debian package "
            "google-cloud-cli-pubsub-emulator has it; it needs Java)"
        )
    return None


@contextmanager
def running_pubsub() -> Iterator[str]:
    """Start Pub/Sub's emulator, empty; gives its host and port."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="pubsub-") as name:
        options = ["--host=127.0.0.1", f"--port={port}"]
        with _process([str(PUBSUB)], options, Path(name), {}):
            _wait_for(f"http://127.0.0.1:{port}")
            yield f"127.0.0.1:{port}"


def create_subscription(host: str) -> tuple[str, str]:
    """Create a topic and its subscription in Pub/Sub's emulator; gives their names."""
    topic = f"projects/{PROJECT}/topics/events"
    subscription = f"projects/{PROJECT}/subscriptions/events"
    with _leading_to(host), pubsub.PublisherClient() as publisher:
        publisher.create_topic(name=topic)
        with pubsub.SubscriberClient() as subscriber:
            subscriber.create_subscription(name=subscription, topic=topic)
    return topic, subscription


@contextmanager
def _leading_to(host: str) -> Iterator[None]:
    before = os.environ.get("PUBSUB_EMULATOR_HOST")
    os.environ["PUBSUB_EMULATOR_HOST"] = host
    try:
        yield
    finally:
        del os.environ["PUBSUB_EMULATOR_HOST"]
        if before is not None:
            os.environ["PUBSUB_EMULATOR_HOST"] = before


@contextmanager
def _process(
    command: list[str], options: list[str], folder: Path, settings: dict[str, str]
) -> Iterator[None]:
    name, *arguments = command
    with (
        (folder / f"{Path(name).name}.log").open("wb") as log,
        subprocess.Popen(
            [BIN / name, *arguments, *options],
            cwd=folder,
            env={**environment(), **settings},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


def free_ports(number: int) -> list[int]:
    """Ports of loopback on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=_START_SECONDS):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            threading.Event().wait(0.05)


class _Metadata(BaseHTTPRequestHandler):
    """As much of Compute Engine's metadata as google.auth asks for."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/token"):
            answer: object = {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
        elif path.endswith("/project-id"):
            answer = PROJECT
        elif "/service-accounts/" in path:
            # Of an account with a real address google.auth would ask more, elsewhere.
            answer = {"email": f"{PROJECT}.svc.id.goog", "scopes": []}
        else:
            answer = ""
        found = path == "/" or answer != ""
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(200 if found else 404)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header(
            "Content-Type", "application/text" if isinstance(answer, str) else "application/json"
        )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _metadata() -> Iterator[str]:
    with serving(_Metadata) as port:
        yield f"127.0.0.1:{port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away: tests have them killed."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """An HTTP server on loopback in a thread; gives its port."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
