"""`make stream-demo`: a year and a half of events streams by in a minute, into live.duckdb."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import google.cloud.pubsub as pubsub

from tests.emulators.servers import PROJECT, missing_pubsub, running_pubsub

_EVENTS: Final = 10_000
# 18 months in a minute.
_SPEED: Final = 800_000
_REST_SECONDS: Final = 10
_TOPIC: Final = f"projects/{PROJECT}/topics/events"
_SUBSCRIPTION: Final = f"projects/{PROJECT}/subscriptions/events"
_DATABASE: Final = "live.duckdb"


def main() -> None:
    """Publish a sample, out of order and partly twice, and stream it meanwhile."""
    if (reason := missing_pubsub()) is not None:
        sys.exit(f"The demo needs {reason}")
    Path(_DATABASE).unlink(missing_ok=True)
    pipeline = [sys.executable, "-m", "pipeline"]
    sample = ["sample", "--events", str(_EVENTS), "--output", "sample/stream.csv"]
    subprocess.run([*pipeline, *sample], check=True)
    with running_pubsub() as host:
        os.environ["PUBSUB_EMULATOR_HOST"] = host
        with pubsub.PublisherClient() as publisher, pubsub.SubscriberClient() as subscriber:
            publisher.create_topic(name=_TOPIC)
            subscriber.create_subscription(name=_SUBSCRIPTION, topic=_TOPIC)
        stream = ["stream", "--subscription", _SUBSCRIPTION, "--flush_seconds", "3"]
        stream += ["--warehouse", f"duckdb:///{_DATABASE}", "--late_horizon_days", "3650"]
        replay = ["publish", "--input", "sample/stream.csv", "--topic", _TOPIC]
        replay += ["--speed", str(_SPEED), "--shuffle_seconds", "86400", "--repeat_pct", "2"]
        with subprocess.Popen([*pipeline, *stream]) as streaming:
            try:
                subprocess.run([*pipeline, *replay], check=True)
                time.sleep(_REST_SECONDS)  # To watch the last of them arrive.
            except KeyboardInterrupt:
                print("Stopped before all was published", file=sys.stderr)
            streaming.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
