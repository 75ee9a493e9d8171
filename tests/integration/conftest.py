"""What the tests of signals train: a tiny random base, loaded once a module, and runs that start from it.

Torch is imported when a test asks for them: the process that only hands tests to workers reads this file too.
"""

import gc
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from signal_runs import Start

    from rlvr_bench.models.base import LoadedBase


def pytest_collection_finish() -> None:
    """Leave what was imported to itself: every training ends with a full collection, which would look through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> "LoadedBase":
    """A tiny random base."""
    from launch_fixture import save_tiny_base

    from rlvr_bench.models.base import load
    from rlvr_bench.models.config import BaseConfig

    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


@pytest.fixture
def start(base: "LoadedBase", tmp_path: Path) -> "Start":
    """Starts a run of a signal from the base."""
    from signal_runs import starter

    return starter(base, tmp_path)


@pytest.fixture(scope="session")
def lm_eval_task_files() -> Iterator[None]:
    """Read lm-eval's own task files once: each of its managers reads all of them, for 17 s of a processor."""
    from lm_eval.tasks import _index

    own, load, known = Path(_index.__file__).parent, _index.load_yaml, dict[tuple[Path, Any], bytes]()

    def load_once(path: Path, **how: Any) -> Any:
        key = (path, tuple(how.items()))
        if not path.is_relative_to(own):
            return load(path, **how)
        if key not in known:
            known[key] = pickle.dumps(load(path, **how))
        return pickle.loads(known[key])  # a copy: who asks may change it

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_index, "load_yaml", load_once)
        yield
