"""The way of one cell, from its base model to its record.

In: a cell. Out: its record, its steps and its samples, and events on the way. One process runs one cell.
"""
