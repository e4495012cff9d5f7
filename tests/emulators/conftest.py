"""Fixtures: the emulators, one set for each test process, and a dataset for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache_beam.internal.gcp import auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.emulators.install import missing
from tests.emulators.servers import BUCKET, PROJECT, Servers, running
from tests.emulators.support import Home


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The running emulators; without them tests are skipped, or fail where they must be there."""
    required(missing())
    with running() as found:
        yield found


def required(reason: str | None) -> None:
    """Skip the test for a reason why an emulator is missing, or fail it where it must be there."""
    if reason is not None and os.environ.get("EMULATORS") == "required":
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def client(servers: Servers) -> Iterator[bigquery.Client]:
    """Google's client of the BigQuery emulator."""
    options = {"api_endpoint": servers.bigquery}
    with bigquery.Client(PROJECT, AnonymousCredentials(), client_options=options) as found:
        yield found


@pytest.fixture
def home(servers: Servers, client: bigquery.Client) -> Iterator[Home]:
    """A dataset of the test's own, not there yet, and a folder for staged files."""
    name = f"growth_{uuid.uuid4().hex[:10]}"
    found = Home(name, f"gs://{BUCKET}/{name}", servers.objects / name, servers, client)
    yield found
    client.delete_dataset(name, delete_contents=True, not_found_ok=True)


@pytest.fixture
def here(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead the clients of this process to the emulators."""
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    # Beam looks for credentials once in a process, in an environment that may have been another.
    monkeypatch.setattr(auth._Credentials, "_credentials_init", True)
    monkeypatch.setattr(auth._Credentials, "_credentials", None)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A CSV file of 3,000 lifelike rows, some of them broken or repeated."""
    from pipeline.sample import write_sample

    path = tmp_path / "events.csv"
    write_sample(str(path), 3_000, 5)
    return path
