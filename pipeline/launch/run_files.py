"""What a run over files finds in its staging folder, and leaves there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pipeline import storage
from pipeline.errors import RunError
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.known_dead_letters import stage_known
from pipeline.graphs.noted_people import replaced_people
from pipeline.graphs.staged_corrections import stage_corrections
from pipeline.graphs.staged_forgotten import stage_forgotten
from pipeline.graphs.staged_people import read_people, stage_people
from pipeline.progress import Progress
from pipeline.reports import BatchReport
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse import TableReader
from transforms.kernels.rates import KEPT_SOURCE


def with_staged(job: BatchJob, reader: TableReader, staging: str) -> BatchJob:
    """A run with what its workers look up: corrections of earlier replays, who was forgotten, and
    who is known by which ids.

    Args:
        job: the run.
        reader: of its warehouse.
        staging: its folder for staged files.

    Raises:
        RunError: if that can't be read or staged.
    """
    asked, beside = job.asked_people, job.beside
    with reader.kept_open():
        if asked is not None:
            noted = replaced_people(job.warehouse, asked, job.run, job.started_at, staging)
            beside = (*beside, *noted)
        return replace(
            job,
            staging=staging,
            corrections=stage_corrections(reader, staging),
            forgotten=stage_forgotten(reader, staging),
            people=stage_people(read_people(reader) if asked is None else asked, staging),
            asked_people=None,
            beside=beside,
        )


def with_known(job: BatchJob, reader: TableReader, staging: str) -> BatchJob:
    """An update as `with_staged` gives it, and with the dead letters of its files that the
    warehouse has, and those of users who are left out, where these are kept.

    Args:
        job, reader, staging: as `with_staged` takes them.

    Raises:
        RunError: if they can't be read or staged.
    """
    sources = [file.path for file in job.files]
    if job.rates.keep:
        sources.append(KEPT_SOURCE)
    with reader.kept_open():
        known = stage_known(job.warehouse, sources, staging)
        return replace(with_staged(job, reader, staging), known_dead_letters=known)


def read_report(path: str) -> BatchReport:
    """The report that a run has written into its staging folder.

    Raises:
        RunError: if it can't be read.
    """
    try:
        with storage.opened(path) as stream:
            return BatchReport.from_json(json.loads(stream.read()))
    except storage_errors(ValueError) as error:
        raise RunError(
            f"the run's report can't be read back from {path} ({storage_reason(error)}), so there "
            "is no summary"
        ) from error


@contextmanager
def noted(watched: bool) -> Iterator[Progress | None]:
    """A folder for notes of progress on this machine, where somebody is watching."""
    if not watched:
        yield None
        return
    with tempfile.TemporaryDirectory(
        prefix="growth-progress-", ignore_cleanup_errors=True
    ) as folder:
        yield Progress(folder)
