"""The sample command: a made-up file of raw events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.commands.command import Command
from pipeline.errors import RunError
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import sample_file, whole
from pipeline.terminal import print_line
from transforms.vocabulary import SOURCE_COLUMNS

_EVENTS: Final = Option(
    "how many rows, broken and repeated ones included (default: 200,000)",
    "N",
    whole(0, None),
    default=200_000,
)
_OUTPUT: Final = Option(
    "the file to write, .csv or .csv.gz; its folder is created (default: sample/events.csv)",
    "FILE",
    sample_file,
    default="sample/events.csv",
)
_SEED: Final = Option(
    "another seed makes another sample; the same one makes the same bytes (default: 7)",
    "N",
    whole(0, None),
    default=7,
)


@dataclass(frozen=True)
class SampleOptions:
    """What a command line asks for; the options' own texts say what each field means."""

    events: int = given_by(_EVENTS)
    output: str = given_by(_OUTPUT)
    seed: int = given_by(_SEED)


def run(options: SampleOptions) -> None:
    """Write the sample, and say what it holds.

    Raises:
        RunError: if it can't be written.
    """
    from pipeline.sample import write_sample

    try:
        report = write_sample(options.output, options.events, options.seed)
    except OSError as error:
        raise RunError(f"can't write {options.output}: {error.strerror}") from error
    print_line(
        f"{report.path}: {report.rows:,} rows of {report.users:,} users, "
        f"{report.broken:,} broken and {report.repeated:,} repeated"
    )


_HELP: Final = f"""\
Write a lifelike sample of raw events as CSV: users arrive, form habits, churn and come back;
about one row in a thousand is broken or repeated. Columns: {", ".join(SOURCE_COLUMNS)}.
"""

COMMAND: Final = Command("sample", "a sample of events", SampleOptions, run, _HELP)
