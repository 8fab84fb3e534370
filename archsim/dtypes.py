"""Number formats: their names, aliases and sizes."""

from __future__ import annotations

from typing import Any

from archsim.errors import unknown

BYTES: dict[str, float] = {
    "fp32": 4.0,
    "tf32": 4.0,  # stored as fp32; only the multiplier is narrower
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "int4": 0.5,
    "fp4": 0.5,
}
"""Storage of one element, in bytes, without scales."""

ALIASES: dict[str, str] = {
    "float32": "fp32",
    "float": "fp32",
    "f32": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "f16": "fp16",
    "float8": "fp8",
    "float8_e4m3fn": "fp8",
    "fp8_e4m3": "fp8",
    "e4m3": "fp8",
    "s8": "int8",
    "nvfp4": "fp4",
    "mxfp4": "fp4",
}


def dtype(name: Any) -> str:
    """Return archsim's name of a number format (``bfloat16`` gives ``bf16``).

    Raises
    ------
    ArchsimError
        If the format is not known.
    """
    key = str(name).lower().removeprefix("torch.")
    key = ALIASES.get(key, key)
    if key not in BYTES:
        raise unknown("dtype", name, BYTES)
    return key


def size(name: str) -> float:
    """Return the bytes of one element of format `name` (half a byte for 4-bit formats)."""
    return BYTES[name]
