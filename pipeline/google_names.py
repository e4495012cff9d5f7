"""What Google Cloud takes as names, as regular expressions for `re` and RE2."""

from __future__ import annotations

from typing import Final

# https://cloud.google.com/resource-manager/docs/creating-managing-projects: 6 to 30 characters,
# behind a domain for old ones.
PROJECT: Final = r"([a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
# Up to 1,024 characters; RE2 counts to 1,000.
DATASET: Final = r"[A-Za-z0-9_]{1,512}[A-Za-z0-9_]{0,512}"
BIGQUERY_URL: Final = rf"bigquery://{PROJECT}/{DATASET}"
