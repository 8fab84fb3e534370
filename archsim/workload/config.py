"""config: a `ModelConfig` out of the Hugging Face config.json that its users already have."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archsim.errors import ArchsimError, path_of, unknown
from archsim.workload.architecture import ModelConfig
from archsim.workload.families import EXPERTS, FAMILIES, UNMODELLED, ignored
from archsim.workload.quantization import formats
from archsim.workload.reader import Reader, short
from archsim.workload.sublayers import ACTIVATIONS


def parse(config: Any, name: str = "model", where: str = "config") -> ModelConfig:
    """Turn the content of a config.json into a `ModelConfig`.

    A config of several parts (text and images) is read for its text; what is not modelled is in
    `ModelConfig.warnings`.

    Parameters
    ----------
    config
        The parsed JSON.
    name
        What to call the model.
    where
        What to call the file in errors.

    Raises
    ------
    ArchsimError
        If the family is not known, a dimension is missing or out of range, or dimensions contradict each other.
    """
    if not isinstance(config, Mapping):
        raise ArchsimError(f"{where}: a config.json is an object with keys, this is {type(config).__name__}")
    family, warnings = config.get("model_type"), list[str]()
    text = config.get("text_config")
    stored = formats({**text, **config} if isinstance(text, Mapping) else config)
    if stored is None:
        warnings.append("quantization_config is not understood: give dtype and weight_dtype yourself")
    if isinstance(text, Mapping):
        others = [key for key, value in config.items()
                  if isinstance(key, str) and key.endswith("_config") and isinstance(value, Mapping)
                  and key not in ("text_config", "quantization_config", "generation_config")]
        if others:
            warnings.append(f"only the text model is counted, not {', '.join(sorted(others))}")
        outer = {key: config[key] for key in ("tie_word_embeddings",) if key in config}
        inner = text.get("model_type")
        family = family if inner is None else inner
        config = {**outer, **text}
        where = f"{where}: text_config"
    elif isinstance(config.get("vision_config"), Mapping):
        warnings.append("only the text model is counted, not vision_config")
    if family is None:
        raise ArchsimError(f"{where}: lacks 'model_type'; known families: {', '.join(FAMILIES)}")
    if not isinstance(family, str):
        raise ArchsimError(f"{where}: model_type must be a string, not {short(family)}")
    if family in UNMODELLED:
        raise ArchsimError(f"{where}: model_type {family!r}: {UNMODELLED[family]}; known: {', '.join(FAMILIES)}")
    if family not in FAMILIES:
        raise ArchsimError(f"{where}: {unknown('model_type', family, FAMILIES)}")
    reader = Reader(config, where, name, family)
    try:
        model = FAMILIES[family](reader)
    except ArchsimError as e:
        if str(e).startswith(where):
            raise
        raise reader.error(str(e)) from None
    for key in EXPERTS:
        if key not in reader.taken and isinstance(config.get(key), int | float) and config[key] > 1:
            raise reader.error(f"{key} = {short(config[key])}, but the family {family!r} has no experts")
    return replace(model, warnings=(*warnings, *model.warnings, *ignored(reader)), formats=stored or ())


def read(path: str | os.PathLike[str]) -> ModelConfig:
    """Read a config.json, or the one in a folder. A file called config.json is named after its folder.

    Raises
    ------
    ArchsimError
        If the file is missing, is no JSON, or does not describe a known family.
    """
    file = path_of(path)
    if file.is_dir():
        file = file / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as e:
        raise ArchsimError(f"cannot read {file}: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise ArchsimError(f"{file}: not a text file") from None
    except (ValueError, RecursionError) as e:
        if isinstance(e, json.JSONDecodeError):
            at = f"line {e.lineno}: {e.msg}"
        else:
            at = "nested too deeply" if isinstance(e, RecursionError) else "a number of too many digits"
        raise ArchsimError(f"{file}: not valid JSON: {at}") from None
    name = file.resolve().parent.name if file.stem == "config" else file.stem
    return parse(config, name, str(file))


__all__ = ["ACTIVATIONS", "FAMILIES", "ModelConfig", "parse", "read"]
