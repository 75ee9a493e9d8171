"""The audit as one HTML page that asks the network for nothing and runs no script.

Names, paths and sentences come from strangers' files: Jinja's autoescape writes them as text, and a content security
policy admits nothing but the page's own styles, which are those of the report.
"""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rlvr_bench.audit.run import Audit

ASSETS = Path(str(files("rlvr_bench.audit") / "assets"))
STYLE = Path(str(files("rlvr_bench.report") / "assets" / "page.css"))


def page(audit: Audit) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: f"{value:.4g}" if isinstance(value, float) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("audit.html.j2").render(
        style=STYLE.read_text(encoding="utf-8"),
        document=audit.document(),
        findings=audit.by_verdict(),
    )
