"""What every method stands on: its typed config, the handle of an attached model, targets, dials, wrapped layers.

In: settings and a plain transformers model. Out: a handle, and the numbers that attestation needs.
"""
