"""The daily job: new bars in, a forecast recorded, the past scored, people told.

``closecast daily CONFIG.toml`` runs it. It may be run twice, be late by days or be
killed at any moment: each of its steps is done once, in order, and stays done.
"""
