"""Procedural problem families with a difficulty level.

In: a random generator and a level. Out: problems, worked steps to their answers, plausible wrong answers.
A family is one file here and one row of `FAMILIES`; splits are cut in `tasks.procedural`.
"""

from tasks.families.chain import Chain
from tasks.families.compare import Compare
from tasks.families.count import Count
from tasks.families.family import Family, Misbelief
from tasks.families.linear import Linear
from tasks.families.sort import Sort
from tasks.families.sums import Sums
from tasks.families.words import Words

_ALL: tuple[Family, ...] = (Chain(), Sums(), Linear(), Compare(), Count(), Sort(), Words())
FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}

__all__ = ["FAMILIES", "Family", "Misbelief"]
