"""Units: constants that turn a datasheet's figures into SI (bytes, seconds, hertz, watts, FLOP/s).

``95 * GB`` is bytes, ``2765 * GB_per_s`` is bytes per second. Nothing else in archsim scales a figure.
"""

MHz = 1e6
GHz = 1e9

KB = 1e3
MB = 1e6
GB = 1e9
TB = 1e12
KiB = 1024.0
MiB = 1024.0**2
GiB = 1024.0**3

GB_per_s = 1e9
TB_per_s = 1e12
Gbit_per_s = 1e9 / 8

GFLOPS = 1e9
TFLOPS = 1e12
PFLOPS = 1e15

ns = 1e-9
us = 1e-6
ms = 1e-3

pJ = 1e-12

W = 1.0

mm2 = 1.0
"""Die areas are kept in mm2, as every datasheet and every cost formula writes them."""
