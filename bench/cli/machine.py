"""`rlvr-bench machine`: what was decided for this machine, and deciding it again."""

from typing import Annotated

import typer

from rlvr_bench.cli.options import JsonOption, ThreadsOption

app = typer.Typer()


@app.command()
def machine(
    threads: ThreadsOption = 1,
    renew: Annotated[bool, typer.Option("--renew", help="Time both libraries again, on an idle machine.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which library float32 products go through: decided once, so that the same machine gives the same bits."""
    from rlvr_bench.console.tables import print_entry
    from rlvr_bench.console.text import print_json
    from rlvr_bench.generate.float32_products import decide_ahead, forced

    decision = decide_ahead(threads, renew=renew).model_dump(mode="json")
    document = decision | {"forced": forced()}
    if as_json:
        print_json(document)
    else:
        print_entry(document)
