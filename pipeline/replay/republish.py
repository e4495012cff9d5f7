"""Corrected records published as messages, for the stream that keeps the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable

import google.cloud.pubsub as pubsub

from pipeline.pubsub.publishing import Publisher
from pipeline.pubsub.resources import explained
from pipeline.replay.attempt import Step
from transforms.kernels.dead_letters import Record
from transforms.kernels.single_records import record_fields
from transforms.vocabulary import SOURCE_COLUMNS


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
            for record in step.records:
                publisher.publish(_message(record), {})


def _message(record: Record) -> bytes:
    if record.layout is None:
        return record.data
    texts = record_fields(record.data, record.layout)
    return json.dumps(dict(zip(SOURCE_COLUMNS, texts, strict=True))).encode()
