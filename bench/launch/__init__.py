"""Where cells run: each in a process of its own, several side by side.

In: cells and a results folder. Out: their records in it, and what became of each. A crash, an out-of-memory kill or a
leak ends one cell and is recorded as data.
"""
