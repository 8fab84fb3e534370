"""Dollars: what a chip costs to make, to own, and what a Run costs on it."""

from archsim.economics.cost import Cost, cost
from archsim.economics.day import Day
from archsim.economics.server import Server
from archsim.economics.site import Assumptions, chip_hour, payback_years, whole_site

__all__ = ["Assumptions", "Cost", "Day", "Server", "chip_hour", "cost", "payback_years", "whole_site"]
