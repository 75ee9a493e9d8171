"""The model card of an exported cell: what was trained, on what, and what it scored, all from its record."""

import tomli_w

from rlvr_bench.record.schema import RunRecord, Score

HEAD = """---
library_name: {library}
base_model: {base}
tags: [rlvr, rlvr-bench, {method}]
---

# {method} on {base}, task {task}

{what}. Trained by reinforcement learning with verifiable rewards on `{task}` under the reward `{reward}`, seed {seed},
with rlvr-bench. One run of one seed: its accuracy says little of the method; compare over seeds.

| task | split | problems | base, % | tuned, % |
|---|---|---:|---:|---:|
"""

LOADING = {
    True: 'PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), FOLDER)',
    False: "AutoModelForCausalLM.from_pretrained(FOLDER)",
}


def model_card(record: RunRecord, *, adapter: bool) -> str:
    """Return the README.md of an exported adapter or merged model."""
    keys = record.keys
    base, task = str(keys.base["name"]), str(keys.task["name"])
    head = HEAD.format(
        library="peft" if adapter else "transformers",
        base=base,
        method=keys.method_name,
        task=task,
        reward=keys.reward["name"],
        seed=keys.seed,
        what="A PEFT adapter" if adapter else "A whole model with the method's change merged into its weights",
    )
    settings = {name: record.cell[name] for name in ("method", "learning_rate", "signal", "task", "seed")}
    return (
        head
        + "".join(_rows(record))
        + f"\nAccuracy is greedy. Status of the run: {record.status}; cell {record.cell_id}; base weights "
        + f"{record.cell['base_fingerprint']}.\n\n    {LOADING[adapter].format(base=base)}\n\n"
        + f"```toml\n{tomli_w.dumps(_without_nulls(settings))}```\n"
    )


def _rows(record: RunRecord) -> list[str]:
    return [
        f"| {task} | {split} | {score.n} | {_percent(record.score('base', task, split))} | {_percent(score)} |\n"
        for task, splits in record.accuracy.get("tuned", {}).items()
        for split, score in splits.items()
    ]


def _percent(score: Score | None) -> str:
    return "" if score is None or score.greedy is None else f"{100 * score.greedy:.1f}"


def _without_nulls(value: object) -> dict[str, object]:
    """Return a table as TOML can hold it, which knows no null."""
    assert isinstance(value, dict)
    return {
        str(key): _without_nulls(item) if isinstance(item, dict) else item
        for key, item in value.items()
        if item is not None
    }
