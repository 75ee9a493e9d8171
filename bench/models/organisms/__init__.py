"""Model organisms: small models whose pre-training is known, shipped with their weights.

In: a recipe with dials. Out: a folder that transformers loads, with a card of what was measured.
They stand for model families; a finding on them is a finding on organisms and labelled so.
"""
