"""`rlvr-bench contamination`: has a model read a task's problems before?"""

from typing import Annotated, Any

import typer

from rlvr_bench.cli.options import DataOption, JsonOption, KeysOption, given_settings

COLUMNS = ["problems", "n", "share", "exact", "rouge_l", "answer", "question_perplexity", "answer_perplexity"]

app = typer.Typer()


@app.command()
def contamination(
    base: Annotated[str, typer.Argument(help="A base model: organism, packaged model, folder or hub id.")],
    task: Annotated[str, typer.Option(help="The task whose problems it may have read.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    count: Annotated[int | None, typer.Option("-n", min=1, help="Only the first so many problems.")] = None,
    data_dir: DataOption = None,
    keys: KeysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Probe a model for memory of a task's problems: questions cut short, and perplexities."""
    from rlvr_bench.console.bars import Bars
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json
    from rlvr_bench.evaluate.contamination_probe import probe

    with Bars() as bars:
        probed = probe(base, {"name": task} | given_settings(keys), split, count, data_dir, bars)  # type: ignore[arg-type]
    if as_json:
        print_json(probed)
    else:
        print_table(as_rows(probed), COLUMNS)


def as_rows(probed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a line per group of problems and share of the question that the model was given."""
    from rlvr_bench.evaluate.contamination import SHARES

    return [
        {"problems": name, "share": f"{share} %"} | _rounded(group | group[str(share)])
        for name, group in probed.items()
        for share in SHARES
    ]


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}
