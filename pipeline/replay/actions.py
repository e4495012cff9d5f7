"""What a replay can do: show, write out, publish, or update the tables."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from pipeline.launch.asked_beam import ByBeam
from pipeline.replay import spreadsheet
from pipeline.replay.applying import DONE, apply
from pipeline.replay.attempt import Outcome
from pipeline.replay.replay_job import ReplayJob
from pipeline.replay.replay_summary import show_dry_run, show_nothing, show_outcome, show_replay
from pipeline.summary_file import finish
from pipeline.terminal import counted, print_line


def write_out(job: ReplayJob, path: str) -> None:
    """Write the selected dead letters into a new file, to be corrected by hand.

    Raises:
        RunError: if they can't be read or written.
    """
    with job.dead_letters() as dead_letters:
        rows = spreadsheet.write(dead_letters.chosen(job.selection), path)
    print_line(
        f"{path}: {rows:,} of {dead_letters.rows:,} dead letters. Correct rows, remove those that "
        f"are to stay as they are, and run again with --input {path}, for the same warehouse"
    )


def try_out(job: ReplayJob, summary_file: str | None) -> None:
    """Try dead letters, write nothing, and show what would happen.

    Raises:
        RunError: if they can't be read or corrected.
    """
    outcome = Outcome()
    with job.dead_letters() as dead_letters:
        deque(job.attempt(dead_letters, outcome), maxlen=0)
    identified = job.rules is not None and job.rules.identifies
    _finish(job, outcome, summary_file, partial(show_dry_run, identified=identified))


def publish(job: ReplayJob, topic: str, summary_file: str | None) -> None:
    """Publish the records that pass to a topic, and print what came of it.

    Raises:
        RunError: if dead letters can't be read or corrected, or a message can't be published.
    """
    from pipeline.replay.republish import publish_steps

    outcome = Outcome()
    with job.dead_letters() as dead_letters:
        publish_steps(job.attempt(dead_letters, outcome), topic)
    heading = (
        f"Published {counted(outcome.passed.total(), 'corrected record')} to {topic}. Their "
        "dead letters stay in the table, which the stream appends to"
    )
    _finish(job, outcome, summary_file, lambda tried: show_outcome(tried, heading))


def update_tables(
    job: ReplayJob,
    by_beam: ByBeam,
    temp_location: str | None,
    summary_file: str | None,
) -> None:
    """Put the dead letters that pass into the tables, and print what came of it.

    Args:
        job: what the replay does.
        by_beam: what runs the graph, where one is needed.
        temp_location: where to stage; None for beside the warehouse.
        summary_file: where the summary is written; None for nowhere.

    Raises:
        RunError, or a runner's error around it: if another run writes to the warehouse, or it
            failed; the tables are as before.
    """
    outcome = Outcome()
    report = apply(job, by_beam, temp_location, outcome)
    if report is None and not outcome.passed:
        heading = "Nothing passes: all events stay as they are"
        _finish(job, outcome, summary_file, lambda tried: show_outcome(tried, heading))
    elif report is not None:
        show = partial(show_replay, report, job.warehouse, job.figures.reckoning)
        finish(report.to_json(), summary_file, DONE, show)


def _finish(
    job: ReplayJob, outcome: Outcome, summary_file: str | None, show: Callable[[Outcome], None]
) -> None:
    def show_any() -> None:
        if outcome.tried:
            show(outcome)
        else:
            show_nothing(outcome, job.warehouse)

    finish(outcome.to_json(), summary_file, "the replay is done", show_any)
