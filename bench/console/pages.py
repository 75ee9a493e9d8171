"""HTML pages from templates: the one place where what strangers wrote becomes text of a page.

Jinja's autoescape writes every value as text, and a name that a template does not get is an error.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What HTML forbids in a text, and what a terminal obeys in which the page's source is shown."""


def template(folder: Path, name: str, shown: Callable[[Any], Any] | None = None) -> Template:
    """Return the template of this name in a folder; `shown` turns each value into what is written of it."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: _without_controls(value if shown is None else shown(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _without_controls(value: Any) -> Any:
    """Drop control characters from a text; markup is the page's own."""
    return _CONTROL.sub("", value) if isinstance(value, str) and not isinstance(value, Markup) else value
