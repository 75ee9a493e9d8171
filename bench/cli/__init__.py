"""The command line: one module per verb or group of verbs; `views/` shows what they found, `options` is shared.

In come words; out go tables, JSON and exit codes: 0 all asked-for cells are done, 1 some cell failed or is invalid,
2 the input is wrong, 130 interrupted. Heavy imports live inside the verbs, so that --help answers at once.
"""
