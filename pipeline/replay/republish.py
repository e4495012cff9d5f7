"""Corrected records published as messages, for the stream that keeps the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import google.cloud.pubsub as pubsub

from pipeline.pubsub.publishing import Publisher
from pipeline.pubsub.resources import explained
from pipeline.replay.attempt import Step
from transforms.kernels.dead_letters import Record
from transforms.vocabulary import EVENT_ID


def publish_steps(steps: Iterable[Step], topic: str) -> None:
    """Publish the records that pass, each as a JSON object.

    Raises:
        RunError: if a message can't be published.
    """
    with (
        explained(f"publish to {topic}", "roles/pubsub.publisher"),
        pubsub.PublisherClient() as client,
        Publisher(client, topic) as publisher,
    ):
        for step in steps:
            for record, texts in zip(step.records, step.texts.to_pylist(), strict=True):
                publisher.publish(_message(record, texts), {})


def _message(record: Record, texts: Mapping[str, str]) -> bytes:
    if record.layout is None:
        return record.data
    said = {name: text for name, text in texts.items() if name != EVENT_ID or text}
    return json.dumps(said).encode()
