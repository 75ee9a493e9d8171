"""Private parts of TRL, PEFT, lm-eval, transformers, Optuna and torch that this package stands on: a test each."""

import ast
import builtins
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from lm_eval.api.model import LM
from private_api import USES, PrivateUse, broken
from transformers import Trainer
from trl import DPOTrainer, GRPOTrainer, RewardTrainer, SFTTrainer

from rlvr_bench.evaluate.lm import BackendLM
from rlvr_bench.train.dpo import PairTrainer
from rlvr_bench.train.reward_model import _MeteredRewardTrainer
from rlvr_bench.train.shadowed import ShadowedTrainer
from rlvr_bench.train.supervised import SolutionTrainer
from rlvr_bench.train.trainer import RolloutTrainer

ROOT = Path(__file__).parents[2]
PACKAGES = ("trl", "peft", "lm_eval", "transformers")
OF_PYTHON = {"_exit", "_asdict"}


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.place.rpartition(':')[2]}-{use.kind}-{use.needs[:1]}")
def test_a_private_part_is_still_there(use: PrivateUse) -> None:
    assert broken(use) is None, broken(use)


@pytest.mark.parametrize(
    ("place", "kind", "needs", "says"),
    [
        ("trl:GRPOTrainer._gone", "member", (), "is gone; mend bench/x.py (why)"),
        ("trl.nowhere:GRPOTrainer", "member", (), "is gone"),
        ("trl:GRPOTrainer._compute_loss", "override", ("self", "inputs"), "takes (self, model, inputs), no longer"),
        ("trl:GRPOTrainer", "words", ("self._metrics", "self._gone"), "no longer has self._gone;"),
    ],
)
def test_what_broke_is_said_with_the_module_to_mend(place: str, kind: str, needs: tuple[str, ...], says: str) -> None:
    sentence = broken(PrivateUse("trl", place, kind, needs, "bench/x.py", "why"))  # type: ignore[arg-type]
    assert sentence is not None and says in sentence


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RolloutTrainer, GRPOTrainer),
        (SolutionTrainer, SFTTrainer),
        (PairTrainer, DPOTrainer),
        (ShadowedTrainer, Trainer),
        (_MeteredRewardTrainer, RewardTrainer),
        (BackendLM, LM),
    ],
)
def test_every_private_method_that_is_overridden_is_listed(ours: type, theirs: type) -> None:
    listed = {use.place.rpartition(".")[2] for use in USES if use.kind == "override"}
    overridden = {name for name in vars(ours) if re.match(r"_[^_]", name) and hasattr(theirs, name)}
    assert overridden - {"_abc_impl"} <= listed


def test_no_attribute_of_ours_is_one_of_theirs() -> None:
    """A newer TRL may begin to use a name that our trainers have set for themselves."""
    for ours, theirs in ((RolloutTrainer, GRPOTrainer), (SolutionTrainer, SFTTrainer), (PairTrainer, DPOTrainer)):
        classes = [each for each in ours.__mro__ if each.__module__.startswith("rlvr_bench.")]
        own = set(re.findall(r"self\.(_\w+)(?:: [^=\n]+)? = ", "".join(map(inspect.getsource, classes))))
        assert own
        source = "".join(map(inspect.getsource, (theirs, Trainer)))
        assert [name for name in sorted(own) if re.search(rf"self\.{name}\b", source)] == []


@pytest.mark.parametrize("use", [use for use in USES if use.kind != "words"], ids=lambda use: use.place)
def test_the_module_to_mend_is_where_it_is_used(use: PrivateUse) -> None:
    name = re.split(r"[.:]", use.place)[-1]
    for module in use.used_in.split(", "):
        assert name in (ROOT / module).read_text(encoding="utf-8"), module


def trees() -> dict[str, ast.Module]:
    paths = [path for folder in ("bench", "methods", "tasks") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in paths
        if "starters" not in path.parts
    }


def test_every_private_name_of_another_package_is_listed() -> None:
    """Attributes that begin with an underscore and that no module of ours defines, and private modules."""
    modules = trees()
    own = {name for tree in modules.values() for node in ast.walk(tree) for name in _defined(node)}
    used = {
        (name, path)
        for path, tree in modules.items()
        for node in ast.walk(tree)
        for name in _private(node)
        if name not in own | OF_PYTHON and not hasattr(builtins, name)
    }
    text = " ".join(f"{use.place} {' '.join(use.needs)}" for use in USES)
    assert used and [(name, path) for name, path in sorted(used) if not re.search(rf"\b{name}\b", text)] == []
    assert all((ROOT / path).is_file() for use in USES for path in use.used_in.split(", "))


IMPORTS = sorted(
    {
        (str(node.module), alias.name)
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PACKAGES
        for alias in node.names
    }
)


@pytest.mark.parametrize(("module", "name"), IMPORTS, ids=[f"{module}.{name}" for module, name in IMPORTS])
def test_what_is_imported_from_the_training_libraries_is_there(module: str, name: str) -> None:
    assert hasattr(import_module(module), name)


def _defined(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    parts = [part for target in targets for part in ast.walk(target)]
    own = [part.attr for part in parts if isinstance(part, ast.Attribute) and _is_self(part.value)]
    return own + [part.id for part in parts if isinstance(part, ast.Name)]


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _private(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
        return [node.attr]
    if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("rlvr_bench"):
        parts = [*node.module.split("."), *(alias.name for alias in node.names)]
        return [part for part in parts if re.match(r"_[^_]", part)]
    return []
