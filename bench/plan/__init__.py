"""What is to be done: which cells are done, missing or stale and why, and what the rest will take.

In: cells and the records of a results folder. Out: a state for each cell, and an estimate from past cells. No torch.
"""
