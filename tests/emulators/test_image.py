"""The image: the Dockerfile's steps, and both templates launched in what they make.

As the launcher does it: a Python file with `--name=value`, from another folder, as another user,
with neither the repository nor this environment in reach.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sample import write_sample
from templates.lock import IMAGE_LOCK, installed, pins
from templates.settings import ROOT
from tests.emulators.conftest import required
from tests.emulators.servers import missing_pubsub
from tests.emulators.test_stream import Channel, host, open_channel  # noqa: F401
from tests.support.dockerfile import Image, build_context
from tests.support.runs import PATIENCE_SECONDS, command, contents, wait_until_printed
from transforms.marts.registry import TABLES

# One process builds the image, and all tests of it run there.
pytestmark = pytest.mark.xdist_group("image")

DOCKERFILE = (ROOT / "Dockerfile").read_text()
NAME = "europe-west3-docker.pkg.dev/test-project/growth/growth-pipeline:1"
ON_DATAFLOW = (
    *("--runner=DataflowRunner", "--project=test-project", "--region=europe-west3"),
    *("--job_name=growth", "--temp_location=gs://bucket/tmp"),
    *("--staging_location=gs://bucket/staging", "--dry_run", "--no_auth=true"),
)


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image, built once: it takes two minutes and a package index."""
    if os.environ.get("EMULATORS") != "required":
        pytest.skip("an image is built from a package index in minutes: make test-emulators")
    with tempfile.TemporaryDirectory(prefix="image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        context = build_context(folder / "context")
        found = Image(folder, context, {"IMAGE": NAME})
        found.build(DOCKERFILE)
        shutil.rmtree(context)
        yield found


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that every user may write to."""
    with tempfile.TemporaryDirectory(prefix="launch-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_the_image_is_as_the_launcher_and_the_workers_need_it(image: Image) -> None:
    assert image.environment == {
        "FLEX_TEMPLATE_PYTHON_PY_FILE": "/template/launch.py",
        "GROWTH_PIPELINE_IMAGE": NAME,
        "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1",
    }
    assert image.entrypoint == ["/opt/apache/beam/boot"]
    assert image.foreign == [
        "/opt/google/dataflow/python_template_launcher",
        "/opt/apache/beam",
    ]
    left = sorted(path.name for path in image.at("/template").iterdir())
    assert left == ["image.txt", "launch.py"]


def test_the_image_holds_what_is_pinned_and_no_more(image: Image) -> None:
    """Otherwise? `make lock` pins it again."""
    assert installed(image.bin / "python") == pins(IMAGE_LOCK.read_text())


def test_batch_is_launched(image: Image, elsewhere: Path, tmp_path: Path) -> None:
    write_sample(str(elsewhere / "events.csv"), 3_000, 5)
    run = image.launch(
        f"--input={elsewhere}/events.csv",
        f"--warehouse=duckdb:///{elsewhere}/growth.duckdb",
        "--max_dead_letter_pct=50",
        "--summary_file=",
        "--runner=DirectRunner",
        cwd=Path("/"),
    )
    assert run.returncode == 0, run.stderr
    assert "3,000 input rows =" in run.stdout
    here = command(
        *("batch", "--input", f"{elsewhere}/events.csv"),
        *("--warehouse", f"duckdb:///{tmp_path}/here.duckdb"),
        cwd=tmp_path,
    )
    assert here.returncode == 0
    there, ours = contents(elsewhere / "growth.duckdb"), contents(tmp_path / "here.duckdb")
    assert all(there[name].equals(ours[name]) for name in TABLES)


def test_batch_runs_in_workers_of_their_own(image: Image, elsewhere: Path) -> None:
    write_sample(str(elsewhere / "events.csv"), 3_000, 5)
    for name, more in (
        ("one", ()),
        ("two", ("--direct_num_workers=2", "--direct_running_mode=multi_processing")),
    ):
        run = image.launch(
            *(
                f"--input={elsewhere}/events.csv",
                f"--warehouse=duckdb:///{elsewhere}/{name}.duckdb",
            ),
            *more,
            cwd=elsewhere,
        )
        assert run.returncode == 0, run.stderr
    one, two = contents(elsewhere / "one.duckdb"), contents(elsewhere / "two.duckdb")
    assert all(one[name].equals(two[name]) for name in TABLES)


@pytest.fixture
def channel(open_channel) -> Channel:  # type: ignore[no-untyped-def] # noqa: F811
    required(missing_pubsub())
    found: Channel = open_channel()
    return found


def test_streaming_is_launched(
    image: Image, channel: Channel, elsewhere: Path, tmp_path: Path
) -> None:
    write_sample(str(elsewhere / "events.csv"), 300, 5)
    published = command(
        *("publish", "--input", "events.csv", "--topic", channel.topic, "--repeat_pct", "10"),
        cwd=elsewhere,
        **channel.environment,
    )
    assert published.returncode == 0, published.stderr
    messages = int(published.stdout.split()[0])
    with (tmp_path / "stderr").open("w") as output:
        process = image.start(
            [
                *(f"--subscription={channel.subscription}", "--late_horizon_days=3650"),
                *(f"--warehouse=duckdb:///{elsewhere}/live.duckdb", "--flush_seconds=3"),
            ],
            elsewhere,
            channel.environment,
            stderr=output,
        )
    try:
        wait_until_printed(process, tmp_path / "stderr", f"so far {messages:,} messages =")
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, "Stopped:" in printed) == (0, True)
    here = command(
        *("batch", "--input", "events.csv", "--warehouse", f"duckdb:///{tmp_path}/b.duckdb"),
        cwd=elsewhere,
    )
    assert here.returncode == 0
    live, batch = contents(elsewhere / "live.duckdb"), contents(tmp_path / "b.duckdb")
    dead_letters = "dead_letter_events"  # They name where they come from.
    assert [name for name in TABLES if not live[name].equals(batch[name])] in ([], [dead_letters])
    assert live["fct_events"].num_rows > 200


@pytest.mark.parametrize(
    "parameters",
    [
        ("--input=gs://bucket/a*.csv,gs://bucket/b.csv.gz", "--user_shards=64"),
        (
            "--subscription=projects/test-project/subscriptions/events",
            "--enable_streaming_engine=true",
        ),
    ],
)
def test_both_are_translated_for_dataflow_without_network(
    image: Image, elsewhere: Path, parameters: tuple[str, ...]
) -> None:
    job = elsewhere / "job.json"
    run = image.launch(
        *(*parameters, "--warehouse=bigquery://test-project/growth", *ON_DATAFLOW),
        cwd=elsewhere,
        NO_GCE_CHECK="true",
        CLOUDSDK_CONFIG=str(elsewhere),
    )
    assert run.returncode == 0, run.stderr
    assert "Dry run: the graph is translated for Dataflow" in run.stdout
    assert not job.exists()


def test_a_wrong_parameter_ends_the_launch_with_one_line(image: Image, elsewhere: Path) -> None:
    run = image.launch("--input=none.csv", "--warehouse=duckdb:///x.duckdb", cwd=elsewhere)
    assert run.returncode == 2
    assert "'none.csv' matches no file" in run.stderr
    assert run.stderr.count("\n") == 1
