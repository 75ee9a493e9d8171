"""How runs are compared: sampling metrics and resampling statistics, as pure functions of numpy arrays.

In: outcomes per seed and problem. Out: estimates with intervals, tie groups. Knows nothing of files or models.
"""
