"""quantization: the formats in which a checkpoint is stored, from its config's ``torch_dtype`` and quantization_config.

What they say is given as options of `archsim.transformer` (``dtype``, ``weight_dtype``, ``expert_dtype``,
``kv_dtype``), so that a model is counted as its checkpoint is stored by asking for dtype ``checkpoint``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archsim.dtypes import BYTES
from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError

Formats = tuple[tuple[str, str], ...]
"""(option, format) pairs."""

GROUPED = {32: "int4_g32", 64: "int4_g64", 128: "int4_g128", -1: "int4"}
"""Formats of 4-bit whole numbers by the elements that share a scale (-1: all of an output)."""
BLOCKS = {16: "nvfp4", 32: "mxfp4"}
"""The same of 4-bit floats."""
EXCEPT = ("modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers")
"""Keys under which a quantization_config lists what stays as it was."""


def formats(config: Mapping[str, Any]) -> Formats | None:
    """Return what a config says of its checkpoint's formats; None if it is quantised in a way that is not known."""
    plain = _known(config.get("torch_dtype") or config.get("dtype"))
    given = config.get("quantization_config")
    if not given:
        return (("dtype", plain),) if plain else ()
    if not isinstance(given, Mapping):
        return None
    found = _quantised(given)
    if not found:
        return None
    if "dtype" not in found:
        found = {"dtype": plain or "bf16", **found}
    return tuple(found.items())


def described(found: Formats) -> str:
    """Return a sentence on a quantised checkpoint, nothing on one that is not."""
    if all(BYTES[name] >= 2 for _, name in found):
        return ""
    options = " ".join(f"--{option.replace('_', '-')} {name}" for option, name in found)
    return f"the checkpoint is quantised: --dtype checkpoint counts it so ({options})"


def _known(name: object) -> str:
    """Return archsim's name of a format of a checkpoint that is not quantised, "" if there is none."""
    try:
        found = dtype_name(name) if isinstance(name, str) else ""
    except ArchsimError:
        return ""
    return found if found and BYTES[found] >= 2 else ""


def _quantised(q: Mapping[str, Any]) -> dict[str, str]:
    """Return the formats of a quantization_config, nothing if it is not understood."""
    method, algorithm = (str(q.get(key) or "").lower() for key in ("quant_method", "quant_algo"))
    if method == "fp8":  # of weights and activations; DeepSeek's in tiles
        return {"dtype": "fp8_block" if q.get("weight_block_size") == [128, 128] else "fp8"}
    if method == "fbgemm_fp8":
        return {"dtype": "fp8"}
    if method == "mxfp4":
        return {_weights(q): "mxfp4"}
    if method in ("gptq", "awq"):
        return _weight_only(q, q.get("bits"), "int", q.get("group_size", -1))
    if method == "bitsandbytes":
        return _weight_only(q, 4, "int", 64) if q.get("load_in_4bit") is True else (
            {"dtype": "int8"} if q.get("load_in_8bit") is True else {})
    if method == "modelopt" or algorithm:
        name = {"fp8": "fp8", "nvfp4": "nvfp4"}.get(algorithm)
        cache = str(q.get("kv_cache_quant_algo") or "").lower()
        return ({"dtype": name} | ({"kv_dtype": "fp8"} if cache == "fp8" else {})) if name else {}
    return _compressed(q) if method == "compressed-tensors" else {}


def _compressed(q: Mapping[str, Any]) -> dict[str, str]:
    """Return the formats of a config of the compressed-tensors library: of its first group of layers."""
    groups = q.get("config_groups")
    first = next(iter(groups.values()), None) if isinstance(groups, Mapping) else None
    weights = first.get("weights") if isinstance(first, Mapping) else None
    if not isinstance(first, Mapping) or not isinstance(weights, Mapping):
        return {}
    bits, kind, group = weights.get("num_bits"), weights.get("type"), weights.get("group_size") or -1
    if not first.get("input_activations"):
        return _weight_only(q, bits, kind, group)
    tiled = weights.get("block_structure") == [128, 128]
    name = {(8, "float"): "fp8_block" if tiled else "fp8", (8, "int"): "int8", (4, "float"): "nvfp4"}
    found = name.get((bits, kind)) if isinstance(bits, int) and isinstance(kind, str) else None
    cache = q.get("kv_cache_scheme")
    eight = isinstance(cache, Mapping) and cache.get("num_bits") == 8
    return ({"dtype": found} | ({"kv_dtype": "fp8"} if eight else {})) if found else {}


def _weight_only(q: Mapping[str, Any], bits: object, kind: object, group: object) -> dict[str, str]:
    """Return the format of weights whose products stay in 16 bits."""
    name = None
    if bits == 4 and kind in ("int", "float") and isinstance(group, int):
        name = (GROUPED if kind == "int" else BLOCKS).get(group)
    elif bits == 8 and kind in ("int", "float"):
        name = "int8" if kind == "int" else "fp8"
    return {_weights(q): name} if name else {}


def _weights(q: Mapping[str, Any]) -> str:
    """Return whose weights are quantised: those of experts alone where attention is left as it was."""
    left = [name for key in EXCEPT if isinstance(q.get(key), Sequence) for name in q[key]]
    return "expert_dtype" if any("self_attn" in str(name) for name in left) else "weight_dtype"


__all__ = ["Formats", "described", "formats"]
