"""Writes what follows from declarations: `make templates`, or python -m templates."""

from __future__ import annotations

from templates.metadata import TEMPLATES, as_json, metadata
from templates.settings import EXAMPLE, ROOT, example

if __name__ == "__main__":
    texts = {template.path: as_json(metadata(template)) for template in TEMPLATES.values()}
    for path, text in {**texts, EXAMPLE: example()}.items():
        path.write_text(text)
        print(path.relative_to(ROOT))
