"""The shipped configuration by which accelerate shards a cell's model, handed on as accelerate's launcher does.

Imports no torch: it is read before the processes of a cell are forked.
"""

from pathlib import Path

CONFIG = Path(__file__).with_name("fsdp2.yaml")
SWITCH = "ACCELERATE_USE_FSDP"
"""The variable by which accelerate, and the trainer here, know that a model is to be sharded."""


def environment() -> dict[str, str]:
    """Return the variables that accelerate reads in place of the file."""
    import yaml  # only a cell that is sharded needs it

    keys = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["fsdp_config"]
    return {SWITCH: "true"} | {name.upper(): _written(value) for name, value in keys.items()}


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
