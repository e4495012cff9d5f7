"""Do what a replay is asked for: show, write out, publish, or rebuild the tables."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from pipeline.display.replay_summary import show_dry_run, show_nothing, show_outcome, show_replay
from pipeline.launch.batch_launch import DONE
from pipeline.launch.summary_file import finish
from pipeline.replay import spreadsheet
from pipeline.replay.attempt import Outcome
from pipeline.replay.rebuilding import rebuild
from pipeline.replay.replay_job import ReplayPlan
from pipeline.terminal import counted, say


def run_replay(plan: ReplayPlan) -> None:
    """Do what a plan asks for, and print what came of it.

    Raises:
        RunError, or a runner's error around it: if another run writes to the warehouse, or it
            failed.
    """
    outcome = Outcome()
    if plan.options.output:
        _write_out(plan)
    elif plan.options.dry_run:
        with plan.letters() as letters:
            deque(plan.attempt(letters, outcome), maxlen=0)
        _finish(plan, outcome, show_dry_run)
    elif plan.options.topic:
        _publish(plan, outcome)
    else:
        report = rebuild(plan, outcome)
        if report is None:
            heading = "Nothing passes: all events stay as they are"
            _finish(plan, outcome, lambda tried: show_outcome(tried, heading))
        else:
            show = partial(show_replay, report, outcome, plan.warehouse)
            if report:
                finish(report, plan.options.summary_file, DONE, show)


def _finish(plan: ReplayPlan, outcome: Outcome, show: Callable[[Outcome], None]) -> None:
    def show_any() -> None:
        if outcome.tried:
            show(outcome)
        else:
            show_nothing(outcome, plan.warehouse)

    finish(outcome.to_json(), plan.options.summary_file, "the replay is done", show_any)


def _write_out(plan: ReplayPlan) -> None:
    path = plan.options.output
    with plan.letters() as letters:
        rows = spreadsheet.write(letters.chosen(plan.selection), path)
    say(
        f"{path}: {rows:,} of {letters.rows:,} dead letters. Correct rows, remove those that are "
        f"to stay as they are, and run again with --input {path}"
    )


def _publish(plan: ReplayPlan, outcome: Outcome) -> None:
    from pipeline.replay.republish import publish_steps

    topic = plan.options.topic
    with plan.letters() as letters:
        publish_steps(plan.attempt(letters, outcome), topic)
    heading = (
        f"Published {counted(outcome.passed.total(), 'corrected record')} to {topic}. Their dead "
        "letters stay in the table, which the stream appends to"
    )
    _finish(plan, outcome, lambda tried: show_outcome(tried, heading))
