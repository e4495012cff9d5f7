"""Runs in this process that may be refused, and must not do anything else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import OptionError, clear_message
from pipeline.launch.beam_run import quiet_workers
from tests.fuzz.commands import Tables, same
from tests.support.runs import Run, contents, run_graph


def refusal(paths: Sequence[Path], database: Path, run: Run) -> str | None:
    """Run a batch; the line of a refusal, None where it succeeded.

    Raises:
        AssertionError: if it failed otherwise.
    """
    with quiet_workers(), _without_logs():
        try:
            run_graph(paths, database, run)
        except OptionError as error:
            return str(error)
        except Exception as error:
            message = clear_message(error)
            assert message is not None, f"failed without a clear line: {error}"
            return message
    return None


def check_left(
    database: Path, refused: str | None, before: Tables, after: Sequence[Tables]
) -> None:
    """Raise AssertionError unless tables are as they should be after `refusal`."""
    tables = contents(database)
    if refused is not None:
        assert same(before, tables), f"refused ({refused}), and the tables are not as before"
    else:
        assert any(same(one, tables) for one in after), "taken, and the tables are of nothing given"
    rest = [path.name for path in database.parent.glob(f"{database.name}.*")]
    assert not rest, f"left behind: {rest}"


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
