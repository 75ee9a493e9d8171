"""What is kept of a run, and the leaderboard that follows from it.

In: run records (`run.json`, `steps.jsonl`, `samples.parquet`). Out: `leaderboard.csv`, the same table in a terminal,
its difference to a reference. Imports no torch.
"""
