"""What `rlvr-bench methods check` does: run the conformance kit on methods and say what it found."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rlvr_bench.console.tables import print_json
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base.method import Method

MARKS = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped"}


def configs(names: Iterable[str], settings: dict[str, Any]) -> list[Method]:
    """Return what to check: the named types with `settings`, or without any the examples of each.

    Raises MethodError for an unknown name or setting, and for a type that needs a setting.
    """
    found: list[Method] = []
    for name in names:
        examples = [] if settings else method_registry.examples(name)
        found += examples or [method_registry.create({"type": name} | settings)]
    return found


def every_config() -> tuple[list[Method], list[str]]:
    """Return the examples of all registered methods, and the names of those that have none."""
    examples = {name: method_registry.examples(name) for name in method_registry.available()[0]}
    return [each for found in examples.values() for each in found], [name for name in examples if not examples[name]]


def check(chosen: Iterable[Method], *, brief: bool, as_json: bool) -> bool:
    """Check each method and print a line per check, or with `brief` a line per method and its failures.

    With `as_json` stdout gets one document at the end. Returns whether nothing failed.
    """
    import torch

    from rlvr_bench.methods.conformance.suite import timed

    torch.set_num_threads(1)  # on tiny models a second thread only waits
    documents = []
    for method in chosen:
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
            _show(documents[-1], brief)
    if as_json:
        print_json(documents)
    elif brief:
        failed = sum(not document["passed"] for document in documents)
        print(f"{len(documents)} checked, {failed} failed")
    return all(document["passed"] for document in documents)


def _show(document: dict[str, Any], brief: bool) -> None:
    checks = document["checks"]
    if brief:
        tally = Counter(each["status"] for each in checks)
        counts = ", ".join(f"{tally[status]} {status}" for status in MARKS if tally[status])
        mark = MARKS["ok" if document["passed"] else "failed"]
        print(f"{mark} {_title(document)}: {counts} ({document['seconds']:.1f} s)", flush=True)
        checks = [each for each in checks if each["status"] == "failed"]
    else:
        print(f"{_title(document)} ({document['seconds']:.1f} s)")
    for each in checks:
        print(f"{MARKS[each['status']]} {each['check']}{': ' if each['detail'] else ''}{each['detail']}", flush=True)


def _title(document: dict[str, Any]) -> str:
    keys = [f"{key} = {value!r}" for key, value in document["settings"].items() if key != "type"]
    return " ".join([document["method"], *([f"({', '.join(keys)})"] if keys else [])])
