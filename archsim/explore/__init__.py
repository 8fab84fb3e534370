"""Exploration: how well the simulator meets measurements."""
