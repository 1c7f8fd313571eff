"""What a bar is, how it is read, and when the next session comes."""
