"""What the installed PEFT release offers, read from its source files without importing it.

Importing PEFT pulls in torch and transformers (seconds); a plan that only has to say "no such adapter" or "no such key"
reads the config classes as syntax trees instead. Only names are read: values are checked by PEFT itself at attach.
"""

import ast
import importlib.metadata
import importlib.util
import re
from functools import cache
from pathlib import Path

from rlvr_bench.methods.errors import MethodError

_ASSIGNED_TYPE = re.compile(r"self\.peft_type = PeftType\.(\w+)")
_COMPARED_START = re.compile(r"""init_lora_weights(?:\.lower\(\))?(?: == |\.startswith\()"(\w+)\"""")
_SEED_FIELD = re.compile(r"seed|prng")


@cache
def _root() -> Path:
    spec = importlib.util.find_spec("peft")
    if spec is None or spec.origin is None:
        raise MethodError("PEFT is not installed; pip install peft")
    return Path(spec.origin).parent


def release() -> str:
    """Return the installed PEFT version."""
    return importlib.metadata.version("peft")


@cache
def config_files() -> dict[str, Path]:
    """Return PEFT type ("LORA") -> the file that defines its config, for all types of the installed release."""
    files = {}
    for path in sorted((_root() / "tuners").glob("*/config.py")):
        for name in _ASSIGNED_TYPE.findall(path.read_text(encoding="utf-8")):
            files[name] = path
    return files


def peft_types() -> list[str]:
    """Return the sorted names of all PEFT types of the installed release."""
    return sorted(config_files())


@cache
def config_fields(peft_type: str) -> frozenset[str]:
    """Return the field names of the config of `peft_type` (one of `peft_types`), inherited ones included."""
    classes = _classes(config_files()[peft_type])
    own = next(node for node in classes.values() if peft_type in _ASSIGNED_TYPE.findall(ast.unparse(node)))
    return frozenset(_fields(own, classes))


def seed_fields(peft_type: str) -> list[str]:
    """Return the sorted fields of the config of `peft_type` that seed PEFT's own random draws."""
    return sorted(name for name in config_fields(peft_type) if _SEED_FIELD.search(name))


@cache
def lora_starts() -> list[str]:
    """Return the sorted named values of `init_lora_weights` that LoRA layers of the installed release act upon."""
    layer = _root() / "tuners" / "lora" / "layer.py"
    return sorted(set(_COMPARED_START.findall(layer.read_text(encoding="utf-8"))))


def _fields(node: ast.ClassDef, siblings: dict[str, ast.ClassDef]) -> set[str]:
    names = {
        item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    for base in (base.id for base in node.bases if isinstance(base, ast.Name)):
        parent = siblings.get(base) or _shared_classes().get(base)
        if parent is not None:
            names |= _fields(parent, siblings)
    return names


@cache
def _shared_classes() -> dict[str, ast.ClassDef]:
    shared = ["config.py", "tuners/lycoris_utils.py", "tuners/lora/config.py", "tuners/prompt_tuning/config.py"]
    return {name: node for path in shared for name, node in _classes(_root() / path).items()}


@cache
def _classes(path: Path) -> dict[str, ast.ClassDef]:
    if not path.is_file():
        return {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
