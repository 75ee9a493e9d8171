"""A folder of one's own with a file, or several, for each split: `train.jsonl`, `test-00000-of-00001.parquet`.

As copies from the hub have it, the files may lie in `data/`. Which split a file belongs to, its name says.
"""

import re
from pathlib import Path

from rlvr_bench.tasks.datasets.files import SUFFIXES
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Split

_NAMES: dict[Split, str] = {"train": "train(?:ing)?", "validation": "validation|valid|val|dev", "test": "test"}
_SPLIT_OF = {split: re.compile(rf"(?:.*[_-])?(?:{names})(?![a-z]).*", re.IGNORECASE) for split, names in _NAMES.items()}


def files_by_split(folder: Path) -> dict[Split, list[Path]]:
    """The data files of each split that has one, in the order of their names.

    Raises TaskError if no file is named after a split, or one split is there in two formats.
    """
    places = (folder, folder / "data")
    found = [path for place in places if place.is_dir() for path in sorted(place.iterdir()) if _readable(path)]
    by_split: dict[Split, list[Path]] = {}
    for path in found:
        split = next((split for split, named in _SPLIT_OF.items() if named.fullmatch(path.name)), None)
        if split is not None:
            by_split.setdefault(split, []).append(path)
    if not by_split:
        raise TaskError(
            f"{folder} has no file named train, validation or test ({', '.join(SUFFIXES)}): name them so, or give"
            " path a file."
        )
    for split, paths in by_split.items():
        suffixes = sorted({"".join(path.suffixes[-2:]) for path in paths})
        if len(suffixes) > 1:
            raise TaskError(f"{folder} has files of {split} as {' and as '.join(suffixes)}: leave one of them there.")
    return by_split


def _readable(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(SUFFIXES)
