"""Dollars: what a Run costs."""

from archsim.economics.cost import Assumptions, Cost, chip_hour, cost

__all__ = ["Assumptions", "Cost", "chip_hour", "cost"]
