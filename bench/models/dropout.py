"""No dropout in a base model, however its architecture keeps it.

A policy that drops activations while it learns is another one than the policy that was sampled. TRL switches off
`nn.Dropout` modules; OPT, Bloom and Falcon hand a rate from an attribute or the config to a function instead.
"""

from transformers import PreTrainedModel


def without_dropout(model: PreTrainedModel) -> PreTrainedModel:
    """Set every dropout rate of `model` to 0, in its modules and its config, and return it."""
    for owner in (*model.modules(), model.config.get_text_config(decoder=True)):
        for name, value in list(vars(owner).items()):
            if "drop" in name and isinstance(value, float):
                setattr(owner, name, 0.0)
        if "Dropout" in type(owner).__name__ and isinstance(getattr(owner, "p", None), float):
            owner.p = 0.0
    return model
