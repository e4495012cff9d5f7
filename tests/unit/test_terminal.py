"""What a command says can't change what it has done, nor its exit code."""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import summary_file
from pipeline.display.page import Page, section, show_failed
from pipeline.errors import clear_message
from pipeline.terminal import Guarded, print_error, print_line, printable
from tests.support.runs import quick_shell, shell
from transforms.data_error import DataError
from transforms.quality.reported import Reported


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("PIPELINE sample --events 10 --output a.csv >&-", 0),
        ("PIPELINE sample --events 10 --output a.csv 2>&-", 0),
        ("PIPELINE sample --events 10 --output a.csv <&- >&- 2>&-", 0),
        ("PIPELINE sample --events 10 --output a.csv 2>/dev/full", 0),
        ("PIPELINE docs --output a.csv >&-", 0),
        ("PIPELINE docs --output a.csv | true; exit $PIPESTATUS", 0),
        ("PIPELINE sample --events x 2>&-", 2),
        ("PIPELINE sample --events x 2>/dev/full", 2),
        ("PIPELINE check --warehouse duckdb:///none.duckdb 2>/dev/full", 1),
        ("PIPELINE --help >/dev/full", 0),
        ("PIPELINE docs --output /dev/full 2>&-", 1),
    ],
)
def test_a_command_ends_as_it_would_without_anybody_listening(
    tmp_path: Path, line: str, code: int
) -> None:
    # A new interpreter where it begins with closed streams, at least once; else a fork.
    run = (shell if "<&-" in line else quick_shell)(line, tmp_path)
    assert (run.returncode, run.stderr) == (code, "")
    assert (tmp_path / "a.csv").exists() == ("a.csv" in line)


@pytest.mark.parametrize("command", ["sample --events 10 --output a.csv", "docs --output a.csv"])
def test_a_full_stdout_is_reported_and_fails_nothing(tmp_path: Path, command: str) -> None:
    run = quick_shell(f"PIPELINE {command} >/dev/full", tmp_path)
    assert run.returncode == 0
    assert run.stderr.count("\n") == 1
    assert "can't print to stdout (No space left on device)" in run.stderr
    assert (tmp_path / "a.csv").stat().st_size > 100


def test_a_file_does_not_get_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "import os; from pipeline.terminal import steady_streams\n"
        "with steady_streams(): print(os.open('x', os.O_CREAT) > 2, file=open('printed', 'w'))"
    )
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} >&- 2>&-"
    assert shell(line, tmp_path).returncode == 0
    assert (tmp_path / "printed").read_text() == "True\n"


def test_what_is_reported_arrives_whole(tmp_path: Path) -> None:
    code = "from pipeline.terminal import print_error; print_error('\\udce9' + 'x' * 200_000)"
    run = shell(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}", tmp_path)
    assert run.stderr == "\\udce9" + "x" * 200_000 + "\n"


def test_a_stream_without_a_number_is_reported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    print_error("something")
    assert stream.getvalue() == "something\n"
    monkeypatch.setattr(sys, "stderr", None)
    print_error("to nobody")


def test_a_guarded_stream_gives_up_once() -> None:
    class Full(io.StringIO):
        writes = 0

        def write(self, text: str, /) -> int:
            self.writes += 1
            raise OSError(28, "No space left on device")

    full = Full()
    guarded = Guarded(full)
    for _ in range(3):
        assert guarded.write("x") == 1
        guarded.flush()
    assert full.writes == 1
    assert not guarded.isatty()
    assert Guarded(None).write("nowhere") == 7


_HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\r\n\u202eevil\u2066\u2028\ud800\x00"


def _is_harmless(text: str) -> bool:
    return all(sign.isprintable() or sign in "\n\u00a0\u3000" for sign in text)


@given(st.text(st.characters(), max_size=20))
def test_what_is_printable_stands_in_one_line_and_moves_no_cursor(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in shown)
    assert printable(shown) == shown
    # Whoever unescapes it has the text again, if that has no backslashes of its own.
    if "\\" not in text:
        assert re.sub(r"\\(?:[nrt]|x..|u....|U.{8})", _unescaped, shown) == text


def _unescaped(found: re.Match[str]) -> str:
    return str(ast.literal_eval(f'"{found[0]}"'))


def test_signs_of_every_language_are_printable() -> None:
    text = "na\u00efve \u65e5\u672c\u8a9e\u3000\u0639\u0631\u0628 \u05e2\u05d1 \U0001f600\u00a0!"
    assert printable(text) == text


def test_everything_that_a_command_says_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(f"two\nlines {_HOSTILE}")
    print_line(f"two\nlines {_HOSTILE}")
    summary_file.write({"user": _HOSTILE}, "-")
    page = Page()
    section(page, "Dead letters", [("bad_country", _HOSTILE)], "error_type", "~payload")
    failed = Reported("a.b", "error", "fail", 1, 2, [{"user_id": _HOSTILE}], "no")
    show_failed(page, [failed])
    printed = capsys.readouterr()
    assert _is_harmless(printed.out)
    assert _is_harmless(printed.err)
    assert printed.err.startswith("two\nlines \\x1b]0;title")
    assert printed.out.count("\\u202eevil") == 4


def test_an_error_that_quotes_data_is_one_printable_line() -> None:
    for error in (
        DataError(f"of user {_HOSTILE}"),
        RuntimeError(f"RunError: of user {_HOSTILE.replace(chr(10), '')} [while running 'A']"),
    ):
        message = str(clear_message(error))
        assert _is_harmless(message.replace("\n", "\x00"))
        assert message.startswith("of user \\x1b]0;title\\x07")


def test_a_summary_says_the_same_with_escapes() -> None:
    report = {"example": _HOSTILE, "signs": "na\u00efve \u65e5"}
    text = summary_file.encode(report).decode()
    assert _is_harmless(text)
    assert "na\u00efve \u65e5" in text
    assert json.loads(text) == report
