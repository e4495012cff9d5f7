"""Row access policies of BigQuery tables, which a replacement would drop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound
from google.cloud import bigquery

from pipeline.errors import RunError
from pipeline.warehouse.bigquery.commit import commit
from pipeline.warehouse.bigquery.loading import Workplace
from pipeline.warehouse.bigquery.tables import row_policies
from pipeline.warehouse.changes import Change, WriteDisposition
from transforms.marts import fct_events

DATASET = bigquery.DatasetReference("project", "growth")


def client(answer: dict[str, Any] | GoogleAPICallError) -> bigquery.Client:
    def api_request(method: str, path: str) -> dict[str, Any]:
        assert (method, path) == (
            "GET",
            "/projects/project/datasets/growth/tables/fct_events/rowAccessPolicies",
        )
        if isinstance(answer, GoogleAPICallError):
            raise answer
        return answer

    return cast(
        bigquery.Client,
        SimpleNamespace(
            _connection=SimpleNamespace(api_request=api_request),
            get_table=lambda reference: SimpleNamespace(labels={}),
        ),
    )


POLICIES = {"rowAccessPolicies": [{"rowAccessPolicyReference": {"policyId": "asia_only"}}]}


def test_policies_are_listed_as_far_as_a_run_may_see_them() -> None:
    table = DATASET.table("fct_events")
    assert row_policies(client(POLICIES), table) == ["asia_only"]
    unseen: tuple[dict[str, Any] | GoogleAPICallError, ...]
    unseen = ({}, Forbidden("no"), NotFound("no"))
    for answer in unseen:
        assert row_policies(client(answer), table) == []


def test_a_table_that_has_some_is_not_replaced() -> None:
    place = Workplace(client(POLICIES), DATASET, "run")
    with pytest.raises(RunError, match=r"fct_events has row access policies \(asia_only\)"):
        commit(place, [Change(fct_events.TABLE, WriteDisposition.REPLACE)])
