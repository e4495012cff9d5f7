"""Build the tables as a program of its own: the benchmark's rival in plain SQL."""

import argparse
import time

import duckdb

from tests.oracle.oracle import build


def main() -> None:
    """Read the CSV files, write the database and print the seconds that it took."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--input", required=True, help="a CSV file, or a glob of them")
    parser.add_argument("--database", required=True, help="the DuckDB file to write")
    options = parser.parse_args()

    start = time.perf_counter()
    with duckdb.connect(options.database) as connection:
        connection.execute("SET enable_progress_bar = false")
        # No table has an order, so nothing is gained from keeping the input's.
        connection.execute("SET preserve_insertion_order = false")
        build(connection, [options.input])
    print(f"{time.perf_counter() - start:.1f} seconds")


if __name__ == "__main__":
    main()
