"""The publish command: CSV files to Pub/Sub messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.commands.command import Command
from pipeline.errors import OptionError
from pipeline.options import shared_options as shared
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import PERCENTAGE, number, resource, whole
from pipeline.terminal import print_line

_INPUT: Final = replace(
    shared.INPUT, help="CSV files on this machine (.csv, .csv.gz): one or more paths or globs"
)
_TOPIC: Final = Option(
    "the Pub/Sub topic to publish to: projects/P/topics/T",
    "NAME",
    resource("topics", "PUBSUB_TOPIC"),
)
_SPEED: Final = Option(
    "how much faster than life: 60 publishes an hour of events in a minute; 0 as fast as it "
    "goes (default: 0)",
    "FACTOR",
    number(0, "a number, 0 or more"),
    default=0.0,
)
_SHUFFLE: Final = Option(
    "delay each event by up to so many seconds of its own time, at random (default: 0)",
    "SECONDS",
    number(0, "a number of seconds, 0 or more"),
    default=0.0,
)
_REPEAT: Final = Option(
    "publish so many percent of the events a second time (default: 0)",
    "PCT",
    PERCENTAGE,
    default=0.0,
)
_SEED: Final = Option(
    "another seed delays and repeats other events (default: 7)", "N", whole(0, None), default=7
)


@dataclass(frozen=True)
class PublishOptions:
    """What a command line asks for; the options' own texts say what each field means.

    Raises:
        OptionError: if no input or no topic is named, or an input is elsewhere.
    """

    input: tuple[str, ...] = given_by(_INPUT)
    topic: str = given_by(_TOPIC)
    speed: float = given_by(_SPEED)
    shuffle_seconds: float = given_by(_SHUFFLE)
    repeat_pct: float = given_by(_REPEAT)
    seed: int = given_by(_SEED)

    def __post_init__(self) -> None:
        if not self.input or not self.topic:
            raise OptionError("--input and --topic are needed: CSV files, and a topic of Pub/Sub")
        for path in self.input:
            if "://" in path:
                raise OptionError(
                    f"--input {path}: publish reads files on this machine; copy it here"
                )


def run(options: PublishOptions) -> None:
    """Publish the records of the files, and say how many there were.

    Raises:
        OptionError: if no file is found.
        RunError: if a file can't be read or a message can't be published.
    """
    from pipeline.inputs.listing import find_inputs
    from pipeline.pubsub.publishing import PublishPace, publish

    paths = [file.path for file in find_inputs(options.input)]
    pace = PublishPace(options.speed, options.shuffle_seconds, options.repeat_pct, options.seed)
    published = publish(paths, options.topic, pace)
    print_line(f"{published:,} messages published to {options.topic}")


_HELP: Final = """\
Replay CSV files as Pub/Sub messages, in the order of their event times, for demos and tests.
Records that can't be read are published as they are, as text/csv.

Event times stay as they are: a stream takes those of the last --late_horizon_days, 7 by default.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s --input sample/events.csv --topic projects/P/topics/T
  %(prog)s --input 'events/*.csv' --topic projects/P/topics/T \\
      --speed 3600 --shuffle_seconds 3600 --repeat_pct 5   # an hour in a second, disturbed

PUBSUB_EMULATOR_HOST leads it to an emulator.
"""

COMMAND: Final = Command(
    "publish", "CSV files to Pub/Sub messages", PublishOptions, run, _HELP, _EXAMPLES
)
