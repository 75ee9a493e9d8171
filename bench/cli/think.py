"""`rlvr-bench think`: answer with several traces that a scorer weighs and stops, or compare scorers (`--train`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rlvr_bench.cli.options import STDOUT, DataOption, KeysOption, ResultsOption, given_settings

if TYPE_CHECKING:
    from rlvr_bench.console.bars import Bars
    from rlvr_bench.thinking.promise import Terms
    from rlvr_bench.thinking.request import ThinkRequest

app = typer.Typer()


PolicyOption = Annotated[
    str | None,
    typer.Option(
        help="full, keep:count=4,at=8, halve:every=4 (the default), drop:count=2,every=4, threshold:least=0.3,every=4,"
        " evidence:alpha=0.05, deepconf:warm_up=4,eta=0.5; with --max-loss a kind, by default any."
    ),
]
MaxLossOption = Annotated[
    float | None,
    typer.Option(min=0, max=0.99, help="Pick a policy that loses at most this accuracy against the full vote."),
]
MaxDroppedOption = Annotated[
    float, typer.Option(min=0, max=1, help="With --max-loss: and drops at most this share of the right traces.")
]
ConfidenceOption = Annotated[
    float, typer.Option(min=0.5, max=0.999, help="With --max-loss or --risk: how sure the promise is to be.")
]
ScorerOption = Annotated[
    str | None, typer.Option(help="What traces are scored by: otv (the default), confidence-tail, ..., none.")
]
VoteOption = Annotated[str, typer.Option(help="majority, weighted, log-odds, best-of-n, filter.")]
RiskOption = Annotated[
    float | None,
    typer.Option(min=0.001, max=0.999, help="At most this share of the answers given is wrong; others are withheld."),
]
UncertainOption = Annotated[
    Literal["abstain", "sample"],
    typer.Option(help="With --risk: withhold an uncertain answer, or sample as many traces again first."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--option", help="A setting of traces or scorer, such as --option traces.max_new_tokens=48."),
]
TrainOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Compare scorers; writes RESULTS/thinking/NAME.json.")
]
TrainingsOption = Annotated[
    int | None,
    typer.Option(min=1, help="With --train: so many trainings, each of its own seed; those that are there stay."),
]
ScorersOption = Annotated[str | None, typer.Option(help="With --train: names, by default all.")]
OtherTaskOption = Annotated[
    list[str] | None, typer.Option(help="With --train: a task for transfer, such as 'chain levels=[5]'.")
]
OtherModelOption = Annotated[list[str] | None, typer.Option(help="With --train: a model for transfer.")]
LiveOption = Annotated[
    list[str] | None, typer.Option(help="With --train: a policy that runs live; by default nine of all kinds.")
]
PicturesOption = Annotated[Path | None, typer.Option(metavar="DIR", help="With --train: draw into this folder.")]
JsonFileOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON; - is stdout.")]


@app.command()
def think(
    model: Annotated[str, typer.Argument(help="Organism, packaged model, folder or hub id.")],
    task: Annotated[str, typer.Option(help="The task whose test problems are answered.")],
    count: Annotated[int, typer.Option("-n", min=1, help="Traces per problem.")] = 16,
    policy: PolicyOption = None,
    scorer: ScorerOption = None,
    vote: VoteOption = "weighted",
    problems: Annotated[int, typer.Option(min=1, help="How many test problems.")] = 8,
    risk: RiskOption = None,
    on_uncertain: UncertainOption = "abstain",
    max_loss: MaxLossOption = None,
    max_dropped: MaxDroppedOption = 1.0,
    confidence: ConfidenceOption = 0.95,
    keys: KeysOption = None,
    options: SettingsOption = None,
    train: TrainOption = None,
    trainings: TrainingsOption = None,
    scorers: ScorersOption = None,
    other_task: OtherTaskOption = None,
    other_model: OtherModelOption = None,
    live: LiveOption = None,
    results: ResultsOption = Path("results"),
    pictures: PicturesOption = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every trace.")] = None,
    json_file: JsonFileOption = None,
    data_dir: DataOption = None,
) -> None:
    """Answer problems with several traces that a probe token scores and stops early; train and compare scorers."""
    from rlvr_bench.console.bars import Bars
    from rlvr_bench.thinking.promise import Terms
    from rlvr_bench.thinking.request import ThinkRequest

    request = ThinkRequest(model, {"name": task} | given_settings(keys), data_dir, _nested(given_settings(options)))
    terms = None if max_loss is None else Terms(max_loss, max_dropped, confidence)
    with Bars() as bars:
        if train is None:
            _answer(
                request,
                bars,
                json_file,
                parquet,
                count,
                policy,
                scorer,
                vote,
                problems,
                risk,
                on_uncertain,
                confidence,
                terms,
            )
            return
        from rlvr_bench.thinking.comparison import compare_scorers

        for path, requested in _of_trainings(request, results / "thinking", train, trainings):
            document = compare_scorers(
                requested,
                path.stem,
                scorers=scorers.split(",") if scorers else (),
                other_tasks=[_task_settings(text) for text in other_task or ()],
                other_models=other_model or (),
                policies=live or (),
                terms=terms,
                watcher=bars,
            )
            _keep_comparison(document, path, pictures)


def _of_trainings(
    request: "ThinkRequest", folder: Path, name: str, count: int | None
) -> Iterator[tuple[Path, "ThinkRequest"]]:
    """Yield where each training's document goes and what it is of; without a count the one that was asked for.

    With one, trainings differ in `scorer.seed` alone, and a document that is there is not made again.
    """
    from rlvr_bench.console.text import say

    if count is None:
        yield folder / f"{name}.json", request
        return
    for seed in range(count):
        path = folder / "trainings" / f"{name}-training-{seed}.json" if seed else folder / f"{name}.json"
        if path.exists():
            say(f"{path} is there")
            continue
        yield path, request.with_training_seed(seed)


def _answer(
    request: "ThinkRequest",
    bars: "Bars",
    json_file: str | None,
    parquet: Path | None,
    count: int,
    policy: str | None,
    scorer: str | None,
    vote: str,
    problems: int,
    risk: float | None,
    on_uncertain: Literal["abstain", "sample"],
    confidence: float,
    terms: "Terms | None",
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from rlvr_bench.cli.views.thinking import LiveView, answer_lines
    from rlvr_bench.console.text import print_json_text, tell
    from rlvr_bench.record.atomic import replace_whole, write_whole
    from rlvr_bench.record.numbers import strict_json
    from rlvr_bench.thinking.answering import answer_problems
    from rlvr_bench.thinking.thinking import THINK_SCHEMA

    answers = answer_problems(
        request,
        size=count,
        policy=policy,
        scorer=scorer,
        aggregator=vote,
        problems=problems,
        risk=risk,
        on_uncertain=on_uncertain,
        confidence=confidence,
        terms=terms,
        watcher=bars,
        open_view=lambda: LiveView(bars.terminal),
    )
    if parquet is not None:
        table = pa.Table.from_pylist(answers.traces, schema=THINK_SCHEMA)
        replace_whole(parquet, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
    document = strict_json(answers.document, indent=1)
    if json_file == STDOUT:
        print_json_text(document)
        return
    if json_file is not None:
        write_whole(Path(json_file), document + "\n")
    tell(*answer_lines(answers.document))


def _keep_comparison(document: dict[str, Any], path: Path, pictures: Path | None) -> None:
    from rlvr_bench.console.text import say, tell
    from rlvr_bench.record.atomic import write_whole
    from rlvr_bench.thinking.documents import as_text

    write_whole(path, as_text(document))
    tell(str(path))
    if pictures is not None:
        from rlvr_bench.thinking.pictures import draw  # matplotlib takes half a second

        say(*map(str, draw(document, pictures)))


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    """Return {"a.b": 1} as {"a": {"b": 1}}."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *tables, last = key.split(".")
        table = nested
        for name in tables:
            table = table.setdefault(name, {})
        table[last] = value
    return nested


def _task_settings(text: str) -> dict[str, Any]:
    """Return the settings of a task written as its name and keys with spaces between: "chain levels=[5]"."""
    name, *keys = text.split()
    return {"name": name} | given_settings(keys)
