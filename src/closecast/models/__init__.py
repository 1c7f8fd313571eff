"""What a model is: its shape, its first weights and the meaning of its outputs."""
