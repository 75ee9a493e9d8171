"""Sparse masks: chosen entries of every targeted matrix move, everything else stays bit for bit."""
