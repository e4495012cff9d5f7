"""Records that go through sed or a program: a line each, whatever they hold."""

from __future__ import annotations

import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError, RunError
from pipeline.replay.editing import Edit
from tests.support.dead_letters import dead_letter

# Any bytes, often line breaks, but not beside the signs that stand for them.
_PIECES = st.sampled_from(
    [b"a", b",", b'"', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\\n", "\u00e9".encode()]
)
payloads = st.lists(_PIECES, max_size=12).map(b"".join)


def corrected(edit: str, *records: bytes) -> list[bytes]:
    dead_letters = [dead_letter(data) for data in records]
    return [record.data for record in Edit.of(edit).correct(lambda: dead_letters)]


def script(folder: Path, text: str) -> str:
    path = folder / "correct"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(records=st.lists(payloads, max_size=8))
def test_records_come_back_as_they_went(records: Sequence[bytes]) -> None:
    assert corrected("", *records) == list(records)


def test_sed_sees_one_record_a_line() -> None:
    assert corrected(r"s/^a/b/;s/$/!/", b"a,a", b"x\na\n", b"a\r\nx", b"", b"\xffa") == [
        b"b,a!",
        b"x\na\n!",
        b"b\r\nx!",
        b"!",
        b"\xffa!",
    ]


def test_sed_may_put_a_line_break_in_the_place_of_another() -> None:
    assert corrected("s/\u240a/ /", b"a\nb", b"c\n\nd") == [b"a b", b"c \nd"]


def test_the_signs_of_line_breaks_are_themselves_elsewhere() -> None:
    sign = "a\u240ab\u240d".encode()
    assert corrected("s/a/x/", sign) == ["x\u240ab\u240d".encode()]
    with pytest.raises(RunError, match=r"dead letter 1 has line breaks and.*U\+240A"):
        corrected("s/a/x/", sign + b"\n")


def test_a_program_is_one_process_for_all(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        "import sys\nfor number, line in enumerate(sys.stdin.buffer):\n"
        "    sys.stdout.buffer.write(b'%d:' % number + line)\n",
    )
    assert corrected(path, b"a", b"\xff\nb", b"") == [b"0:a", b"1:\xff\nb", b"2:"]


def test_a_last_line_without_its_end_counts(tmp_path: Path) -> None:
    path = script(tmp_path, "import sys\nsys.stdout.write(sys.stdin.read()[:-1])\n")
    assert corrected(path, b"a", b"b") == [b"a", b"b"]


def test_no_letter_starts_no_process(tmp_path: Path) -> None:
    assert corrected(script(tmp_path, "raise SystemExit(3)")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit('no such country')", ["exit code 1", "It said: no such country"]),
        ("import os\nos.kill(os.getpid(), 9)", ["failed with signal 9"]),
        ("print('only one')", ["gave back 1 records for 2"]),
        ("print('1\\n2\\n3')", ["gave back 3 records for 2"]),
        ("", ["gave back 0 records for 2"]),
    ],
)
def test_a_program_that_fails_ends_the_replay(
    tmp_path: Path, text: str, message: list[str]
) -> None:
    path = script(tmp_path, text)
    with pytest.raises(RunError) as raised:
        corrected(path, b"a", b"b")
    for part in ("correct", "no table was touched", *message):
        assert part in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_script_without_a_first_line_is_named(tmp_path: Path) -> None:
    path = Path(script(tmp_path, ""))
    path.write_text("import sys\n")
    with pytest.raises(RunError, match="first line like #!"):
        corrected(str(path), b"a")


def test_what_is_neither_sed_nor_a_program_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    for text, message in (
        (str(plain), "chmod"),
        (str(tmp_path), "is a folder"),
        ("s/a/b", "sed does not take it"),
        (str(tmp_path / "gone"), "sed does not take it"),
        ("clean.py", "no such file"),
        ("w written", "sed does not take it"),
        ("e touch written", "sed does not take it"),
    ):
        with pytest.raises(OptionError, match=message):
            Edit.of(text)
    assert not (tmp_path / "written").exists()


def fake(folder: Path, name: str, options: str) -> None:
    """A sed that knows some options."""
    path = folder / name
    known = f'case "$1" in {options}) ;; *) echo "{name}: unknown option $1" >&2; exit 1;; esac'
    path.write_text(f"#!/bin/sh\n{known}\nexec cat\n")
    path.chmod(0o755)


def test_sed_without_a_sandbox_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "none", tmp_path / "plain"):
        path.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(OptionError, match="sed is not installed: name an executable file"):
        Edit.of("s/a/b/")
    fake(tmp_path / "plain", "sed", "-e")
    monkeypatch.setenv("PATH", f"{tmp_path / 'plain'}:/bin:/usr/bin")
    with pytest.raises(OptionError, match=r"no --sandbox: .*Install GNU sed .* executable file"):
        Edit.of("s/a/b/")
    fake(tmp_path / "plain", "gsed", "--sandbox")
    assert list(Edit.of("s/a/b/").command) == ["gsed", "--sandbox", "-e", "s/a/b/"]
