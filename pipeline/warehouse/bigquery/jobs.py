"""BigQuery jobs that run once, however often they are asked for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeVar, cast

from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery

from pipeline.errors import RunError
from pipeline.warehouse.bigquery.client import described, explained

Job = bigquery.LoadJob | bigquery.CopyJob | bigquery.QueryJob
Item = TypeVar("Item")
Result = TypeVar("Result")

# The client's connection pool holds ten.
_SIDE_BY_SIDE: Final = 8
_ATTEMPTS: Final = 5
_FIRST_PAUSE: Final = 1.0
# https://cloud.google.com/bigquery/docs/error-messages: to be tried again with back-off.
_TRANSIENT: Final = frozenset(
    {
        "backendError",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "jobRateLimitExceeded",
        "rateLimitExceeded",
        "tableUnavailable",
    }
)


@dataclass(frozen=True)
class Planned:
    """A job to run once.

    Attributes:
        job_id: its id. BigQuery takes an id once, so whoever asks again finds the first job.
        action: what it does, after "can't".
        begin: starts it under an id that it is given.
    """

    job_id: str
    action: str
    begin: Callable[[str], Job]


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results of a function for each item, several at a time; the first error, once all end."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(function, items))


def run_jobs(client: bigquery.Client, planned: Sequence[Planned]) -> list[Job]:
    """Run jobs side by side, or find the ones that ran; all have succeeded.

    Raises:
        RunError: if one failed, once all have ended.
    """
    return side_by_side(lambda job: _run(client, job), planned)


def has_run(client: bigquery.Client, planned: Planned) -> bool:
    """Whether a job has run and succeeded.

    Raises:
        RunError: if BigQuery can't tell.
    """
    jobs = _found(client, planned)
    return any(job.state == "DONE" and job.error_result is None for job in jobs)


def may_have_run(client: bigquery.Client, planned: Planned) -> bool:
    """Whether a job has succeeded, or may do so yet.

    Raises:
        RunError: if BigQuery can't tell.
    """
    return any(job.state != "DONE" or job.error_result is None for job in _found(client, planned))


def _found(client: bigquery.Client, planned: Planned) -> Iterator[Job]:
    """All attempts at a job so far."""
    for attempt in count():
        with explained(f"look for the job that is to {planned.action}"):
            try:
                job = client.get_job(_job_id(planned, attempt), location=client.location)
            except NotFound:
                return
        yield cast(Job, job)


def _run(client: bigquery.Client, planned: Planned) -> Job:
    begun = 0
    for attempt in count():
        job, is_found = _begin(client, planned, attempt)
        with explained(f"{planned.action} (job {_name(job)})"):
            if _succeeded(job):
                return job
        if is_found:  # By an earlier run: what was wrong then may be right now.
            continue
        begun += 1
        if begun == _ATTEMPTS or job.error_result["reason"] not in _TRANSIENT:
            raise _failure(planned.action, job)
        time.sleep(_FIRST_PAUSE * 2**begun * random.uniform(0.5, 1))
    raise AssertionError("unreachable")


def _begin(client: bigquery.Client, planned: Planned, attempt: int) -> tuple[Job, bool]:
    """A job, and whether it was there already."""
    job_id = _job_id(planned, attempt)
    with explained(planned.action):
        try:
            return planned.begin(job_id), False
        except Conflict:
            return cast(Job, client.get_job(job_id, location=client.location)), True


def _job_id(planned: Planned, attempt: int) -> str:
    # A job that failed keeps its id.
    return f"{planned.job_id}_{attempt}" if attempt else planned.job_id


def _succeeded(job: Job) -> bool:
    """Wait for a job's end, and tell whether it did what it was to do."""
    try:
        job.result()
    except GoogleAPICallError:
        if job.error_result is None:
            raise
        return False
    return True


def _failure(action: str, job: Job) -> RunError:
    errors: list[dict[str, Any]] = [job.error_result, *(job.errors or ())]
    first = errors[0]
    others = {" ".join(e["message"].split()) for e in errors[1:]} - {
        " ".join(first["message"].split())
    }
    details = f" [{'; '.join(sorted(others)[:3])}]" if others else ""
    return RunError(
        f"can't {action}: job {_name(job)} failed: "
        f"{described(first['message'] + details, first['reason'])}"
    )


def _name(job: Job) -> str:
    return f"{job.project}:{job.location}.{job.job_id}"
