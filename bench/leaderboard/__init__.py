"""From records to the rows that people read: accuracies with intervals, ranks, and what changed.

In: run records. Out: rows, and `leaderboard.csv` (what a person reviews) and `leaderboard-all.csv`,
the same bytes for the same records.
"""
