"""Steering: one trained vector per layer, added to what the layer hands on."""
