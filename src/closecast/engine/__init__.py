"""Engines: what trains a fleet of networks and runs them."""

from closecast.engine.choice import ENGINES, choose_engine

__all__ = ["ENGINES", "choose_engine"]
