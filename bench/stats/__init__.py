"""How runs are compared: sampling metrics, intervals, tie groups and stability, as pure functions of numpy arrays.

In: outcomes per seed and problem. Out: estimates with intervals, tie groups. Knows nothing of files or models.
"""
