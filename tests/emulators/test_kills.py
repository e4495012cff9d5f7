"""A process that is killed at any point of a commit: the next attempt puts everything right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from pipeline.forget.leaving import WRITTEN
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from tests.emulators.proxy import Request, between
from tests.emulators.servers import Servers
from tests.emulators.support import Home
from tests.emulators.zygote import LETTERS, NEGATIVE, TABLES, USERS, Zygote, as_task, hatched, named
from tests.support.forgetting import expected, fill, held, tables_of
from tests.support.staging import Row, change, in_order, merged
from tests.support.tables import row
from tests.support.thorough import thorough
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.state import forgotten_users


@pytest.fixture(scope="module")
def zygote(servers: Servers) -> Iterator[Zygote]:
    with hatched(servers.environment) as found:
        yield found


class Killer:
    """Kills the zygote's fork when the servers have done so many more writing requests."""

    def __init__(self, zygote: Zygote, survived: int):
        self._zygote, self._left = zygote, survived
        self.struck, self.writes = False, 0

    def done(self, request: Request) -> None:
        """To be called with each request, between the server's work and its answer."""
        if not request.writes or self.struck:
            return
        if self._left == 0:
            self.struck = True
            self._zygote.kill()
        self._left -= 1
        self.writes += 1


@contextmanager
def killing(home: Home, zygote: Zygote, survived: int) -> Iterator[tuple[Killer, dict[str, str]]]:
    """A killer, and the environment in which a fork meets it."""
    with between(home.servers.bigquery) as bigquery, between(home.servers.storage) as storage:
        killer = Killer(zygote, survived)
        bigquery.done = storage.done = killer.done
        yield (
            killer,
            {"BIGQUERY_EMULATOR_HOST": bigquery.url, "STORAGE_EMULATOR_HOST": storage.url},
        )


def rows_of(home: Home, table: Table) -> list[Row]:
    return in_order(home.rows(table.name).to_pylist())


def test_a_run_killed_at_any_point_is_put_right_by_the_next(home: Home, zygote: Zygote) -> None:
    def replaced(name: str, run: str, environment: dict[str, str]) -> int:
        task = {"url": home.url, "temp": home.temp, "run": home.run(run), "name": name}
        return zygote.run("replace", environment, **task)

    assert replaced("0", "first", home.servers.environment) == 0
    points = 0
    while True:
        old, new = str(points), str(points + 1)
        with killing(home, zygote, survived=points) as (killer, environment):
            code = replaced(new, f"killed_{points}", environment)
        assert (code != 0) == killer.struck
        for table in TABLES:
            (row,) = rows_of(home, table)
            assert row in (named(table, old), named(table, new))
        if not killer.struck:
            break
        assert replaced(new, f"next_{points}", home.servers.environment) == 0
        assert [rows_of(home, table) for table in TABLES] == [[named(t, new)] for t in TABLES]
        assert home.leftovers() == []
        points += 1
    # For each table at least a claim, an upload in two, a scratch table, a load, a copy, a drop.
    assert points >= 7 * len(TABLES)
    assert home.leftovers() == []


BEFORE: dict[str, list[Row]] = {
    USERS.name: [named(USERS, "ann"), named(USERS, "bob")],
    NEGATIVE.name: [named(NEGATIVE, "ann"), named(NEGATIVE, "bob")],
    LETTERS.name: [named(LETTERS, "old"), named(LETTERS, "corrected")],
}
MERGED = [{**named(USERS, name, 1), "share_events": 7} for name in ("ann", "bob")]
NEW = [named(USERS, "new", 1)]
LEAVING = [named(NEGATIVE, "ann", 1)]
APPENDED = [named(LETTERS, "new")]
CORRECTED: Mapping[tuple[str, ...], list[Row]] = {
    ("dead_letter_id",): [named(LETTERS, "corrected")]
}
AFTER: dict[str, list[Row]] = {
    USERS.name: [*MERGED, *NEW],
    NEGATIVE.name: merged(NEGATIVE, BEFORE[NEGATIVE.name], [], LEAVING),
    LETTERS.name: [BEFORE[LETTERS.name][0], *APPENDED],
}
Contents = dict[str, list[Row]]


def ordered(contents: Contents) -> Contents:
    return {name: in_order(rows) for name, rows in contents.items()}


def contents_of(home: Home) -> Contents:
    return {table.name: rows_of(home, table) for table in TABLES}


def update(folder: str) -> Sequence[Change]:
    """As an update does: it merges, appends and takes out."""
    return [
        change(USERS, WriteDisposition.MERGE, folder, MERGED, appended=NEW),
        change(NEGATIVE, WriteDisposition.MERGE, folder, [], LEAVING),
        change(LETTERS, WriteDisposition.APPEND, folder, APPENDED, matching=CORRECTED),
    ]


def batch(folder: str) -> Sequence[Change]:
    """As a batch run does: it replaces two tables, and adds to a third one."""
    return [
        change(USERS, WriteDisposition.REPLACE, folder, AFTER[USERS.name]),
        change(NEGATIVE, WriteDisposition.REPLACE, folder, AFTER[NEGATIVE.name]),
        change(LETTERS, WriteDisposition.APPEND, folder, APPENDED, matching=CORRECTED),
    ]


FORGOTTEN: dict[str, list[Row]] = {
    USERS.name: [BEFORE[USERS.name][1], *NEW],
    NEGATIVE.name: [BEFORE[NEGATIVE.name][1]],
    LETTERS.name: [BEFORE[LETTERS.name][0], *APPENDED],
}


