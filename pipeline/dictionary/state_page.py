"""The page of the state tables, as Markdown: their contracts, and what they are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pipeline.dictionary.data_dictionary import describe
from transforms.contract import Table
from transforms.state import alerts_said
from transforms.state.registry import STATE_TABLES

# The last one is written by itself, by whoever has posted something.
_SHOWN: Final[Mapping[str, Table]] = {**STATE_TABLES, alerts_said.TABLE.name: alerts_said.TABLE}

_INTRODUCTION: Final = (
    "# The state tables",
    "",
    "<!-- Written by `python -m pipeline docs` from the contracts in transforms/state: change "
    "those and pipeline/dictionary/state_page.py, and run it again. -->",
    "",
    f"{len(_SHOWN)} tables beside those of [tables.md](tables.md) hold what the pipeline "
    "itself needs to go on: what it knows of each user, the sums that the marts are finished from, "
    "which files are in them, what was run, and with which settings. Every command that writes "
    "marts writes them in the same commit, so they never say anything else than the marts do; "
    "`alerts_said` alone is written by itself.",
    "",
    "**Leave them alone.** Dashboards have no use for them, and nothing of them is promised to "
    "stay as it is but that later versions read it. A row that is changed or removed by hand makes "
    "later figures wrong, and no check of a run sees it; `check` compares the number of timelines "
    "with that of users. Show analysts the other tables alone: in BigQuery by authorized views or "
    "policies on tables, in DuckDB by a file of their own with copies of the marts.",
    "",
    "What was run is shown by",
    "",
    "```sh",
    ".venv/bin/python -m pipeline runs --warehouse duckdb:///growth.duckdb",
    "```",
    "",
    "**Versions.** A later version reads what an earlier one wrote: a timeline begins with the "
    "number of its layout, counters and settings go by their names (one that is missing is 0), "
    "and columns are only added. Where whole grids of counters are missing, or a timeline has no "
    "sessions, as in what was written before `session_metrics` was there, runs that go on from "
    "them are refused, and `rebuild` is the way out. Where nobody has own event types, what holds "
    "them is left out, and is as it was before there could be any. "
    "What a later version wrote an earlier one refuses, and says so. "
    "A warehouse that an earlier version wrote has none of these tables, or half-filled ones of a "
    "stream that went on; a batch over all files fills them. The active event types were noted "
    "elsewhere then (in DuckDB a macro, in BigQuery a label), which is still read where "
    "`warehouse_settings` says nothing.",
    "",
    "**Size.** Some 50 bytes a user in `user_timelines`, 8 to 12 for each active date and up to "
    "12 for each session but the last, some 500 rows a date in `growth_counters`, of which each "
    "platform, channel and country has 10, and one for each duration that a session of the date "
    "has (200 to 300), however many users there are, and two for each own event type; a row a "
    "file, a run and an anonymous id in the others. Own event types take 3 bytes a user, date and "
    "type more.",
    "",
)

_NOTES: Final[Mapping[str, str]] = {
    "user_timelines": "As many rows as `dim_users`. The bytes are laid out in "
    "`transforms/kernels/codecs/timeline_layout.py`.",
    "growth_counters": "The names of counters are those of `transforms/kernels/counters.py`. A "
    "stream writes those that change.",
    "loaded_files": "A batch replaces them by its own files, a replay and a stream leave them. An "
    "update brings the fingerprint of a file up to date that was written anew and holds the same.",
    "pipeline_runs": "Runs that failed are noted as well, where there are tables already and they "
    "can be written, and updates that were refused, because a file has changed, say; not those "
    "that were killed, or that an option was wrong of. A stream's row is brought up to date at "
    "each flush; one that was killed, or runs on Dataflow, stays `running`, and `updated_at` says "
    "when it flushed last. Paths, globs and messages are kept as they were, what "
    "`--edit` says is not.",
    "warehouse_settings": "Settings that decide what the figures mean: a run that asks for others "
    "is refused where it would mix them. `active_event_types` names those that make a user active "
    "and, behind `; own: `, the [own event types](input.md#own-event-types) in the order of which "
    "timelines and counters hold the places. `timezone`, `week_start`, `session_gap_minutes` and "
    "`earliest` say how [time is reckoned](calendar.md), the last two as [rules]"
    "(rules.md#sessions-and-the-earliest-events) do. Beside them the key of the hashes of "
    "forgotten_users: without it nobody can tell who was forgotten, neither the next run.",
    "forgotten_users": "What [forget](privacy.md#forgetting-people) was asked for, users who were "
    "never seen included; later runs drop what comes of them. Whoever can read the key as well can "
    "try ids.",
    "known_people": "The pairs of [--people](people.md), but for those of people who were "
    "forgotten. A batch with the option replaces them, an update with it adds to them, other runs "
    "leave them.",
    "excluded_users": "Whom [events_per_day and events_per_session](rules.md#users-over-a-rate) "
    "have left out. A batch replaces them by its own; updates, streams, replays and rebuilds add "
    "to them, and leave out what comes of them; `forget` takes who is forgotten out. None of them "
    "has an event in the tables. `events` and `event_date` are as they were when the user was "
    "found, so a batch over all files may say others.",
    "alerts_said": "Written by runs and checks with [--alert](operations.md#alerts) once something "
    "was posted, in a commit of its own; there from the first such one on. What no longer holds "
    "leaves it, so that it is posted again when it comes back. It holds no address.",
}


def state_page() -> str:
    """The Markdown text, the same for the same contracts."""
    return "\n".join([*_INTRODUCTION, *_tables()])


def _tables() -> Iterator[str]:
    yield from (
        f"- [{table.name}](#{table.name}): {table.description}" for table in _SHOWN.values()
    )
    yield ""
    for name, table in _SHOWN.items():
        yield from describe(table)
        if name in _NOTES:
            yield from (_NOTES[name], "")
