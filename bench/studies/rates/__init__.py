"""The sweeps behind the learning rates of other presets; no claim stands on them."""
