"""Where Superset finds the tables of a warehouse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import OptionError
from pipeline.superset.ids import stable_id


@dataclass(frozen=True)
class Home:
    """A database of Superset.

    Attributes:
        name: of the warehouse, as people tell it from others.
        url: for SQLAlchemy.
        schema: in which the tables lie.
        engine: what the connection is made with.
    """

    name: str
    url: str
    schema: str
    engine: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, url: str, path: str) -> Home:
        """The home of a warehouse.

        Args:
            url: the warehouse's.
            path: of a file its absolute path.

        Raises:
            OptionError: if Superset has no driver for it.
        """
        parts = urlsplit(url)
        if parts.scheme == "duckdb":
            # Superset only reads, and a run that writes must not find the file taken.
            engine = {"connect_args": {"read_only": True}}
            return cls(path, f"duckdb:///{path}", "main", engine)
        if parts.scheme == "bigquery":
            dataset = parts.path.strip("/")
            return cls(f"{parts.netloc}.{dataset}", f"bigquery://{parts.netloc}", dataset)
        raise OptionError(f"--warehouse {url}: superset knows duckdb:// and bigquery://")

    @property
    def database(self) -> dict[str, Any]:
        """What an import makes a database of."""
        return {
            # Superset has a name once: two files, or datasets of two projects, are two databases.
            "database_name": f"Growth ({self.name})",
            "sqlalchemy_uri": self.url,
            "expose_in_sqllab": True,
            "allow_dml": False,
            "allow_ctas": False,
            "allow_cvas": False,
            "extra": {"engine_params": self.engine, "allows_virtual_table_explore": True},
            "uuid": self.id_of("database", self.schema),
            "version": "1.0.0",
        }

    def id_of(self, kind: str, name: str) -> str:
        """The id of something in this home."""
        return stable_id(f"{self.url}/{self.schema}", kind, name)
