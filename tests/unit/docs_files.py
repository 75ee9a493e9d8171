"""What pages of the documentation show as files: blocks of code whose title is a path."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def titled_blocks(page: str) -> dict[str, str]:
    """Return the text of every block of a page that has a title, by it."""
    return dict(FILE.findall((DOCS / page).read_text(encoding="utf-8")))
