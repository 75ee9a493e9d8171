"""The table of methods that PEFT implements, one row each; a module holds the rows of one kind.

In: nothing. Out: the rows, by the value of `type`; `row.row_class` makes a config class of one.
Learning-rate ranges hold the rate of the source, or of PEFT's own comparison on MetaMathQA, and reach about two decades
to either side: reinforcement learning asks for less than supervised fine-tuning does, small models for more.
"""

from collections.abc import Mapping

from rlvr_bench.methods.peft.row import PeftRow
from rlvr_bench.methods.peft.table.gains import GAINS
from rlvr_bench.methods.peft.table.low_rank import STARTS, VARIANTS
from rlvr_bench.methods.peft.table.products import PRODUCTS
from rlvr_bench.methods.peft.table.prompts import PROMPTS
from rlvr_bench.methods.peft.table.rotations import ROTATIONS
from rlvr_bench.methods.peft.table.shared import SHARED
from rlvr_bench.methods.peft.table.subsets import SUBSETS
from rlvr_bench.methods.peft.table.transforms import TRANSFORMS

ROWS = (*STARTS, *VARIANTS, *SHARED, *PRODUCTS, *TRANSFORMS, *ROTATIONS, *SUBSETS, *GAINS, *PROMPTS)

PEFT_ROWS: Mapping[str, PeftRow] = {row.name: row for row in ROWS}
"""Type -> row."""
