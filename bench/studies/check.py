"""The files of verdicts, against the records."""

from pathlib import Path

from rlvr_bench.leaderboard.over_bases import OVER_BASES_FILE, over_bases
from rlvr_bench.record import store
from rlvr_bench.studies.claim import load_claims
from rlvr_bench.studies.derive import FINDINGS_FILE, PAGE_FILE, contents, judge_all
from rlvr_bench.studies.errors import FindingsError
from rlvr_bench.studies.evidence import evidence_of


def findings_faults(results: Path, loaded: store.Loaded) -> list[str]:
    """Return which file of verdicts is there and not what the records give, as they were `loaded`."""
    present = [name for name in (FINDINGS_FILE, PAGE_FILE, OVER_BASES_FILE) if (results / name).exists()]
    if not present:
        return []
    again = "make it again with rlvr-bench findings"
    try:
        expected = contents(judge_all(load_claims(), evidence_of(results, loaded)), over_bases(loaded[0]))
    except FindingsError as error:
        return [f"{results / present[0]}: cannot be derived ({error})"]
    wrong = [name for name in present if (results / name).read_bytes() != expected.get(name, "").encode()]
    return [f"{results / name}: is not what the records give; {again}" for name in wrong]
