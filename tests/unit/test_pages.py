"""README and docs/: their commands parse, their links lead somewhere, the README stays short."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipeline.__main__ import parsers
from pipeline.options import beam_options
from tests.support.repository import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
COMMAND = ".venv/bin/python -m pipeline "


def commands(text: str) -> list[str]:
    """What a page types of the pipeline's commands, continued lines joined, names filled in."""
    text = re.sub(r"projects/P/(subscriptions|topics)/[ST]", r"projects/my-project/\1/events", text)
    typed = re.findall(rf"^{re.escape(COMMAND)}.*$", text.replace("\\\n", " "), re.MULTILINE)
    return [*typed, *(inline for inline in re.findall(r"`([^`\n]+)`", text) if COMMAND in inline)]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", line.lower()).replace(" ", "-") for line in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_those_that_exist(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLACK_WEBHOOK", "https://hooks.example.com/x")
    parser, known_commands = parsers()
    for line in commands(page.read_text()):
        words = [w for w in shlex.split(line, comments=True)[3:] if w not in ("--help", "…")]
        if len(words) < 2:
            assert not words or words[0] in {*known_commands, "COMMAND"}
            continue
        for name in ("dead_letters.csv", "correct.py"):
            Path(name).unlink(missing_ok=True)
            if "--output" not in words:
                Path(name).touch(0o755)
        known, rest = parser.parse_known_args(words)
        if known.command in ("batch", "update", "rebuild", "stream", "replay"):
            beam_options.check(rest, [])
        else:
            assert rest == []


def test_no_page_types_a_python_that_lacks_the_package() -> None:
    for page in PAGES:
        for line in re.findall(r"^python -m .*$", page.read_text(), re.MULTILINE):
            raise AssertionError(f"{page.name}: {line}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), path
        assert not anchor or anchor in anchors(found), f"{path}#{anchor}"


def test_a_stranger_knows_in_a_minute() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 8_000


def test_the_architecture_defines_every_rule_that_code_names_by_number() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    defined = set(re.findall(r"^\| (\d+) \| \*\*", page, re.MULTILINE))
    sources = [path for part in ("transforms", "pipeline") for path in (ROOT / part).rglob("*.py")]
    lists = [re.findall(r"\brules? (\d+(?:, \d+)*)", path.read_text()) for path in sources]
    named = {number for found in lists for numbers in found for number in numbers.split(", ")}
    assert named
    assert named <= defined
