"""One `rlvr-bench run` or `sweep`: lock, plan, cells, leaderboard, the difference to a reference.

In: stages of cells and a results folder. Out: records in it, a renewed leaderboard, and what became of the cells.
"""
