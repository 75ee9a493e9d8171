"""Search over settings: the protocol that tunes every method alike, and sweeps of one method by Optuna.

In: an experiment with ranges. Out: trials, their winner, and the cells that follow from it.
"""
