"""Everything that prints: tables, entries, bars.

In: rows and numbers. Out: text on a terminal, or one JSON document. Knows nothing of experiments, records or models.
"""
