"""What commands share that read a warehouse and write one file of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import OptionError
from pipeline.options.option import Option
from pipeline.options.option_values import local_file

if TYPE_CHECKING:
    from pipeline.warehouse import Warehouse


def output(what: str, default: str) -> Option:
    """The option that names the file: what it is, and where it is written by default."""
    return Option(
        f"the {what} to write; one that is there is replaced (default: {default})",
        "FILE",
        local_file,
        default=default,
    )


def opened_beside(url: str, path: str) -> Warehouse:
    """The warehouse of a URL, which the file does not overwrite.

    Raises:
        OptionError: if the URL is none, or names the file.
    """
    from pipeline.warehouse import open_warehouse

    warehouse = open_warehouse(url)
    if str(Path(path).resolve()) == warehouse.location:
        raise OptionError(f"--output {path} is the warehouse: name another file")
    return warehouse
