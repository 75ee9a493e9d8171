"""The shipped configuration by which accelerate shards a cell's model, handed on as accelerate's launcher does.

It is a file that `accelerate launch --config_file` takes too: each decoder layer is a unit, its weights are gathered
again for the backward pass, and every process loads the base, which it needs whole for rollouts.
"""

import json
from pathlib import Path

CONFIG = Path(__file__).with_name("fsdp2.json")
SWITCH = "ACCELERATE_USE_FSDP"
"""The variable by which accelerate, and the trainer here, know that a model is to be sharded."""


def environment() -> dict[str, str]:
    """Return the variables that accelerate reads in place of the file."""
    keys = json.loads(CONFIG.read_text(encoding="utf-8"))["fsdp_config"]
    return {SWITCH: "true"} | {name.upper(): _written(value) for name, value in keys.items()}


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
