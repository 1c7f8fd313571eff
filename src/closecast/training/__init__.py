"""What a run of an engine means: its settings, the trained model, its checkpoint."""
