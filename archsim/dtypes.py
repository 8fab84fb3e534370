"""Number formats: their names, aliases and sizes, scales of small formats included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archsim.errors import unknown


@dataclass(frozen=True)
class Scaled:
    """A storage format whose elements share scales: `group` elements of format `base` and `scale` bytes."""

    base: str
    group: int
    scale: float


SCALED: dict[str, Scaled] = {
    # What GPTQ and AWQ checkpoints hold by default: groups of 128 along k with an fp16 scale (symmetric).
    "int4_g128": Scaled("int4", 128, 2.0),
    "int4_g64": Scaled("int4", 64, 2.0),
    "int4_g32": Scaled("int4", 32, 2.0),
    # OCP Microscaling Formats (MX) v1.0, 2023: blocks of 32 with an E8M0 scale of 8 bits.
    "mxfp8": Scaled("fp8", 32, 1.0),
    "mxfp4": Scaled("fp4", 32, 1.0),
    # NVIDIA Blackwell: blocks of 16 with an E4M3 scale (the fp32 scale of a whole tensor does not count).
    "nvfp4": Scaled("fp4", 16, 1.0),
    # DeepSeek-V3 (arXiv 2412.19437, 3.3.2): weights in tiles of 128 x 128, activations in tiles of 1 x 128, each with
    # an fp32 scale.
    "fp8_block": Scaled("fp8", 128 * 128, 4.0),
    "fp8_tile": Scaled("fp8", 128, 4.0),
}
"""Storage formats with scales. A bare ``fp8``, ``int8``, ``int4`` or ``fp4`` has one scale per tensor or row: none."""

ROWS: dict[str, str] = {"fp8_block": "fp8_tile"}
"""Formats of rows that go with formats of weights, where they are not the same."""

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
"""Storage of one element, in bytes; for a format of `SCALED` with its share of the scale."""

BYTES.update({name: BYTES[s.base] + s.scale / s.group for name, s in SCALED.items()})

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


def arithmetic(name: Any) -> str:
    """Return the format that a multiplier sees: that of the elements, without their scales (``nvfp4`` gives ``fp4``).

    Raises
    ------
    ArchsimError
        If the format is not known.
    """
    key = dtype(name)
    return SCALED[key].base if key in SCALED else key


def size(name: str) -> float:
    """Return the bytes of one element of format `name` (half a byte for 4-bit formats)."""
    return BYTES[name]
