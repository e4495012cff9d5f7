"""The command line: `python -m pipeline COMMAND ...`."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from pipeline import __version__
from pipeline.commands.command import Command
from pipeline.errors import OptionError, clear_message
from pipeline.options.option import Parser
from pipeline.paths import typed_program
from pipeline.terminal import print_error, steady_streams

# Modules of pipeline.commands, as the help page has them.
COMMANDS: Final = (
    "batch",
    "update",
    "stream",
    "rebuild",
    "replay",
    "forget",
    "check",
    "runs",
    "report",
    "superset",
    "docs",
    "inspect",
    "publish",
    "sample",
)


def command_named(name: str) -> Command:
    """A command by its name, which is imported now: all of them take longer than many a page."""
    found: Command = import_module(f"pipeline.commands.{name}").COMMAND
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    with steady_streams():
        return _run(sys.argv[1:] if arguments is None else list(arguments))


def _run(arguments: list[str]) -> int:
    is_named = bool(arguments) and arguments[0] in COMMANDS
    parser, pages = parsers(arguments[:1] if is_named else COMMANDS)
    known, rest = parser.parse_known_args(arguments)
    page = pages[known.command]
    try:
        command_named(known.command).start(known, rest, arguments[1:])
    except OptionError as error:
        page.error(str(error))
    except KeyboardInterrupt:
        print_error(f"\n{page.prog}: interrupted")
        return 130
    except Exception as error:
        message = clear_message(error)
        # A bug: its traceback may quote data as well.
        print_error(f"{page.prog}: {message}" if message else _traceback(error))
        return 1
    return 0


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


def parsers(names: Sequence[str] = COMMANDS) -> tuple[Parser, dict[str, Parser]]:
    """The parser of the command line, and those of some commands by their names."""
    parser = Parser(
        prog=typed_program(),
        description="Raw user events in, growth tables out.\n\n"
        "`%(prog)s COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    pages: dict[str, Parser] = {}
    for name in names:
        known = command_named(name)
        pages[name] = subparsers.add_parser(
            name, help=known.summary, description=known.description, epilog=known.examples
        )
        known.declare(pages[name])
    return parser, pages


if __name__ == "__main__":
    sys.exit(main())
