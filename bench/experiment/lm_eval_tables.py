"""`[[evaluate.lm_eval]]`, a table for each of lm-eval's tasks: the measurement `lm_eval` as a file may write it too."""

from typing import Any

from rlvr_bench.experiment.errors import ExperimentError

NAME = "lm_eval"
TABLES = f"[[evaluate.{NAME}]]"


def with_lm_eval(document: dict[str, Any], path: object) -> dict[str, Any]:
    """Return the document of the experiment file `path` with such tables as the one table `[measurements.lm_eval]`.

    A table names a task, a group or a tag of lm-eval; its other keys are those of the measurement.

    Raises:
        ExperimentError: a table without a name, other settings than its neighbour's, or the measurement given as well.
    """
    evaluate = document.get("evaluate")
    if not isinstance(evaluate, dict) or NAME not in evaluate:
        return document
    tables = evaluate[NAME]
    if not isinstance(tables, list) or not all(isinstance(each, dict) and "name" in each for each in tables):
        raise ExperimentError(f'{path}: {TABLES} has a table without a name; add one, such as name = "gsm8k_cot"')
    measurements = document.get("measurements", {})
    if not isinstance(measurements, dict) or NAME in measurements:
        raise ExperimentError(f"{path}: {TABLES} and [measurements.{NAME}] are both given; keep one of them")
    settings = [{key: value for key, value in each.items() if key != "name"} for each in tables]
    if any(each != settings[0] for each in settings):
        raise ExperimentError(f"{path}: tables of {TABLES} differ in more than their names; give all the same settings")
    scored = {"tasks": [each["name"] for each in tables], **(settings[0] if settings else {})}
    rest = {key: value for key, value in evaluate.items() if key != NAME}
    return document | {"evaluate": rest, "measurements": measurements | {NAME: scored}}
