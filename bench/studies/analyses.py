"""What a claim can name as its analysis: the general ones, and those of each installed study.

A study is a package under the entry-point group `rlvr_bench.studies`; the table ANALYSES of its module `analyses` maps
names to functions of the evidence on one base model. An outside study adds its own in the same way. The modules are
imported when the first claim is judged, not before.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from rlvr_bench.plugins.studies import GROUP, broken_studies
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.claim import Claim
from rlvr_bench.studies.errors import FindingsError
from rlvr_bench.studies.finding import Analysis

GENERAL: Mapping[str, Analysis] = {
    "mean": contrasts.mean,
    "difference": contrasts.difference,
    "ratio": contrasts.ratio,
    "accuracy-difference": contrasts.accuracy_difference,
}


@cache
def analyses() -> Mapping[str, Analysis]:
    """Return all analyses by name, without those of studies that cannot be imported.

    Raises:
        FindingsError: a study's module cannot be imported or has no table, or two tables have the same name.
    """
    table, owners = dict(GENERAL), dict.fromkeys(GENERAL, "rlvr_bench")
    for study, package in sorted((point.name, point.value) for point in entry_points(group=GROUP)):
        if study in broken_studies():
            continue
        for name, analysis in _table_of(study, package).items():
            if name in table:
                raise FindingsError(
                    f"study {study!r}: analysis {name!r} is there already, from {owners[name]}; give it another name"
                )
            table[name], owners[name] = analysis, f"study {study!r}"
    return table


def _table_of(study: str, package: str) -> Mapping[str, Analysis]:
    """Return the table of one study; a study of presets alone has no module for it."""
    module = f"{package}.analyses"
    try:
        if find_spec(module) is None:
            return {}
        table: Mapping[str, Analysis] | None = getattr(import_module(module), "ANALYSES", None)
    except ImportError as error:
        raise FindingsError(f"study {study!r}: {module} cannot be imported ({error}); mend or uninstall it") from error
    if table is None:
        raise FindingsError(f"study {study!r}: {module} has no table ANALYSES; add one from names to functions")
    return table


def analysis_of(claim: Claim) -> Analysis:
    """Return the analysis that a claim names.

    Raises:
        FindingsError: there is none of that name, or it does not take those arguments.
    """
    analysis = analyses().get(claim.analysis)
    if analysis is None:
        raise FindingsError(
            f"claim {claim.id}: unknown analysis {claim.analysis!r}{did_you_mean(claim.analysis, analyses())}"
        )
    signature = inspect.signature(analysis)
    arguments: dict[str, Any] = claim.asked
    try:
        signature.bind(None, **arguments)
    except TypeError as error:
        named = list(signature.parameters)[1:]
        raise FindingsError(
            f"claim {claim.id}: analysis {claim.analysis!r}: {error}; it takes {', '.join(named)}"
        ) from error
    return analysis
