"""The stored format of runs: a folder a cell while a grid runs, two packed files a comparison afterwards.

In: records and steps of cells. Out: the same, read from either form (`store`), and packed (`pack`). Imports no torch.
"""
