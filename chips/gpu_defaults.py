"""Sources of what GPUs take from the defaults of `archsim.GpuCore`, alike for all vendors."""

from archsim.hardware import Source

LIBRARY = Source("defaults of archsim.hardware.gpu, derived there", "derived")

_SEEN = "with measured kernels of A100 and H100 in sight (ai-dynamo/aiconfigurator)"

ESTIMATED = {
    "core.l2_write_bytes": Source(f"{_SEEN}: BY_KIND of archsim.hardware.gpu", "estimated", low=9.0, high=36.0),
    "core.tile_stream": Source(f"{_SEEN}: BY_KIND of archsim.hardware.gpu", "estimated", low=0.8, high=1.0),
    "core.product_code": Source(f"{_SEEN}, one figure for all GPUs", "estimated", low=100.0, high=1100.0),
    "core.attention_code": Source(f"{_SEEN}, one figure for all GPUs", "estimated", low=2500.0, high=6000.0),
    "core.overlap": Source(f"{_SEEN}, one figure for all GPUs", "estimated"),
}
"""Figures that nothing published derives."""
