"""Experiments: the front door over windows, models, training and evaluation."""
