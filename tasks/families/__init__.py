"""Procedural problem families with a difficulty level.

In: a random generator and a level. Out: problems, worked steps to their answers, plausible wrong answers.
A family is one file here and one row of `FAMILIES`; splits are cut in `tasks.procedural`.
"""

from rlvr_bench.tasks.families.chain import Chain
from rlvr_bench.tasks.families.compare import Compare
from rlvr_bench.tasks.families.count import Count
from rlvr_bench.tasks.families.family import Family, Misbelief
from rlvr_bench.tasks.families.linear import Linear
from rlvr_bench.tasks.families.sort import Sort
from rlvr_bench.tasks.families.sums import Sums
from rlvr_bench.tasks.families.words import Words

_ALL: tuple[Family, ...] = (Chain(), Sums(), Linear(), Compare(), Count(), Sort(), Words())
FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}

__all__ = ["FAMILIES", "Family", "Misbelief"]
