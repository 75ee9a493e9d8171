"""Data sets of real problems, from a local folder or the hub.

In: a name and a folder, or a file of one's own in any common format. Out: problems in splits that share none, and what
was skipped or dropped on the way; or one sentence about the line, file or source that does not do.
"""
