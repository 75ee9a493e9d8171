"""`report.html`: one file, safe to open, that asks the network for nothing.

The leaderboard is in the HTML itself, so that it can be read, searched and printed without a script. Sorting, details
and pictures are drawn in the browser from the one JSON document by D3 and Observable Plot, which are kept in `assets`
as their authors publish them: 0.5 MB for any number of rows, SVG with text that follows the page's colours. Pictures
drawn ahead would cost about 0.1 MB a comparison and could not follow a phone's width.

The JSON is deflated, a seventh of its size: rows repeat names and settings. Browsers since 2023 inflate it themselves.

Records and completions are untrusted. They enter the HTML through Jinja's autoescape, the JSON as base64, and the
page's elements as text alone; a content security policy admits only these very scripts. The same records and samples
give the same bytes, with the same zlib.
"""

import base64
import hashlib
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

from rlvr_bench.console.pages import template
from rlvr_bench.leaderboard.file import to_csv
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.report import board, standing
from rlvr_bench.report.document import by_comparison, document, provenance
from rlvr_bench.report.material import Material, gather

REPORT_FILE = "report.html"
ASSETS = Path(str(files("rlvr_bench.report") / "assets"))
LIBRARIES = ("d3.min.js", "plot.min.js")
SCRIPTS = ("elements.js", "board.js", "details.js", "charts.js", "effects.js", "sections.js", "start.js")


def write_report(results: Path) -> tuple[Path, tuple[str, ...]]:
    """Write the report of a results folder; return its path and a sentence for each file that could not be read.

    Raises:
        RecordError: the folder cannot be written.
    """
    material = gather(results)
    content, faults = render(material)
    path = results / REPORT_FILE
    write_whole(path, content)
    return path, material.problems + faults


def render(material: Material) -> tuple[str, tuple[str, ...]]:
    """Return the page, and a sentence for each file of samples that could not be read."""
    data, faults = document(material)
    shown = board.headings(material.rows)
    scripts = [(ASSETS / name).read_text(encoding="utf-8") for name in LIBRARIES]
    scripts.append('"use strict";\n' + "".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS))
    groups, choices = by_comparison(material.rows), board.choices(data["comparisons"])
    compared = {name: [material.rows[place] for place in places] for name, places in groups.items()}
    page = template(ASSETS, "page.html.j2").render(
        policy=content_policy(scripts),
        licences=(ASSETS / "LICENSES.txt").read_text(encoding="utf-8"),
        style=(ASSETS / "page.css").read_text(encoding="utf-8"),
        scripts=scripts,
        data=packed(data),
        digest=digest(material),
        choices=choices,
        chosen=choices[0][1][0][0] if choices else "",
        headlines={name: standing.headline(rows) for name, rows in compared.items()},
        statements={name: standing.statements(rows) for name, rows in compared.items()},
        headings=shown,
        lines=[
            line
            for places in groups.values()
            for line in board.lines([material.rows[place] for place in places], places, shown)
        ],
        provenance=provenance(material.records),
        findings=material.findings,
        problems=len(material.problems) + len(faults),
        width=int(board.WIDTH),
    )
    return page, faults


def digest(material: Material) -> str:
    """Return the SHA-256 of the leaderboard that the page shows, as `leaderboard-all.csv` has it."""
    return hashlib.sha256(to_csv(material.rows).encode()).hexdigest()


def packed(value: Any) -> str:
    """Return JSON deflated (RFC 1950) and in base64, which no HTML parser can take for anything but text."""
    return base64.b64encode(zlib.compress(strict_json(value).encode(), 9)).decode()


def content_policy(scripts: list[str]) -> str:
    """Return a content security policy: no network at all, only these scripts, styles of the page itself.

    Plot sets styles on the elements that it draws, so styles are not hashed; they have nowhere to send anything.
    """
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
