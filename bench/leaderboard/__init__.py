"""From records to the rows that people read: accuracies with intervals, ranks, and what changed.

In: run records. Out: rows, and `leaderboard.csv`, the same bytes for the same records.
"""
