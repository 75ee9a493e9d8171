"""The table of methods that PEFT implements, one row each; a module holds the rows of one kind.

In: nothing. Out: a config class per row, by the value of its `type`. Learning-rate ranges hold the rate of the source,
or of PEFT's own comparison on MetaMathQA, and reach about two decades to either side: reinforcement learning asks for
less than supervised fine-tuning does, small models for more.
"""

from collections.abc import Mapping

from methods.peft_entry import PeftEntry, entry_class
from methods.peft_table.gains import GAINS
from methods.peft_table.low_rank import STARTS, VARIANTS
from methods.peft_table.parts import PARTS
from methods.peft_table.products import PRODUCTS
from methods.peft_table.prompts import PROMPTS
from methods.peft_table.rotations import ROTATIONS
from methods.peft_table.shared import SHARED
from methods.peft_table.transforms import TRANSFORMS

ROWS = (*STARTS, *VARIANTS, *SHARED, *PRODUCTS, *TRANSFORMS, *ROTATIONS, *PARTS, *GAINS, *PROMPTS)

PEFT_ENTRIES: Mapping[str, type[PeftEntry]] = {row.name: entry_class(row) for row in ROWS}
"""Type -> config class."""
