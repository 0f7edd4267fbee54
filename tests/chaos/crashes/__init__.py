"""Processes that die at a named crash point, and what outlives them."""
