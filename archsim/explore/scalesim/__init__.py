"""What SCALE-Sim 3.0.0 reports, from its own files, in milliseconds.

``simulate(read_config("scale.cfg"), read_topology("net.csv").layers)`` gives its figures; `reports` the text of its
three files, `notes` what in them is an artefact.
"""

from archsim.explore.scalesim.files import Config, Layer, Topology, read_config, read_topology
from archsim.explore.scalesim.model import Result, Span, simulate
from archsim.explore.scalesim.reports import notes, own_counts, reports, to_dict

__all__ = ["Config", "Layer", "Result", "Span", "Topology", "notes", "own_counts", "read_config", "read_topology",
           "reports", "simulate", "to_dict"]
