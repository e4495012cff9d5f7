"""What goes wrong on the way to BigQuery and Cloud Storage: retried, or reported in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulators.proxy import Answer, Fault, Proxy, Request, Reset, between
from tests.emulators.support import Home, unlike
from tests.support.tables import csv_text, row
from transforms.marts.registry import TABLES


@pytest.fixture
def one_event(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    path.write_bytes(csv_text([row("2024-01-01T00:00:00Z"), row("never")]))
    return path


@pytest.fixture
def bigquery(home: Home) -> Iterator[Proxy]:
    with between(home.servers.bigquery) as proxy:
        yield proxy


@pytest.fixture
def storage(home: Home) -> Iterator[Proxy]:
    with between(home.servers.storage) as proxy:
        yield proxy


def kind(request: Request) -> str:
    """Requests that do the same to another table or file are of one kind."""
    path = request.path.partition("?")[0]
    path = re.sub(r"/tables/growth_scratch_\w+", "/tables/SCRATCH", path)
    path = re.sub(r"/tables/(?!SCRATCH)\w+", "/tables/TABLE", path)
    path = re.sub(r"/jobs/\w+", "/jobs/JOB", path)
    path = re.sub(r"/o/.+", "/o/OBJECT", path)
    job = re.search(rb'"(load|copy|query)": *\{', request.body) if path.endswith("/jobs") else None
    return f"{request.method} {path} {job[1].decode() if job else ''}"


def first_of_each_kind(fault: Fault) -> Callable[[Request], Fault | None]:
    seen: set[str] = set()

    def rule(request: Request) -> Fault | None:
        # The emulator forgets an upload that is through; Cloud Storage answers it once more.
        ends_upload = request.method == "PUT" and "/upload/" in request.path
        if ends_upload and fault == Reset(after=True):
            return None
        new = kind(request) not in seen
        seen.add(kind(request))
        return fault if new else None

    return rule


@pytest.mark.parametrize(
    "fault",
    [
        Answer(429, "rateLimitExceeded"),
        Answer(500, "backendError"),
        Answer(503, "backendError"),
        Reset(),
        Reset(after=True),
    ],
)
def test_a_transient_error_of_each_request_is_outlived(
    home: Home, one_event: Path, bigquery: Proxy, storage: Proxy, fault: Fault
) -> None:
    home.upload(one_event, "in/events.csv")
    bigquery.rule = first_of_each_kind(fault)
    storage.rule = first_of_each_kind(fault)
    run = home.batch(
        f"{home.temp}/in/*.csv",
        BIGQUERY_EMULATOR_HOST=bigquery.url,
        STORAGE_EMULATOR_HOST=storage.url,
    )
    assert (run.returncode, run.stderr) == (0, "")
    rows = {name: home.table(name).num_rows for name in TABLES}
    assert (rows["fct_events"], rows["growth_metrics"], rows["dead_letter_events"]) == (1, 1, 1)
    assert home.leftovers() == ["events.csv"]
    kinds = {kind(request) for request in (*bigquery.requests, *storage.requests)}
    project = f"/bigquery/v2/projects/{home.client.project}"
    for hit in (
        f"GET {project}/datasets/{home.dataset} ",
        f"POST {project}/datasets ",
        f"POST {project}/datasets/{home.dataset}/tables ",
        f"POST {project}/jobs load",
        f"POST {project}/jobs copy",
        f"DELETE {project}/datasets/{home.dataset}/tables/SCRATCH ",
    ):
        assert hit in kinds
    assert len(kinds) >= 15


def answering(method: str, path: str, fault: Fault) -> Callable[[Request], Fault | None]:
    def rule(request: Request) -> Fault | None:
        hit = request.method == method and re.search(path, request.path)
        return fault if hit else None

    return rule


DENIED = Answer(403, "accessDenied", "Access Denied: Dataset p:d: Permission bigquery.x denied")


@pytest.mark.parametrize(
    ("method", "path", "answer", "expected"),
    [
        ("GET", r"/datasets/\w+\?", DENIED, ["roles/bigquery.dataEditor"]),
        (
            "GET",
            r"/datasets/\w+\?",
            Answer(404, "notFound", "Not found: Project test-project"),
            ["Not found: Project test-project", "check the project in bigquery://"],
        ),
        ("GET", r"/tables/fct_events", DENIED, ["can't look at table", "roles/bigquery.dataEd"]),
        ("PATCH", r"/tables/dim_users", DENIED, ["can't update labels of table", "dim_users"]),
        ("POST", r"/tables\?", DENIED, ["can't create the scratch table", "dataEditor"]),
        (
            "POST",
            r"/jobs\?",
            Answer(
                403,
                "accessDenied",
                "Access Denied: Project p: User does not have bigquery.jobs.create permission",
            ),
            ["can't load", "grant roles/bigquery.jobUser on the project"],
        ),
        (
            "POST",
            r"/jobs\?",
            Answer(403, "quotaExceeded", "Quota exceeded: too many imports for this table"),
            ["can't load", "(quotaExceeded); wait until the quota is refilled"],
        ),
        (
            "POST",
            r"/jobs\?",
            Answer(404, "notFound", "Not found: Dataset p:d was not found in location US"),
            ["the dataset lies elsewhere: leave out --location"],
        ),
    ],
)
def test_a_lasting_error_ends_in_one_line_and_leaves_the_tables(
    home: Home,
    one_event: Path,
    bigquery: Proxy,
    method: str,
    path: str,
    answer: Answer,
    expected: list[str],
) -> None:
    assert home.batch(one_event).returncode == 0
    before = home.contents()
    other = one_event.with_name("other.csv")
    other.write_bytes(csv_text([row("2025-01-01T00:00:00Z")]))
    bigquery.rule = answering(method, path, answer)
    run = home.batch(other, BIGQUERY_EMULATOR_HOST=bigquery.url)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.count("\n") == 1
    assert answer.message in run.stderr
    for words in expected:
        assert words in run.stderr
    assert unlike(home.contents(), before) == []
    assert home.leftovers() == []


def failing(part: str, reason: str, message: str, times: int) -> Callable[[Request, bytes], bytes]:
    """Jobs with this in their ids end in an error, so many of them."""
    failed: list[str] = []

    def rewrite(request: Request, body: bytes) -> bytes:
        if "/jobs" not in request.path:
            return body
        answer = json.loads(body)
        job_id = answer.get("jobReference", {}).get("jobId", "")
        if part not in job_id:
            return body
        if job_id not in failed:
            failed.append(job_id)
        if failed.index(job_id) >= times:
            return body
        error = {"reason": reason, "message": message}
        more = {"reason": "invalid", "message": "Row 7: a field is too long"}
        answer["status"] = {"state": "DONE", "errorResult": error, "errors": [error, more]}
        return json.dumps(answer).encode()

    return rewrite


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("invalid", "Error while reading data", "a staged file is gone or damaged"),
        ("quotaExceeded", "Quota exceeded", "wait until the quota is refilled"),
        (
            "invalid",
            "Cannot read and write in different locations: source: US, destination: EU",
            "the bucket of --temp_location must lie where the dataset does",
        ),
        ("stopped", "Job execution was cancelled: User requested cancellation", "run again"),
    ],
)
def test_a_failed_job_is_named_with_its_reason_and_no_table_is_touched(
    home: Home, one_event: Path, bigquery: Proxy, reason: str, message: str, expected: str
) -> None:
    assert home.batch(one_event).returncode == 0
    before = home.contents()
    one_event.write_bytes(csv_text([row("2025-01-01T00:00:00Z")]))
    bigquery.rewrite = failing("_load_growth_metrics_", reason, message, 9)
    run = home.batch(one_event, BIGQUERY_EMULATOR_HOST=bigquery.url)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert re.search(r"job test-project:\w+\.growth_\w+_load_growth_metrics_\w+ failed", run.stderr)
    assert f"{message} [Row 7: a field is too long] ({reason})" in run.stderr
    assert expected in run.stderr
    assert unlike(home.contents(), before) == []
    assert home.leftovers() == []


def test_a_failed_replacement_is_reported_with_what_that_means_for_other_tables(
    home: Home, one_event: Path, bigquery: Proxy
) -> None:
    bigquery.rewrite = failing("_replace_dim_users", "quotaExceeded", "Quota exceeded", 9)
    run = home.batch(one_event, BIGQUERY_EMULATOR_HOST=bigquery.url)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert f"can't replace {home.client.project}.{home.dataset}.dim_users: job" in run.stderr
    assert "others may be changed already, and another run" in run.stderr
    assert home.batch(one_event).returncode == 0
    assert home.leftovers() == []


def test_a_job_that_fails_in_passing_runs_again_under_another_id(
    home: Home, one_event: Path, bigquery: Proxy
) -> None:
    bigquery.rewrite = failing("_load_dim_users_", "backendError", "Try again", 2)
    run = home.batch(one_event, BIGQUERY_EMULATOR_HOST=bigquery.url)
    assert (run.returncode, run.stderr) == (0, "")
    part = f"{home.table('dim_users').labels['growth_run']}_load_dim_users_"
    first, *others = sorted(j.job_id for j in home.client.list_jobs() if part in j.job_id)
    assert others == [f"{first}_1", f"{first}_2"]
    assert home.table("dim_users").num_rows == 1


@pytest.mark.parametrize(
    ("method", "path"), [("POST", r"/upload/"), ("PUT", r"/upload/"), ("GET", r"/o\?")]
)
def test_a_bucket_that_refuses_is_named(
    home: Home, one_event: Path, storage: Proxy, method: str, path: str
) -> None:
    assert home.batch(one_event).returncode == 0
    before = home.contents()
    denied = Answer(403, "forbidden", "x does not have storage.objects.create access")
    storage.rule = answering(method, path, denied)
    run = home.batch(one_event, STORAGE_EMULATOR_HOST=storage.url)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.count("\n") == 1
    assert "storage.objects" in run.stderr
    assert "--temp_location" in run.stderr
    assert "BeamIOError" not in run.stderr
    assert unlike(home.contents(), before) == []


def test_input_that_may_not_be_read_is_named(home: Home, one_event: Path, storage: Proxy) -> None:
    home.upload(one_event, "in/events.csv")
    for path in (r"alt=media", r"events.csv\?projection", r"/o\?"):
        denied = Answer(403, "forbidden", "x does not have storage.objects.get access")
        storage.rule = answering("GET", path, denied)
        run = home.batch(f"{home.temp}/in/*.csv", STORAGE_EMULATOR_HOST=storage.url)
        assert (run.returncode, run.stdout) == (1, "")
        assert run.stderr.count("\n") == 1
        assert f"{home.temp}/in/" in run.stderr
        assert "storage.objects.get" in run.stderr


def test_a_bucket_that_is_not_there_is_named(home: Home, one_event: Path) -> None:
    run = home.batch(one_event, "--temp_location", "gs://no-such-bucket-here/tmp")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "can't list or clear gs://no-such-bucket-here/tmp" in run.stderr
    assert "(not found: " in run.stderr
    assert "see that the bucket of --temp_location exists" in run.stderr


def test_input_that_is_not_there_is_named(home: Home) -> None:
    run = home.batch(f"{home.temp}/none/*.csv")
    assert run.returncode == 2
    assert f"'{home.temp}/none/*.csv' matches no file" in run.stderr


def test_a_failure_before_the_commit_leaves_nothing_staged(home: Home, one_event: Path) -> None:
    one_event.write_bytes(csv_text([row("never"), row("ever")]))
    run = home.batch(one_event)
    assert run.returncode == 1
    assert "2 of 2 input rows are dead letters" in run.stderr
    assert home.leftovers() == []
    assert {home.table(name).num_rows for name in TABLES} == {0}
