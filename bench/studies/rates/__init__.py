"""Learning rates, and boards on real models: the sweeps behind the rates of other presets, and whether the order of
methods on an organism is that on a real model (claims X1 to X5).
"""
