"""The analyses that claims on boards of several bases name."""

from collections.abc import Mapping

from rlvr_bench.studies.finding import Analysis
from rlvr_bench.studies.rates import separation

ANALYSES: Mapping[str, Analysis] = {"group-separation": separation.group_separation}
