"""Dead letters of a stream on this machine, as messages of a topic."""

from __future__ import annotations

import google.cloud.pubsub as pubsub
import pyarrow as pa

from pipeline.pubsub.publishing import Publisher
from pipeline.pubsub.resources import explained
from transforms.streaming.parse_messages import as_messages


class DeadLetterTopic:
    """A topic to which dead letters are published.

    Args:
        topic: its full name.
    """

    def __init__(self, topic: str):
        self._topic = topic
        self._client = pubsub.PublisherClient()

    def publish(self, dead_letters: pa.Table) -> None:
        """Publish rows of dead_letter_events, and wait until they are taken.

        Raises:
            RunError: if they can't be.
        """
        with (
            explained(f"publish to {self._topic}", "roles/pubsub.publisher"),
            Publisher(self._client, self._topic) as publisher,
        ):
            for message in as_messages(dead_letters):
                publisher.publish(message.data, message.attributes)
