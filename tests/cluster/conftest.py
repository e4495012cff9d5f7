"""Fixtures: the cluster, whose workers reach the emulators; one of each for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sample import write_sample
from tests.cluster.cluster import Cluster, running
from tests.cluster.install import missing
from tests.emulators.conftest import client, here, home, servers
from tests.emulators.servers import Servers

__all__ = ["client", "here", "home", "servers"]


@pytest.fixture(scope="session")
def whole_cluster(servers: Servers) -> Iterator[Cluster]:
    """The cluster; without it tests are skipped, or fail where it must be there."""
    reason = missing()
    if reason is not None and os.environ.get("CLUSTER") == "required":
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)
    with running(servers.environment) as found:
        yield found


@pytest.fixture
def cluster(whole_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, whole and idle, whatever another test has killed."""
    whole_cluster.bring_up()
    yield whole_cluster
    whole_cluster.release()


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 1.csv and 2.csv: lifelike rows, some of them broken or repeated, in both."""
    folder = tmp_path_factory.mktemp("events")
    write_sample(str(folder / "all"), 3_000, 5)
    header, *lines = (folder / "all").read_bytes().splitlines(keepends=True)
    (folder / "all").unlink()
    for name, part in (("1.csv", lines[:2_000]), ("2.csv", lines[1_900:])):
        (folder / name).write_bytes(header + b"".join(part))
    return folder
