"""What the tables knew of users when a stream began, staged so that workers look single users up.

Users are spread over files by a keyed hash. A file is an index of its users by another half of that
hash, and behind it what is kept of each. Hashes lie evenly, so where a user stands in the index is
known to some hundred rows, and a lookup reads these and the user's own bytes, however many users
there are.
"""

from __future__ import annotations

import secrets
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import storage
from pipeline.errors import RunError
from pipeline.graphs.stored_state import columns_of_events
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse import Warehouse
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.calendar import US_PER_DAY, as_dates, date_of
from transforms.kernels.keyed_hashes import keyed_hashes
from transforms.kernels.seeds import Seed, seeds_of
from transforms.marts import fct_events
from transforms.state import user_timelines
from transforms.stored_events import numbered

_INDEX: Final = np.dtype(
    [("hash", "<u8"), ("at", "<u8"), ("name", "<u4"), ("head", "<u4"), ("recent", "<u4")]
)
# Some 50 MB of state, and few enough files to be open at once.
_USERS_PER_FILE: Final = 50_000
_MOST_FILES: Final = 512
# Of n even hashes a row is found sqrt(n) from where it is expected: six times that is never passed,
# and if it were, the whole index is read.
_SPREAD: Final = 6
_OPEN: Final = 64
_KEYS: Final = 1_000
_TIMELINE: Final = ("user_id", "timeline", "written_at")


@dataclass(frozen=True)
class StagedUsers:
    """Users whom the tables held when a stream began; `KnownUsers`.

    Attributes:
        paths: the files.
        users: how many each holds.
        events: how many the timelines of all users count.
        key: of the hashes, 32 bytes.
    """

    paths: Sequence[str]
    users: Sequence[int]
    events: int
    key: bytes
    _streams: dict[int, IO[bytes]] = field(default_factory=dict, repr=False, compare=False)

    def find(self, user_id: str) -> Seed | None:
        """See `KnownUsers.find`.

        Raises:
            RunError: if a staged file can't be read.
        """
        ((high, low),) = keyed_hashes(pa.array([user_id], pa.string()), self.key).tolist()
        number = high % len(self.paths)
        try:
            return self._find(number, low, user_id.encode())
        except storage_errors(ValueError) as error:
            raise RunError(
                f"{self.paths[number]}: what the tables held of a user when the stream began can't "
                f"be read ({storage_reason(error)}): see that nobody else clears that folder; if "
                "it is lost, stop the stream and start it again"
            ) from error

    def _find(self, number: int, low: int, name: bytes) -> Seed | None:
        users = self.users[number]
        expected, spread = low * users >> 64, _SPREAD * int(users**0.5) + 1
        first = max(expected - spread, 0)
        index = self._index(number, first, min(expected + spread, users))
        if len(index) < users and not (
            (first == 0 or index["hash"][0] < low)
            and (first + len(index) == users or index["hash"][-1] > low)
        ):
            index = self._index(number, 0, users)
        for row in index[index["hash"] == low]:
            at, sizes = int(row["at"]), [int(row[part]) for part in ("name", "head", "recent")]
            found = self._read(number, at, sum(sizes))
            if found[: sizes[0]] == name:
                head_end = sizes[0] + sizes[1]
                return Seed(name.decode(), found[sizes[0] : head_end], found[head_end:])
        return None

    def _index(self, number: int, start: int, end: int) -> NDArray[Any]:
        size = _INDEX.itemsize
        return np.frombuffer(self._read(number, start * size, (end - start) * size), _INDEX)

    def _read(self, number: int, at: int, size: int) -> bytes:
        stream = self._streams.get(number)
        if stream is None:
            if len(self._streams) >= _OPEN:
                self._streams.pop(next(iter(self._streams))).close()
            stream = self._streams[number] = storage.opened(self.paths[number])
        stream.seek(at)
        found = stream.read(size)
        if len(found) != size:
            raise ValueError("it is cut off")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_streams": {}}


