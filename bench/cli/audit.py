"""`rlvr-bench audit`: a run that was made elsewhere, rule by rule."""

from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import STDOUT

app = typer.Typer()


@app.command()
def audit(
    base: Annotated[str, typer.Argument(help="The checkpoint that training started from: folder or hub id.")],
    tuned: Annotated[str, typer.Argument(help="What was trained: a PEFT adapter folder or a whole checkpoint.")],
    log: Annotated[
        list[Path] | None,
        typer.Option(help="trainer_state.json, a wandb or trackio export (.csv, .jsonl), completions .parquet."),
    ] = None,
    claim: Annotated[str | None, typer.Option(help="The method that it is said to be: full, lora, pissa, ...")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Claimed rank of a checkpoint without its adapter.")] = None,
    merged: Annotated[str | None, typer.Option(help="The checkpoint that the adapter was merged into.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds behind the claim.")] = 1,
    problems: Annotated[int | None, typer.Option(min=2, help="Test problems behind the claim.")] = None,
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON; - is stdout.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page.")] = None,
) -> None:
    """Audit a run of TRL, verl, Unsloth, Axolotl or others; ends with 1 where a rule finds a fault."""
    from rlvr_bench.audit.page import page
    from rlvr_bench.audit.run import audit as ask_rules
    from rlvr_bench.audit.subject import open_subject
    from rlvr_bench.cli.views.audit import show
    from rlvr_bench.console.bars import Bars
    from rlvr_bench.console.text import print_json_text, say
    from rlvr_bench.record.atomic import write_whole
    from rlvr_bench.record.numbers import strict_json

    with Bars() as bars, bars.bar("audit") as progress:
        subject = open_subject(
            base,
            tuned,
            merged=merged,
            logs=log or (),
            claim=claim,
            rank=rank,
            seeds=seeds,
            problems=problems,
            progress=progress,
        )
        audited = ask_rules(subject)
    say(*audited.problems)
    document = strict_json(audited.document(), indent=1)
    if html_file is not None:
        write_whole(html_file, page(audited))
    if json_file == STDOUT:
        print_json_text(document)
    else:
        if json_file is not None:
            write_whole(Path(json_file), document + "\n")
        show(audited)
    raise typer.Exit(1 if audited.has_faults else 0)
