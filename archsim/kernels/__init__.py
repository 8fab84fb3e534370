"""Kernels: numba functions over numbers and arrays; they know no chip by name, no graph and no Python object."""
