"""The audit as one HTML page that asks the network for nothing and runs no script.

Names, paths and sentences come from strangers' files: Jinja's autoescape writes them as text, and a content security
policy admits nothing but the page's own styles, which are those of the report.
"""

from importlib.resources import files
from pathlib import Path

from rlvr_bench.audit.run import Audit
from rlvr_bench.console.pages import template

ASSETS = Path(str(files("rlvr_bench.audit") / "assets"))
STYLE = Path(str(files("rlvr_bench.report") / "assets" / "page.css"))


def page(audit: Audit) -> str:
    """Return the page."""
    return template(
        ASSETS, "audit.html.j2", lambda value: f"{value:.4g}" if isinstance(value, float) else value
    ).render(
        style=STYLE.read_text(encoding="utf-8"),
        document=audit.document(),
        findings=audit.by_verdict(),
    )
