"""Starts the emulators and leaves them on: `eval "$(python -m tests.emulators)"` is not needed.

python -m tests.emulators        # prints what another terminal needs; Ctrl-C ends them
"""

from __future__ import annotations

import contextlib
import signal

from tests.emulators.install import install
from tests.emulators.servers import BUCKET, PROJECT, create_subscription, running

if __name__ == "__main__":
    install()
    with running() as servers:
        print("The emulators are up. In another terminal:\n")
        for name, value in servers.environment.items():
            print(f"export {name}={value}")
        print(
            f"\n.venv/bin/python -m pipeline batch --input 'sample/*.csv' "
            f"--warehouse bigquery://{PROJECT}/growth --temp_location gs://{BUCKET}/tmp\n"
        )
        if servers.pubsub:
            topic, subscription = create_subscription(servers.pubsub)
            print(
                f".venv/bin/python -m pipeline stream --subscription {subscription} "
                "--warehouse duckdb:///live.duckdb --flush_seconds 3\n"
                f".venv/bin/python -m pipeline publish --topic {topic} "
                "--input 'sample/*.csv'   # in a third terminal\n"
            )
        print(
            "Ctrl-C here ends them, and forgets what they hold.",
            flush=True,
        )
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
