"""ModelConfig: a transformer's dimensions, read from the Hugging Face config.json that its users already have."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archsim.dtypes import BYTES
from archsim.errors import ArchsimError, unknown

# Plain and transcendental operations per result of an activation. Sigmoid is exp and reciprocal; tanh is one.
ACTIVATIONS = {
    "silu": (2.0, 2.0),
    "swish": (2.0, 2.0),
    "gelu": (5.0, 1.0),
    "gelu_new": (8.0, 1.0),
    "gelu_fast": (8.0, 1.0),
    "gelu_pytorch_tanh": (8.0, 1.0),
    "relu": (1.0, 0.0),
}

EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""Keys by which a config says that its layers are mixtures of experts."""


@dataclass(frozen=True)
class ModelConfig:
    """A decoder-only transformer, family by family reduced to the figures that decide its work.

    Dimensions are in elements. `window` is the sliding-attention window in tokens, None for full attention.
    """

    name: str
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    max_positions: int
    gated: bool
    activation: str
    norm: str
    positions: str
    tied: bool
    bias_qkv: bool = False
    bias_o: bool = False
    bias_mlp: bool = False
    window: int | None = None
    note: str = ""

    @property
    def norm_parameters(self) -> int:
        """Parameters of one norm: gain, and shift for LayerNorm."""
        return self.hidden * (2 if self.norm == "layernorm" else 1)

    @property
    def layer_matrix_parameters(self) -> int:
        """Weights of one layer that take part in matrix products (no biases, no norms)."""
        h, q, kv = self.hidden, self.heads * self.head_dim, self.kv_heads * self.head_dim
        return h * (q + 2 * kv) + q * h + (3 if self.gated else 2) * h * self.ffn

    @property
    def layer_parameters(self) -> int:
        """All parameters of one layer."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        bias = self.bias_qkv * (q + 2 * kv) + self.bias_o * self.hidden
        bias += self.bias_mlp * ((2 if self.gated else 1) * self.ffn + self.hidden)
        return self.layer_matrix_parameters + bias + 2 * self.norm_parameters

    @property
    def parameters(self) -> int:
        """All parameters; a tied output head counts once."""
        embedding = self.vocab * self.hidden * (1 if self.tied else 2)
        positions = self.max_positions * self.hidden if self.positions == "learned" else 0
        return embedding + positions + self.layers * self.layer_parameters + self.norm_parameters

    @property
    def active_parameters(self) -> int:
        """Parameters that one token uses (all of them in a dense model)."""
        return self.parameters

    def kv_bytes_per_token(self, dtype: str = "bf16") -> float:
        """Bytes that one token adds to the KV cache."""
        return 2 * self.layers * self.kv_heads * self.head_dim * BYTES[dtype]

    def flops_per_token(self, context: int = 0) -> float:
        """Forward matrix FLOP of one token that sees `context` keys, 2 per MAC, the output head included."""
        seen = min(context, self.window or context)
        linear = 2.0 * (self.layers * self.layer_matrix_parameters + self.vocab * self.hidden)
        return linear + 4.0 * self.layers * self.heads * self.head_dim * seen


class _Reader:
    """Takes checked values out of a config; every complaint names the file and the key."""

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        self.config, self.where = config, where

    def whole(self, *keys: str, default: int | None = None, high: int = 100_000_000) -> int:
        """Return a whole number from 1 to `high` under the first of `keys` that is present and not null."""
        for key in keys:
            value = self.config.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value % 1:
                raise ArchsimError(f"{self.where}: {key} must be a whole number, not {value!r}")
            if not 1 <= value <= high:
                raise ArchsimError(f"{self.where}: {key} must be from 1 to {high:,}, not {value!r}")
            return int(value)
        if default is None:
            raise ArchsimError(f"{self.where}: lacks {keys[0]!r}" + "".join(f" (or {k!r})" for k in keys[1:]))
        return default

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.config.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ArchsimError(f"{self.where}: {key} must be true or false, not {value!r}")
        return value

    def text(self, key: str, default: str) -> str:
        """Return a string."""
        value = self.config.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise ArchsimError(f"{self.where}: {key} must be a string, not {value!r}")
        return value

    def activation(self, key: str, default: str) -> str:
        """Return the name of a known activation."""
        name = self.text(key, default)
        if name not in ACTIVATIONS:
            raise ArchsimError(f"{self.where}: {unknown(key, name, ACTIVATIONS)}")
        return name


def _heads(r: _Reader, hidden: int) -> tuple[int, int, int]:
    """Read (heads, KV heads, head dim) and check that they agree."""
    heads = r.whole("num_attention_heads", high=65536)
    kv = r.whole("num_key_value_heads", default=heads, high=65536)
    if heads % kv:
        raise ArchsimError(f"{r.where}: num_attention_heads = {heads} is no multiple of num_key_value_heads = {kv}")
    if r.config.get("head_dim") is None and hidden % heads:
        raise ArchsimError(f"{r.where}: hidden_size = {hidden} is no multiple of num_attention_heads = {heads}")
    return heads, kv, r.whole("head_dim", default=hidden // heads, high=65536)


def _gpt2(r: _Reader, name: str) -> ModelConfig:
    hidden = r.whole("n_embd", "hidden_size")
    heads = r.whole("n_head", "num_attention_heads", high=65536)
    if hidden % heads:
        raise ArchsimError(f"{r.where}: n_embd = {hidden} is no multiple of n_head = {heads}")
    return ModelConfig(
        name=name, family="gpt2", layers=r.whole("n_layer", "num_hidden_layers", high=100_000), hidden=hidden,
        heads=heads, kv_heads=heads, head_dim=hidden // heads, ffn=r.whole("n_inner", default=4 * hidden),
        vocab=r.whole("vocab_size"), max_positions=r.whole("n_positions", "max_position_embeddings"), gated=False,
        activation=r.activation("activation_function", "gelu_new"), norm="layernorm", positions="learned",
        tied=r.flag("tie_word_embeddings", True), bias_qkv=True, bias_o=True, bias_mlp=True,
    )


def _llama(r: _Reader, name: str) -> ModelConfig:
    hidden = r.whole("hidden_size")
    heads, kv, head_dim = _heads(r, hidden)
    bias = r.flag("attention_bias", False)
    mlp_bias = r.flag("mlp_bias", False)
    return ModelConfig(
        name=name, family=r.text("model_type", "llama"), layers=r.whole("num_hidden_layers", high=100_000),
        hidden=hidden, heads=heads, kv_heads=kv, head_dim=head_dim, ffn=r.whole("intermediate_size"),
        vocab=r.whole("vocab_size"), max_positions=r.whole("max_position_embeddings", default=2048), gated=True,
        activation=r.activation("hidden_act", "silu"), norm="rmsnorm", positions="rope",
        tied=r.flag("tie_word_embeddings", False), bias_qkv=bias, bias_o=bias, bias_mlp=mlp_bias,
    )


def _mistral(r: _Reader, name: str) -> ModelConfig:
    window = None if r.config.get("sliding_window") is None else r.whole("sliding_window")
    return replace(_llama(r, name), window=window)


def _qwen2(r: _Reader, name: str) -> ModelConfig:
    # The query, key and value biases are hard-coded in the model class; the config does not mention them.
    if r.flag("use_sliding_window", False):
        raise ArchsimError(f"{r.where}: use_sliding_window = true gives layers different windows, "
                           "which is not modelled; set it to false to simulate full attention")
    return replace(_llama(r, name), bias_qkv=True, bias_o=False)


FAMILIES: dict[str, Callable[[_Reader, str], ModelConfig]] = {
    "gpt2": _gpt2,
    "llama": _llama,
    "mistral": _mistral,
    "qwen2": _qwen2,
}
"""Readers by the config's ``model_type``."""


