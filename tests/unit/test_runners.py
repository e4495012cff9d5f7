"""Which runners write where: to a file on this machine only those whose workers run here."""

from __future__ import annotations

import pytest

from pipeline.errors import OptionError
from pipeline.launch.runners import choose_runner, choose_streaming_runner
from pipeline.warehouse import open_warehouse

FILE = "duckdb:///growth.duckdb"
DATASET = "bigquery://some-project/growth"


def options(*arguments: str) -> dict[str, str]:
    return dict(argument.split("=", 1) for argument in arguments)


@pytest.mark.parametrize(
    "given",
    [
        options("runner=FlinkRunner", "environment_type=LOOPBACK", "flink_master=far.example:8081"),
        options(
            *("runner=FlinkRunner", "environment_type=EXTERNAL", "flink_master=localhost:8081"),
            "environment_config=localhost:50000",
        ),
        options(
            *("runner=flinkrunner", "environment_type=external"),
            *("flink_master=http://127.0.0.1:8081", "job_endpoint=[::1]:8099"),
            "environment_config=http://127.0.0.1:50000",
        ),
        options("runner=PortableRunner", "environment_type=LOOPBACK", "job_endpoint=h:8099"),
    ],
)
def test_workers_on_this_machine_write_to_a_file_on_it(given: dict[str, str]) -> None:
    for warehouse in map(open_warehouse, (FILE, DATASET)):
        found = choose_runner(given, warehouse)
        assert (found.name, found.local) == (given["runner"], False)


@pytest.mark.parametrize(
    "given",
    [
        options("runner=FlinkRunner"),
        options("runner=FlinkRunner", "flink_master=localhost:8081"),
        options("runner=FlinkRunner", "environment_type=DOCKER", "flink_master=localhost:8081"),
        options("runner=FlinkRunner", "environment_type=EXTERNAL"),
        # A pool's localhost is that of a cluster which is elsewhere.
        options(
            *("runner=FlinkRunner", "environment_type=EXTERNAL", "flink_master=far.example:8081"),
            "environment_config=localhost:50000",
        ),
        options(
            *("runner=PortableRunner", "environment_type=EXTERNAL", "job_endpoint=localhost:8099"),
            "environment_config=far.example:50000",
        ),
        options(
            *("runner=FlinkRunner", "environment_type=EXTERNAL", "flink_master=[localhost:8081"),
            "environment_config=localhost:50000",
        ),
    ],
)
def test_workers_that_may_be_elsewhere_are_kept_from_it(given: dict[str, str]) -> None:
    with pytest.raises(OptionError, match=r"can't reach: let them run here, .* LOOPBACK"):
        choose_runner(given, open_warehouse(FILE))
    assert choose_runner(given, open_warehouse(DATASET)).name == given["runner"]


def test_dataflow_never_reaches_it() -> None:
    given = options("runner=DataflowRunner", "environment_type=LOOPBACK", "project=p", "region=r")
    with pytest.raises(OptionError, match="can't reach: name bigquery://"):
        choose_runner(given, open_warehouse(FILE))


def test_a_stream_elsewhere_never_holds_it() -> None:
    given = options("runner=FlinkRunner", "environment_type=LOOPBACK", "checkpointing_interval=9")
    with pytest.raises(OptionError, match="can't reach: name bigquery://"):
        choose_streaming_runner(given, open_warehouse(FILE))
    assert choose_streaming_runner(given, open_warehouse(DATASET)).name == "FlinkRunner"
