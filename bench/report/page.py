"""`report.html`: one file, safe to open, that asks the network for nothing.

The leaderboard is in the HTML itself, so that it can be read, searched and printed without a script. Sorting, details
and pictures are drawn in the browser from the one JSON document by D3 and Observable Plot, which are kept in `assets`
as their authors publish them: 0.5 MB for any number of rows, SVG with text that follows the page's colours. Pictures
drawn ahead would cost about 0.1 MB a comparison and could not follow a phone's width.

The JSON is written by column and deflated, a tenth of its size. Browsers since 2023 inflate it themselves.

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

from pydantic_core import to_json

from rlvr_bench.console.pages import template
from rlvr_bench.leaderboard.file import to_csv
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.report import board, standing
from rlvr_bench.report.choices import grouped
from rlvr_bench.report.columnar import columnar
from rlvr_bench.report.document import by_comparison, document, provenance
from rlvr_bench.report.live import Live
from rlvr_bench.report.material import Material, gather

REPORT_FILE = "report.html"
ASSETS = Path(str(files("rlvr_bench.report") / "assets"))
LIBRARIES = ("d3.min.js", "plot.min.js")
SCRIPTS = (
    "elements.js", "columnar.js", "export.js", "address.js", "tips.js", "colours.js", "expression.js", "choice.js",
    "board.js", "picture.js", "answer.js", "details.js", "run.js", "pareto.js", "charts.js", "bases.js", "effects.js",
    "thinking.js", "sections.js", "live.js", "start.js",
)  # fmt: skip


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


def live_page(results: Path, live: Live) -> str:
    """Return the page of a results folder while a grid runs; what cannot be read is only counted on it."""
    return render(gather(results), live)[0]


def render(material: Material, live: Live | None = None) -> tuple[str, tuple[str, ...]]:
    """Return the page, and a sentence for each file of samples that could not be read.

    Args:
        material: what it is made of.
        live: what it says of a grid that runs, if it is served; it may then ask the server whether it is renewed.
    """
    data, faults = document(material)
    shown = board.headings(material.rows)
    scripts = [(ASSETS / name).read_text(encoding="utf-8") for name in LIBRARIES]
    scripts.append('"use strict";\n' + "".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS))
    groups, choices = by_comparison(material.rows), grouped(data["comparisons"])
    compared = {name: [material.rows[place] for place in places] for name, places in groups.items()}
    page = template(ASSETS, "page.html.j2").render(
        policy=content_policy(scripts, live is not None),
        licences=(ASSETS / "LICENSES.txt").read_text(encoding="utf-8"),
        style=(ASSETS / "page.css").read_text(encoding="utf-8"),
        scripts=scripts,
        data=packed(columnar(data)),
        digest=digest(material),
        choices=choices,
        chosen=next((names[0][0] for kinds in choices.values() for names in kinds.values()), ""),
        answer=data["answer"],
        live=live,
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
    """Return JSON deflated (RFC 1950) and in base64, which no HTML parser can take for anything but text.

    Keys stand in the order in which they were made, which the same records give: to sort them takes as long again.
    """
    return base64.b64encode(zlib.compress(to_json(value, inf_nan_mode="null"))).decode()


def content_policy(scripts: list[str], served: bool = False) -> str:
    """Return a content security policy: no network at all, only these scripts, styles of the page itself.

    A page that is served may ask its own server, whether there is a newer one.

    Plot sets styles on the elements that it draws, so styles are not hashed; they have nowhere to send anything.
    """
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'" + ("; connect-src 'self'" if served else "")
    )
