"""The models: what work exists. One Hugging Face config.json per model, in the format users already have.

``get("llama-3.1-70b")`` returns a `ModelConfig`; ``read("some/config.json")`` reads a user's own.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from archsim.errors import ArchsimError, unknown
from archsim.workload.config import ModelConfig, read

from .published import PUBLISHED, Published

FOLDER = Path(__file__).parent

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
        raise unknown("model", name, known, listing="archsim models")
    return _shipped(key)


def published(model: ModelConfig) -> Published | None:
    """Return the published parameter count of a model shipped with archsim, None for any other."""
    known = PUBLISHED.get(model.name)
    return known if known is not None and model == get(model.name) else None


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


__all__ = ["PUBLISHED", "Published", "find", "get", "names", "published", "read"]
