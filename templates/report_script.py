"""The charts' script that `report` puts into its page: `make report-script` makes it again.

vl-convert-python brings Vega, Vega-Lite and Vega-Embed as one script, without a server to ask. It
takes 84 MB and four seconds for that, so nobody who runs the pipeline has it installed: the script
is kept, compressed, beside the page's style sheet.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Final

import vl_convert

SCRIPT: Final = Path(__file__).parents[1] / "pipeline" / "report" / "assets" / "vega.js.gz"
_VEGA_LITE: Final = "6.4"


def main() -> None:
    """Write the script; it is the same, byte by byte, until the version of vl-convert changes."""
    text: str = vl_convert.javascript_bundle(vl_version=_VEGA_LITE)
    SCRIPT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    sys.stdout.write(f"{SCRIPT}: written, {len(text):,} characters of script\n")


if __name__ == "__main__":
    main()
