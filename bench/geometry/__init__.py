"""What training did to the weights: the KL anchor, the geometry of the update, and what bf16 lets through.

In: a base and a tuned checkpoint (folders, hub ids, adapters), or a cell's tensor pairs. Out: figures per matrix and a
summary, each beside the same figure of null updates. Training, rollouts and verdicts are not its business.
"""
