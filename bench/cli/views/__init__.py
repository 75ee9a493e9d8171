"""How results look in a terminal: a module per kind of result; the verbs choose and compute, these show.

In: rows, records, documents. Out: text on stdout, progress on stderr.
"""
