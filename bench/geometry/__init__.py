"""What training did to the weights.

In: the base model's weights and a handle's effective weights. Out: per-matrix figures and a summary for the run record.
"""
