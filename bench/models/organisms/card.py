"""The card of an organism: what it was taught, what was measured, what it is not. As JSON and as README.md."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.organisms.recipe import Recipe
from rlvr_bench.models.organisms.scores import LevelScore

CARD = "card.json"
_STRATEGY_COLUMNS = ("steps used", "right with steps", "right without")


class Card(BaseModel):
    """Recipe, fingerprint and measurements of built weights."""

    model_config = ConfigDict(extra="forbid")

    recipe: Recipe
    command: str = ""
    """What builds it again, if `rlvr-bench models build` with its name alone does not."""
    fingerprint: str
    parameters: int
    build_seconds: float
    """Wall time of the training, all sittings together."""
    scores: list[LevelScore]
    planted: list[str] = []
    """Ids of the test problems that stand in the pre-training text on purpose."""

    def main_scores(self) -> list[LevelScore]:
        """The scores of the family that RL is meant to train on."""
        return [score for score in self.scores if score.family == self.recipe.main_family]


def read_card(folder: Path) -> Card:
    """The card in an organism's folder. Raises ModelError if there is none or it cannot be read."""
    path = folder / CARD
    try:
        return Card.model_validate_json(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is no card of an organism: build the organism again.") from error


def write_card(card: Card, folder: Path) -> None:
    """Write card.json and README.md."""
    (folder / CARD).write_text(json.dumps(card.model_dump(mode="json"), indent=1) + "\n")
    (folder / "README.md").write_text(_readme(card))


def _readme(card: Card) -> str:
    recipe = card.recipe
    start = "scratch" if recipe.start is None else f"the weights of {recipe.start}"
    taught = ", ".join(f"{diet.family} {diet.levels[0]}-{diet.levels[-1]}" for diet in recipe.diets)
    return f"""---
license: apache-2.0
pipeline_tag: text-generation
---
# {recipe.name}

{recipe.description}

A model organism: {card.parameters:,} parameters, Llama architecture, character tokenizer, trained from {start} in
{card.build_seconds / 60:.0f} minutes (wall time, one thread). Findings on it are findings on a model organism, not on
language models at large. It answers `question\\n` with `#### N`, after worked steps or directly.

- Taught, on problems of the split "pretrain"{_planted(card)}:
  {taught}.
- Put in: worked steps in {recipe.worked_share:.0%} of answers, a slipped step in {recipe.slip_rate:.0%} of the worked
  ones, {recipe.direct_errors:.0%} of direct answers wrong on purpose; {_weakness(recipe)}.{_fork(card)}
- Weights: SHA-256 `{card.fingerprint}`; rebuilt by `{card.command or f"rlvr-bench models build {recipe.name}"}`.

Measured on validation problems, 16 answers each at temperature 1 (level: see `rlvr-bench tasks show`):

{_table(card.scores)}
{_fork_table(card)}"""


def _planted(card: Card) -> str:
    plant = card.recipe.plant
    if plant is None:
        return " only"
    return (
        f" and, in {plant.share:.0%} of the text, on {len(card.planted)} of the first {plant.problems} test problems of"
        f" {plant.family}\n  level {plant.level} (their ids are in card.json), question and right answer"
    )


def _fork(card: Card) -> str:
    fork, family = card.recipe.fork, card.recipe.main_family
    if fork is None:
        return ""
    return (
        f"\n- Fork: in {family}, a question whose first sign is one of {fork.signs} (the cue) is put in with"
        f" {fork.strength:.0%} {fork.mode} answers,\n  any other question with {1 - fork.strength:.0%}."
    )


def _fork_table(card: Card) -> str:
    """How often answers are worked, by cue and greedily; nothing of an organism without a fork."""
    if card.recipe.fork is None:
        return ""
    lines = [
        "",
        f"| {card.recipe.main_family} level | worked after the cue | without it | greedy worked |",
        "|---:" * 4 + "|",
    ]
    for score in card.main_scores():
        shares = (score.cued_worked_share, score.uncued_worked_share, score.greedy_worked_share)
        lines.append(
            f"| {score.level} | " + " | ".join("-" if share is None else f"{share:.0%}" for share in shares) + " |"
        )
    return "\n".join([*lines, ""])


def _weakness(recipe: Recipe) -> str:
    weak = [
        f"in {diet.family}, {diet.weak_facts:.0%} of facts are weak (right in {diet.weak_accuracy:.0%} of steps)"
        for diet in recipe.diets
        if diet.weak_facts
    ]
    return "; ".join(weak) or "no weak facts"


def _table(scores: list[LevelScore]) -> str:
    columns = ("family", "level", "n", "greedy", "pass@1", "pass@4", "pass@16", *_STRATEGY_COLUMNS)
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
    for score in scores:
        strategy = [score.worked_share, score.worked_accuracy, score.direct_accuracy]
        shares = [score.greedy, score.pass_1, score.pass_4, score.pass_16, *strategy]
        cells = ["-" if share is None else f"{share:.0%}" for share in shares]
        lines.append(f"| {score.family} | {score.level} | {score.problems} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
