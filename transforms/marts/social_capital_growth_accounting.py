"""social_capital_growth_accounting: one row per month."""

from __future__ import annotations

import pyarrow as pa

from transforms.contract import (
    DATE,
    FLOAT,
    INTEGER,
    STRING,
    TIMESTAMP,
    Partition,
    Table,
    nullable,
    required,
)
from transforms.kernels.arithmetic import graded, percentage, previous, ratio
from transforms.kernels.spine import Spine

TABLE = Table(
    name="social_capital_growth_accounting",
    description="Monthly growth accounting after Social Capital: who came, stayed, returned, left.",
    columns=(
        required("activity_month", DATE, "First day of the month"),
        required("total_mau", INTEGER, "Users active in the month"),
        required("new_users", INTEGER, "Users whose first active month this is"),
        required("retained_users", INTEGER, "Users active in this and the previous month"),
        required(
            "resurrected_users",
            INTEGER,
            "Users active in this month and not in the previous one, but before",
        ),
        required("churned_users", INTEGER, "Users active in the previous month, not in this one"),
        nullable("retention_rate_pct", FLOAT, "100 x retained / the previous month's MAU"),
        nullable("quick_ratio", FLOAT, "(new + resurrected) / churned"),
        required(
            "growth_quality_category",
            STRING,
            "Of quick_ratio: none Unknown, < 1.0 Declining, < 1.5 Typical Consumer, "
            "< 2.0 Good Consumer, else Excellent Consumer",
        ),
        required("verification_total", INTEGER, "new + retained + resurrected; always total_mau"),
        required("calculated_at", TIMESTAMP, "When the row was written"),
    ),
    partition=Partition("activity_month", "MONTH"),
    primary_key=("activity_month",),
    written_at="calculated_at",
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    month = spine.monthly
    gained = month["new"] + month["resurrected"]
    quick_ratio = ratio(gained, month["churned"])
    return TABLE.build(
        {
            "activity_month": spine.months,
            "total_mau": month["active"],
            "new_users": month["new"],
            "retained_users": month["retained"],
            "resurrected_users": month["resurrected"],
            "churned_users": month["churned"],
            "retention_rate_pct": percentage(month["retained"], previous(month["active"])),
            "quick_ratio": quick_ratio,
            "growth_quality_category": graded(
                quick_ratio,
                [(2.0, "Excellent Consumer"), (1.5, "Good Consumer"), (1.0, "Typical Consumer")],
                lowest="Declining",
                unknown="Unknown",
            ),
            "verification_total": gained + month["retained"],
            "calculated_at": spine.stamps(len(spine.months)),
        }
    )
