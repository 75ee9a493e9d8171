"""What is observed in a cell beside training and scoring: the protocol, and how a cell gets its measurements.

In: the measurements that a cell names. Out: a result for each, under its name in the record. What measures lies in the
room that it belongs to, in a study or in another package, and is imported only by a cell that asks for it.
"""
