"""Verbs about methods: list, show, check, cost."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlvr_bench.cli.options import JsonOption, PluginOption, given_settings

if TYPE_CHECKING:
    from rlvr_bench.methods.base.method import Method

app = typer.Typer(help="Fine-tuning methods.", no_args_is_help=True)


@app.command("list")
def methods_list(
    base: Annotated[str, typer.Option(help="The base on which trainable parameters are counted.")] = "organism-steps",
    counts: Annotated[
        bool, typer.Option("--counts", help="Attach the methods whose count the shapes of the base do not tell.")
    ] = False,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the registered methods, and what each trains at its defaults."""
    from rlvr_bench.cli.views.methods import ALIAS_COLUMNS, COLUMNS, LEGEND, alias_rows, as_text
    from rlvr_bench.console.tables import print_line, print_table
    from rlvr_bench.console.text import print_json
    from rlvr_bench.models.method_sizes import listing

    rows = listing(base, counts)
    if as_json:
        print_json(rows)
    else:
        print_table([as_text(row) for row in rows], COLUMNS, numbers=["trainable", "share"])
        print_line(LEGEND.format(base=base))
        print_table(alias_rows(), ALIAS_COLUMNS)
    raise typer.Exit(1 if _say_faults("not listed") else 0)


@app.command("show")
def methods_show(name: str, plugin: PluginOption = None, as_json: JsonOption = False) -> None:
    """Show a method's formula, source, dial, learning rates and settings with their defaults and why they are that."""
    from rlvr_bench.cli.views.methods import entry_as_text, snippet
    from rlvr_bench.console.tables import print_entry
    from rlvr_bench.console.text import print_json, tell
    from rlvr_bench.methods import registry as method_registry

    entry = method_registry.describe(name).model_dump(mode="json")
    if as_json:
        print_json(entry)
    else:
        print_entry(entry_as_text(entry), lists=["fields"])
        tell("", snippet(name, entry))


@app.command("check")
def methods_check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Check all registered methods.")] = False,
    keys: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the method as in TOML, such as --set rank=4.")
    ] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove on tiny models that a method does what every method must: one line per check."""
    import torch

    from rlvr_bench.cli.views.methods import show_checks
    from rlvr_bench.console.text import print_json, say, tell
    from rlvr_bench.methods.conformance.suite import timed

    _check_names("check", names, every, keys)
    methods, without = _every_example() if every else (_examples(names or [], given_settings(keys)), [])
    broken = every and _say_faults("not checked")
    say(*(f"not checked: {name} needs settings, see methods show {name}" for name in without))
    torch.set_num_threads(1)  # on tiny models a second thread only waits
    documents = []
    for method in methods:
        outcomes, seconds = timed(method)
        documents.append(
            {
                "method": method.type,
                "settings": method.model_dump(mode="json", exclude_unset=True),
                "passed": all(outcome.status != "failed" for outcome in outcomes),
                "seconds": round(seconds, 2),
                "checks": [vars(outcome) for outcome in outcomes],
            }
        )
        if not as_json:
            show_checks(documents[-1], brief=every)
    failed = sum(not document["passed"] for document in documents)
    if as_json:
        print_json(documents)
    elif every:
        tell(f"{len(documents)} checked, {failed} failed")
    raise typer.Exit(1 if failed or broken else 0)


@app.command("cost")
def methods_cost(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Measure all registered methods at their defaults.")] = False,
    keys: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the method as in TOML, such as --set rank=4.")
    ] = None,
    base: Annotated[str, typer.Option(help="The base model to measure on.")] = "organism-steps",
    pairs: Annotated[int, typer.Option(min=1, help="Steps of the method and of full fine-tuning to compare.")] = 15,
    rows: Annotated[int, typer.Option(min=1, help="Sequences of 64 tokens in the batch of a step.")] = 64,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure one optimizer step of a method beside full fine-tuning's: time, optimizer state, memory; as CSV."""
    from rlvr_bench.cli.views.methods import print_cost
    from rlvr_bench.console.text import print_json, say
    from rlvr_bench.methods import registry as method_registry
    from rlvr_bench.models.method_costs import UNEXPLAINED, Refused, measure_costs

    _check_names("cost", names, every, keys)
    methods, without = _defaults(method_registry.available()[0] if every else names or [], given_settings(keys))
    broken = every and _say_faults("not measured")
    say(*(f"not measured: {name} has no defaults, its keys decide what it costs" for name in without))
    complete, measured = (not broken) if every else not without, list[dict[str, Any]]()
    for cost in measure_costs(methods, base, pairs, rows):
        if isinstance(cost, Refused):
            say(f"not measured: {cost.method}: {cost.why}")
            complete = False
            continue
        measured.append(cost)
        if cost["why"] == UNEXPLAINED:
            say(f"{cost['method']}: a step costs {cost['step_ratio']} of full fine-tuning's, and no reason is known")
            complete = False
        if not as_json:
            print_cost(cost, first=len(measured) == 1)
    if as_json:
        print_json(measured)
    raise typer.Exit(0 if complete else 1)


def _say_faults(noun: str) -> bool:
    """Say on stderr which plug-ins are left out, and why; return whether there are any."""
    from rlvr_bench.console.text import say
    from rlvr_bench.methods.registry import available

    faults = available()[1]
    say(*(f"{noun}: {fault}" for fault in faults))
    return bool(faults)


def _check_names(verb: str, names: list[str] | None, every: bool, keys: list[str] | None) -> None:
    from rlvr_bench.experiment.errors import ExperimentError

    if every == bool(names) or (every and keys):
        raise ExperimentError(f"methods {verb}: name the methods, with --set if you like, or give --all")


def _defaults(names: list[str], settings: dict[str, Any]) -> "tuple[list[Method], list[str]]":
    """Return the named types with `settings`, without any at their defaults, and the names of those that have none.

    Raises MethodError for an unknown name or setting.
    """
    from rlvr_bench.methods import registry as method_registry

    methods: list[Method] = []
    without: list[str] = []
    for name in names:
        method = method_registry.create({"type": name} | settings) if settings else method_registry.default(name)
        if method is None:
            without.append(name)
        else:
            methods.append(method)
    return methods, without


def _examples(names: list[str], settings: dict[str, Any]) -> "list[Method]":
    """Return what to check: the named types with `settings`, or without any the examples of each.

    Raises MethodError for an unknown name or setting, and for a type that needs a setting.
    """
    from rlvr_bench.methods import registry as method_registry

    methods: list[Method] = []
    for name in names:
        examples = [] if settings else method_registry.examples(name)
        methods += examples or [method_registry.create({"type": name} | settings)]
    return methods


def _every_example() -> "tuple[list[Method], list[str]]":
    """Return the examples of all registered methods, and the names of those that have none."""
    from rlvr_bench.methods import registry as method_registry

    examples = {name: method_registry.examples(name) for name in method_registry.available()[0]}
    return [each for methods in examples.values() for each in methods], [
        name for name in examples if not examples[name]
    ]
