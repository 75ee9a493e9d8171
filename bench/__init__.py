"""The harness: from an experiment file to trained cells, records and a leaderboard.

In: a TOML file that names base models, methods, a task, a signal and seeds. Out: `results/`.
"""
