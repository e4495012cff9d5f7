"""Batches on a disk that fills: they fail in one line and leave the tables as they were."""

from __future__ import annotations

import functools
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.commands import MOST_SECONDS, check_clean, left, said, same, started, succeeded
from tests.fuzz.watch import wait

_BATCH = (
    "batch",
    "--allow_shrink",
    "--input",
    "../after.csv",
    "--warehouse",
    "duckdb:///growth.duckdb",
)
# In a namespace of its own everybody may mount; what lies on the disk is copied out of it.
_ON_SMALL_DISK = """\
size=$1; shift
mount -t tmpfs -o size=$size tmpfs disk || exit 99
cp growth.duckdb disk; (cd disk; exec "$@"); code=$?
cp -a disk/. after/; exit $code
"""
_WITH_LIMIT = (
    'size=$1; shift; cp growth.duckdb after; cd after; ulimit -f $((size / 512)); exec "$@"'
)


def case(chance: random.Random, folder: Path) -> int:
    """A disk, or a limit to the size of a file, that a run meets early, late or not at all."""
    for events, name in ((300, "before.csv"), (chance.choice([2_000, 20_000]), "after.csv")):
        seed = str(chance.randrange(1 << 30))
        succeeded(folder, "sample", "--events", str(events), "--seed", seed, "--output", name)
    batch = ("batch", "--allow_shrink", "--warehouse", "duckdb:///growth.duckdb", "--input")
    succeeded(folder, *batch, "before.csv")
    before, database = left(folder), (folder / "growth.duckdb").read_bytes()
    succeeded(folder, *batch, "after.csv")
    after, most = left(folder), (folder / "growth.duckdb").stat().st_size
    (folder / "growth.duckdb").write_bytes(database)
    for name in ("disk", "after"):
        (folder / name).mkdir()
    code = _run(chance, folder, len(database), most)
    printed, rest = said(folder), folder / "after"
    assert code in (0, 1), f"ended with {code}:\n{printed}"
    assert "Traceback" not in printed, printed
    expected = before if code else after
    assert same(expected, left(rest)), f"ended with {code} and other tables:\n{printed}"
    succeeded(rest, *_BATCH)
    assert same(after, left(rest)), "the next run ends in other tables"
    check_clean(rest, {"growth.duckdb"})
    return 1


def _run(chance: random.Random, folder: Path, least: int, most: int) -> int:
    size = least + int(chance.random() ** 2 * 3 * most)
    script = _ON_SMALL_DISK if _may_mount() and chance.random() < 0.8 else _WITH_LIMIT
    before = [
        *(_NAMESPACE if script is _ON_SMALL_DISK else ()),
        "sh",
        "-c",
        script,
        "sh",
        str(size),
    ]
    with started(folder, _BATCH, before) as run:
        return wait(run, MOST_SECONDS)


_NAMESPACE: Sequence[str] = ("unshare", "--map-root-user", "--mount")


@functools.cache
def _may_mount() -> bool:
    if shutil.which(_NAMESPACE[0]) is None:
        return False
    mount = [*_NAMESPACE, "sh", "-c", "mount -t tmpfs tmpfs /tmp"]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0
