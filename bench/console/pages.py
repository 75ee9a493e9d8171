"""HTML pages from templates: the one place where what strangers wrote becomes text of a page.

Jinja's autoescape writes every value as text, and a name that a template does not get is an error.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


def template(folder: Path, name: str, shown: Callable[[Any], Any] | None = None) -> Template:
    """Return the template of this name in a folder; `shown` turns each value into what is written of it."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
