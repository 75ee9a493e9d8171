"""A study as a table in the terminal."""

from typing import Any

import tomli_w

from rlvr_bench.console.tables import print_table
from rlvr_bench.console.text import tell


def show_sweep(document: dict[str, Any], method: str) -> None:
    """Print the trials of a study of `method` and the best among them, its settings as in an experiment file."""
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
    if document["best"]:
        (best,) = [trial for trial in document["trials"] if trial["number"] == document["best"][0]]
        settings = {key: value for key, value in best["settings"].items() if value is not None}
        tell("", tomli_w.dumps({"methods": {method: settings}}).removesuffix("\n"))