def parse(config: Any, name: str = "model", where: str = "config") -> ModelConfig:
    """Turn the content of a config.json into a `ModelConfig`.

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
    family = config.get("model_type")
    if family is None:
        raise ArchsimError(f"{where}: lacks 'model_type'; known families: {', '.join(FAMILIES)}")
    experts = [key for key in EXPERTS if config.get(key)]
    if experts:
        raise ArchsimError(f"{where}: {experts[0]} = {config[experts[0]]!r}: mixtures of experts are not modelled yet; "
                           f"dense families are: {', '.join(FAMILIES)}")
    if not isinstance(family, str) or family not in FAMILIES:
        error = unknown("model_type", family, FAMILIES)
        raise ArchsimError(f"{where}: {error}")
    model = FAMILIES[family](_Reader(config, where), name)
    if config.get("quantization_config"):
        return replace(model, note="the config's quantization_config is not read: choose the dtype yourself")
    return model


def read(path: str | os.PathLike[str]) -> ModelConfig:
    """Read a config.json, or the one in a folder. A file called config.json is named after its folder.

    Raises
    ------
    ArchsimError
        If the file is missing, is no JSON, or does not describe a known family.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as e:
        raise ArchsimError(f"cannot read {file}: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise ArchsimError(f"{file}: not a text file") from None
    except (json.JSONDecodeError, RecursionError) as e:
        at = f"line {e.lineno}: {e.msg}" if isinstance(e, json.JSONDecodeError) else "nested too deeply"
        raise ArchsimError(f"{file}: not valid JSON: {at}") from None
    name = file.resolve().parent.name if file.stem == "config" else file.stem
    return parse(config, name, str(file))


__all__ = ["FAMILIES", "ModelConfig", "parse", "read"]
