"""A study as a table in the terminal."""

from typing import Any

from rlvr_bench.console.tables import print_table
from rlvr_bench.console.text import tell


def show_sweep(document: dict[str, Any]) -> None:
    """Print the trials of a study and the best among them."""
    rows = [
        trial
        | {
            "settings": ", ".join(
                f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in trial["settings"].items()
            )
        }
        for trial in document["trials"]
    ]
    print_table(rows, ["number", "state", *document["objectives"], "settings", "collapsed", "cause"])
    tell(f"study {document['study']}, best: {', '.join(map(str, document['best'])) or 'none yet'}")
