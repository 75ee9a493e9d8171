"""The report page: what the records of a results folder say, as one file that a browser opens without a network.

In: run records and steps, the findings and frontier files, samples in the cache. Out: `report.html`. Imports no torch.
"""