def forget(folder: str) -> Sequence[Change]:
    """As a run that forgets people does: rows leave by what they hold, with the partitions that
    are known of it, and others are written in their place."""
    users: Mapping[tuple[str, ...], list[Row]] = {
        ("user_id", "first_seen_date"): [named(USERS, "ann")]
    }
    letters: Mapping[tuple[str, ...], list[Row]] = {
        ("dead_letter_id", "failed_at"): CORRECTED[("dead_letter_id",)]
    }
    negative: Mapping[tuple[str, ...], list[Row]] = {("user_id",): [named(NEGATIVE, "ann")]}
    return [
        change(USERS, WriteDisposition.MERGE, folder, NEW, matching=users),
        change(NEGATIVE, WriteDisposition.MERGE, folder, [], matching=negative),
        change(LETTERS, WriteDisposition.APPEND, folder, APPENDED, matching=letters),
    ]


KINDS: Mapping[Callable[[str], Sequence[Change]], Contents] = {
    update: AFTER,
    batch: AFTER,
    forget: FORGOTTEN,
}


# Two minutes of a core.
_FORGET = pytest.param(forget, marks=thorough)


def reset(home: Home, warehouse: Warehouse, folder: str, run: str) -> None:
    """Bring the tables back to what they held."""
    if contents_of(home) != ordered(BEFORE):
        before = [
            change(table, WriteDisposition.REPLACE, folder, BEFORE[table.name]) for table in TABLES
        ]
        warehouse.commit(before, run)
        assert contents_of(home) == ordered(BEFORE)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("changes", [update, _FORGET])
def test_a_commit_killed_at_any_point_is_finished_by_its_retry(
    home: Home, zygote: Zygote, changes: Callable[[str], Sequence[Change]]
) -> None:
    warehouse, after = home.warehouse(), KINDS[changes]
    points = 0
    with warehouse.lock(TABLES, home.temp, home.run("stream")) as folder:
        while True:
            reset(home, warehouse, folder, home.run(f"stream_reset_{points}"))
            task = {
                "url": home.url,
                "run": home.run(f"stream_{points}"),
                "changes": as_task(changes(folder)),
            }
            with killing(home, zygote, survived=points) as (killer, environment):
                code = zygote.run("commit", environment, **task)
            assert (code != 0) == killer.struck
            # One transaction: there is nothing in between, whenever anybody looks.
            assert contents_of(home) in (ordered(BEFORE), ordered(after))
            if killer.struck:
                assert zygote.run("commit", home.servers.environment, **task) == 0
            assert contents_of(home) == ordered(after)
            assert home.leftovers() == []
            if not killer.struck:
                break
            points += 3  # Every point is tried below.
    # A scratch table, a load and a drop for each of 5 groups of rows and the script; the query for
    # the partitions of users; the mark, the script, and the mark's end.
    assert points >= 3 * 6 + 4


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("changes", [update, batch, _FORGET])
def test_whatever_run_comes_after_a_killed_commit_finds_all_of_it_or_nothing(
    home: Home, zygote: Zygote, changes: Callable[[str], Sequence[Change]]
) -> None:
    warehouse, after = home.warehouse(), KINDS[changes]
    points = 0
    seen: list[Contents] = []
    while True:
        # Killed like a machine that is switched off: nothing is cleared at the end of the lock.
        folder = warehouse.claim(TABLES, home.temp, home.run(f"killed_{points}"))
        reset(home, warehouse, folder, home.run(f"killed_{points}_reset"))
        task = {
            "url": home.url,
            "run": home.run(f"killed_{points}"),
            "changes": as_task(changes(folder)),
        }
        with killing(home, zygote, survived=points) as (killer, environment):
            code = zygote.run("commit", environment, **task)
        assert (code != 0) == killer.struck
        with warehouse.lock(TABLES, home.temp, home.run(f"next_{points}")):
            found = contents_of(home)
            assert found in (ordered(BEFORE), ordered(after))
            seen.append(found)
        assert home.leftovers() == []
        if not killer.struck:
            break
        points += 1
    begun = seen.index(ordered(after))
    assert begun > 0
    assert all(found == ordered(after) for found in seen[begun:])


@thorough
@pytest.mark.usefixtures("here")
def test_a_run_that_forgets_and_is_killed_has_forgotten_or_not(home: Home, zygote: Zygote) -> None:
    """The whole command over all tables, killed within its commit."""
    warehouse, types = home.warehouse(), FigureSettings()
    rows = [
        row("2024-01-01T10:00:00Z", "ann"),
        row("2024-01-01T10:10:00Z", "ann", "miles_redeemed", amount="5"),
        row("2024-02-01T10:00:00Z", "bob"),
        row("never", "ann"),
    ]
    before, after = (expected(tables_of(some, types)) for some in (rows, rows[2:3]))

    def listed_after(run: str, survived: int) -> tuple[int, int]:
        """How many are on the list once a run was killed, and how often that had written."""
        fill(warehouse, home.temp, tables_of(rows, types), types, home.run(f"fill_{run}"))
        task = {"url": home.url, "temp": home.temp, "run": home.run(f"killed_{run}")}
        with killing(home, zygote, survived) as (killer, environment):
            code = zygote.run("forget", environment, users=["ann"], **task)
        assert (code != 0) == killer.struck
        with warehouse.lock(WRITTEN, home.temp, home.run(f"next_{run}")):
            found = held(warehouse)
            listed = warehouse.read(forgotten_users.TABLE).num_rows
        # The list and the tables change together.
        assert found == (after if listed else before)
        assert home.leftovers() == []
        return listed, killer.writes

    listed, writes = listed_after("none", 1_000_000)
    assert listed == 1
    # Before the first third tables are claimed and rows staged, nothing else.
    points = range(writes // 3, writes, max(writes // 8, 1))
    assert {listed_after(str(point), point)[0] for point in points} == {0, 1}
