"""The models: what work exists. One Hugging Face config.json per model, in the format users already have.

``get("llama-3.1-70b")`` returns a `ModelConfig`; ``read("some/config.json")`` reads a user's own.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from archsim.errors import ArchsimError, unknown
from archsim.workload.config import ModelConfig, read

FOLDER = Path(__file__).parent

PUBLISHED: dict[str, tuple[float, str]] = {
    "gpt3-175b": (175e9, "Brown et al. 2020, table 2.1 (175.0B); 174.6B in table D.1"),
    "llama-2-7b": (6_738_415_616, "Hugging Face meta-llama/Llama-2-7b-hf, safetensors count"),
    "llama-2-70b": (68_976_648_192, "Hugging Face meta-llama/Llama-2-70b-hf, safetensors count"),
    "llama-3.1-8b": (8_030_261_248, "Hugging Face meta-llama/Llama-3.1-8B, safetensors count"),
    "llama-3.1-70b": (70_553_706_496, "Hugging Face meta-llama/Llama-3.1-70B, safetensors count"),
    "llama-3.1-405b": (405_853_388_800, "Hugging Face meta-llama/Llama-3.1-405B, 8-KV-head release"),
}
"""Published parameter count and where it is published, for every model shipped."""


def names() -> list[str]:
    """Return the names of all models shipped, smallest first."""
    return sorted((p.stem for p in FOLDER.glob("*.json")), key=lambda name: get(name).parameters)


@cache
def _shipped(name: str) -> ModelConfig:
    return read(FOLDER / f"{name}.json")


def get(name: str) -> ModelConfig:
    """Return a model shipped with archsim; case, ``_`` and spaces do not matter.

    Raises
    ------
    ArchsimError
        If there is no such model; the message gives the nearest name.
    """
    key = str(name).strip().lower().replace("_", "-").replace(" ", "-")
    known = sorted(p.stem for p in FOLDER.glob("*.json"))
    if key not in known:
        raise unknown("model", name, known)
    return _shipped(key)


def find(name: str | os.PathLike[str]) -> ModelConfig:
    """Return a shipped model by name, or read the config.json (or its folder) at that path.

    Raises
    ------
    ArchsimError
        If it is neither.
    """
    text = str(name)
    if text.endswith(".json") or (text and Path(text).exists()):
        return read(text)
    try:
        return get(text.rpartition("/")[2])  # a hub's id has its owner in front
    except ArchsimError as e:
        raise ArchsimError(f"{e}; or give the path of a config.json") from None


__all__ = ["PUBLISHED", "find", "get", "names", "read"]
