"""Data sets of real problems, from a local folder or the hub.

In: a name and a folder, or any JSONL file. Out: problems in splits that share none, or one sentence about the line,
file or source that does not do.
"""
