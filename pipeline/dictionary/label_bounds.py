"""What the data dictionary says of labels: for which products their bounds were made."""

from __future__ import annotations

from typing import Final

_BEFORE: Final = """\
## What the labels were made for

Labels grade figures by fixed bounds. The bounds are part of the contract and know nothing of
your product: they suit one that most of its users open every day, such as a messenger or a
game, and `Excellent` or `Poor` says on which side of a bound a figure lies, no more. Compare a
label with that of last quarter before you compare it with its name. A running date or month
(`is_complete` is false) has labels too, where a formula gives them; nobody should act on them.
"""

_ROWS: Final = (
    (
        "label",
        "its bounds suit",
        "usual for a consumer app; unmarked: eight of ten days of the sample below",
        "read it so",
    ),
    (
        "`growth_quality_category`, `quick_ratio_benchmark`, `alert_level`, "
        "`strategic_recommendation`",
        "a consumer app, by month",
        "a monthly quick ratio just above 1, of 1.5 and more while it grows fast [1]",
        "made for you, if your users are consumers. A business that sells subscriptions expects 4"
        " and more, of money instead of users",
    ),
    (
        "`daily_growth_quality`",
        "the same, by day",
        "0.6 to 1.6, by the weekday: 1.45 on Mondays, 0.74 on Saturdays (medians)",
        "mean over a week first",
    ),
    (
        "`retention_quality_category`, `engagement_trend`",
        "a daily habit: 60 % of a date's users were there the day before",
        "36 to 66 %",
        "`Poor` is usual for a shop or a travel app, whose people come once a week",
    ),
    (
        "`resurrection_quality_category`",
        "a daily habit, in which whoever was away is won back",
        "20 to 43 % of a date's users were away for a day or more",
        "**high is no praise**: the more seldom people come, the more of a date's users \"come "
        'back". Where DAU / MAU is 8 %, 70 % of them do, and every day is `Excellent`; where '
        "everybody comes daily, nobody can come back, and every day is `Poor`",
    ),
    (
        "`retention_benchmark`",
        "an app that has found its users",
        "40 % and more of a month's users come back in the next [1]",
        "made for you, from the first half year on",
    ),
    (
        "`miles_economy_health`",
        "a loyalty programme in which people save up",
        "more is earned than redeemed, but in sales",
        "`High Redemption` in a sale is what the sale is for",
    ),
    (
        "`social_engagement_level`",
        "an app in which sharing is a second thing",
        "15 to 40 % of a date's users share or like",
        "a social network is always `High Social`",
    ),
)

_AFTER: Final = """\
The made-up sample (`.venv/bin/python -m pipeline sample`) is an app of the usual kind, so that its
labels change from day to day: of 100 new users 35 are back on the day after, 11 a week and 8 a
month later, where published means are 25 to 40, 10 to 20 and 4 to 10 [2]; its DAU / MAU is 16 %,
rising to 25 %, where an average is 10 to 15 % for shops and media and 30 % for consumer
products [3].

1. Jonathan Hsu, "Diligence at Social Capital", part 1, 2015: in most consumer apps it is little
   more than 1, because hardly anything brings people back month after month.
2. Means over many apps: [Appdrift's glossary](https://appdrift.co/glossary/retention-rate) and
   [Steptech's summary of reports by AppsFlyer and Adjust](https://steptechglobal.com/?p=537), read
   in November 2026.
3. [June's benchmark of
   stickiness](https://help.june.so/en/articles/4752354-stickiness-benchmark), after Sequoia
   Capital; read in November 2026.
"""


def labels() -> str:
    """The section, as Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in _ROWS]
    return "\n".join([_BEFORE, lines[0], "|---|---|---|---|", *lines[1:], "", _AFTER])