def stage_users(
    warehouse: Warehouse,
    staging: str,
    since_us: int,
    figures: FigureSettings = FigureSettings(),
    identified: bool = False,
) -> StagedUsers:
    """Stage what the tables hold of all users, and of the events of the horizon.

    It goes through them once, file by file: memory is bounded by some 100,000 users and their
    events of the horizon; this machine's folder for temporary files takes as much as is staged.

    Args:
        warehouse: which nobody else writes meanwhile, and whose state is that of its tables.
        staging: a folder that all workers reach.
        since_us: when the horizon begins, in microseconds since 1970-01-01.
        figures: the settings by which its tables were built.
        identified: whether the rules name an event_id.

    Raises:
        RunError: if tables can't be read, or files staged.
    """
    columns = columns_of_events(identified)
    users = warehouse.count(user_timelines.TABLE) or 0
    key, files = secrets.token_bytes(32), min(users // _USERS_PER_FILE + 1, _MOST_FILES)
    # A day more, for the sessions that the horizon cuts.
    first = np.array([since_us - US_PER_DAY])
    name, counts, events = uuid.uuid4().hex, [], 0
    paths = [storage.join(staging, f"users-{name}-{number:03}.bin") for number in range(files)]
    with tempfile.TemporaryDirectory(prefix="growth-users-") as folder:
        timelines, recent = (Path(folder, each) for each in ("timelines", "events"))
        _spread(warehouse.batches(user_timelines.TABLE, _TIMELINE), timelines, key, files)
        since = as_dates(date_of(first, figures.reckoning)).tolist()[0]
        _spread(warehouse.batches(fct_events.TABLE, columns, since), recent, key, files)
        for number, path in enumerate(paths):
            rows = _rows(timelines / str(number), user_timelines.TABLE, _TIMELINE)
            stored = _rows(recent / str(number), fct_events.TABLE, columns)
            lives = user_timelines.timelines_of(rows)
            known, starts = numbered(stored, figures.known), partial(_starts, warehouse)
            seeds = seeds_of(rows, lives, known, since_us, starts, figures.known)
            counts.append(len(seeds))
            events += int(lives.events.sum())
            _write(path, seeds, key)
    return StagedUsers(paths, counts, events, key)


def _spread(batches: Iterator[pa.Table], folder: Path, key: bytes, files: int) -> None:
    """Rows with a user_id, by user into files."""
    folder.mkdir()
    writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
    with ExitStack() as opened:
        for rows in batches:
            users = rows["user_id"].cast(pa.string()).combine_chunks()
            file_of = keyed_hashes(users, key)[:, 0] % np.uint64(files)
            for number in np.unique(file_of).tolist():
                if number not in writers:
                    writer = pa.ipc.new_stream(str(folder / str(number)), rows.schema)
                    writers[number] = opened.enter_context(writer)
                part = rows if files == 1 else rows.filter(pa.array(file_of == number))
                writers[number].write_table(part)


def _starts(warehouse: Warehouse, session_ids: pa.Array) -> dict[str, int]:
    """When sessions began; see `SessionStarts`."""
    found: dict[str, int] = {}
    for at in range(0, len(session_ids), _KEYS):
        ids = session_ids[at : at + _KEYS]
        first = {"session_id": ids, "event_sequence_in_session": pa.repeat(1, len(ids))}
        rows = warehouse.rows_with(fct_events.TABLE, ("session_id", "event_time"), pa.table(first))
        times = rows["event_time"].cast(pa.int64()).to_pylist()
        found |= dict(zip(rows["session_id"].to_pylist(), times, strict=True))
    return found


def _rows(path: Path, table: Table, columns: Sequence[str]) -> pa.Table:
    if not path.exists():
        return pa.schema([table.arrow_schema.field(name) for name in columns]).empty_table()
    with pa.ipc.open_stream(str(path)) as reader:
        return reader.read_all()


def _write(path: str, seeds: Sequence[Seed], key: bytes) -> None:
    low = keyed_hashes(pa.array([seed.user_id for seed in seeds], pa.string()), key)[:, 1]
    in_order = [seeds[row] for row in np.argsort(low).tolist()]
    names = [seed.user_id.encode() for seed in in_order]
    index = np.empty(len(seeds), _INDEX)
    index["hash"] = np.sort(low)
    index["name"] = [len(name) for name in names]
    index["head"] = [len(seed.head) for seed in in_order]
    index["recent"] = [len(seed.recent) for seed in in_order]
    sizes = index["name"].astype(np.int64) + index["head"] + index["recent"]
    index["at"] = index.nbytes + np.cumsum(sizes) - sizes
    try:
        with storage.create(path) as stream:
            stream.write(index.tobytes())
            for name, seed in zip(names, in_order, strict=True):
                stream.write(b"".join((name, seed.head, seed.recent)))
    except storage_errors() as error:
        raise RunError(
            f"can't stage what the tables hold of users in {path} ({storage_reason(error)}): make "
            "room, see that you may write there, or stage elsewhere with --temp_location, and run "
            "again"
        ) from error
