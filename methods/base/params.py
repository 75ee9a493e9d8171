"""The key `params`: how many values a method may train, as a share of the base's parameters or as a count.

Only the arithmetic is here; `budget` finds the dial that hits it on a model.
"""

import re
from typing import Any

SHARE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*%")


def checked_params(params: Any) -> str | int:
    """Return `given` when it is a share above 0 and up to 100 % ("0.5%") or a count of at least 1.

    Raises ValueError, one sentence with the fix, for anything else.
    """
    if isinstance(params, int) and not isinstance(params, bool) and params >= 1:
        return params
    if isinstance(params, str) and (share := _share(params)) is not None and 0 < share <= 1:
        return params.strip()
    raise ValueError(
        "it is neither a share of the base's parameters above 0 and up to 100 %, written params = '0.5%', nor a count "
        "of at least 1, written params = 20000"
    )


def target_count(params: str | int, total: int) -> int:
    """Return how many of `total` parameters `params` (as `checked_params` lets it through) stands for, at least 1."""
    if isinstance(params, int):
        return params
    share = _share(params)
    assert share is not None
    return max(1, round(share * total))


def _share(text: str) -> float | None:
    match = SHARE.fullmatch(text.strip())
    return float(match[1]) / 100 if match else None
