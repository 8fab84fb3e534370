"""Dollars: what a chip costs to make, to own, and what a Run costs on it."""

from archsim.economics.area import area
from archsim.economics.breakeven import breakeven, nre
from archsim.economics.chain import Chain, chain
from archsim.economics.chip_cost import Manufacturing, chip_cost
from archsim.economics.cost import Cost, cost
from archsim.economics.day import Day
from archsim.economics.range import Range
from archsim.economics.sensitivity import sensitivity
from archsim.economics.server import Server
from archsim.economics.site import Assumptions, chip_hour, payback_years, whole_site
from archsim.economics.training import dense_flop, training, training_of

__all__ = ["Assumptions", "Chain", "Cost", "Day", "Manufacturing", "Range", "Server", "area", "breakeven", "chain",
           "chip_cost", "chip_hour", "cost", "dense_flop", "nre", "payback_years", "sensitivity", "training",
           "training_of", "whole_site"]
