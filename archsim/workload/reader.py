"""reader: checked values out of a config.json; every complaint names the file and the key."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from archsim.errors import ArchsimError, unknown
from archsim.workload.architecture import ModelConfig, Stack
from archsim.workload.sublayers import ACTIVATIONS, AttentionConfig, Layer

LAYERS = 100_000
"""Most layers that a config may ask for: far above any model, low enough to look at each."""

Kind = TypeVar("Kind", bound=Hashable)


class Reader:
    """Takes checked values out of a config and remembers which keys were taken."""

    def __init__(self, config: Mapping[str, Any], where: str, name: str, family: str) -> None:
        self.config, self.where, self.name, self.family = config, where, name, family
        self.taken: set[str] = set()

    def error(self, text: str) -> ArchsimError:
        """Build an error that names the file."""
        return ArchsimError(f"{self.where}: {text}")

    def value(self, *keys: str) -> tuple[str, Any]:
        """Return the first of `keys` that is present and not null, and its value; else the first key and None."""
        self.taken.update(keys)
        for key in keys:
            if self.config.get(key) is not None:
                return key, self.config[key]
        return keys[0], None

    def has(self, *keys: str) -> bool:
        """Say whether one of `keys` is present and not null."""
        return self.value(*keys)[1] is not None

    def mistyped(self, key: str) -> str:
        """Return the key of the config that was probably meant to be `key`, "" if none looks like it."""
        found = difflib.get_close_matches(key, [k for k in self.config if isinstance(k, str)], n=1, cutoff=0.85)
        return found[0] if found and key not in self.config and found[0] not in self.taken else ""

    def whole(self, *keys: str, default: int | None = None, low: int = 1, high: int = 100_000_000) -> int:
        """Return a whole number from `low` to `high` under the first of `keys` that is present and not null."""
        key, value = self.value(*keys)
        if value is None:
            if default is None:
                hint = "".join(f"; is {wrong!r} mistyped?" for k in keys if (wrong := self.mistyped(k)))
                raise self.error(f"lacks {keys[0]!r}" + "".join(f" (or {k!r})" for k in keys[1:]) + hint)
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value % 1:
            raise self.error(f"{key} must be a whole number, not {short(value)}")
        if not low <= value <= high:
            raise self.error(f"{key} must be from {low} to {high:,}, not {short(value)}")
        return int(value)

    def optional(self, key: str, absent: int | None = None) -> int | None:
        """Return a whole number, None where the config says null, and `absent` where it says nothing."""
        if key not in self.config:
            self.taken.add(key)
            return absent
        return self.whole(key) if self.has(key) else None

    def number(self, *keys: str, default: float | None = None, high: float = 1e6) -> float | None:
        """Return a number above 0, or `default`."""
        key, value = self.value(*keys)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= high:
            raise self.error(f"{key} must be a number above 0, not {short(value)}")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        _, value = self.value(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(f"{key} must be true or false, not {short(value)}")
        return value

    def text(self, *keys: str, default: str) -> str:
        """Return a string."""
        key, value = self.value(*keys)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.error(f"{key} must be a string, not {short(value)}")
        return value

    def wholes(self, key: str) -> list[int] | None:
        """Return a list of whole numbers, or None."""
        _, value = self.value(key)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) > LAYERS or not all(type(v) is int for v in value):
            raise self.error(f"{key} must be a list of whole numbers, not {short(value)}")
        return value

    def inner(self, key: str) -> Reader:
        """Return a reader of the object under `key`; an empty one if there is none."""
        _, value = self.value(key)
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise self.error(f"{key} must be an object with keys, not {short(value)}")
        return Reader(value, f"{self.where}: {key}", self.name, self.family)

    def activation(self, *keys: str, default: str) -> str:
        """Return the name of a known activation."""
        name = self.text(*keys, default=default)
        if name not in ACTIVATIONS:
            raise self.error(str(unknown(self.value(*keys)[0], name, ACTIVATIONS)))
        return name

    def layers(self, *keys: str) -> int:
        """Return the number of layers."""
        return self.whole(*keys, high=LAYERS)

    def heads(
        self, hidden: int, key: str = "num_attention_heads", *more: str, kv: tuple[str, ...] = ("num_key_value_heads",),
        dim: tuple[str, ...] = ("head_dim",), width: str = "hidden_size", default_dim: int | None = None,
        default_heads: int | None = None, default_kv: int | None = None, grouped: bool = False,
    ) -> dict[str, int]:
        """Return heads, kv_heads and head_dim, and check that they agree.

        `grouped`: in this family a config without the key has some number of KV heads that it does not tell, so the
        key must be there; null means as many as heads.
        """
        heads = self.whole(key, *more, default=default_heads, high=65536)
        if grouped and kv[0] not in self.config:
            raise self.error(f"lacks {kv[0]!r}")
        kv_heads = self.whole(*kv, default=default_kv or heads, high=65536) if kv else heads
        if heads % kv_heads:
            raise self.error(f"{key} = {heads} is no multiple of {kv[0]} = {kv_heads}")
        if dim and self.has(*dim):
            head_dim = self.whole(*dim, high=65536)
        elif default_dim:
            head_dim = default_dim
        elif hidden % heads:
            raise self.error(f"{width} = {hidden} is no multiple of {key} = {heads}")
        else:
            head_dim = hidden // heads
        return {"heads": heads, "kv_heads": kv_heads, "head_dim": head_dim}

    def rotated(self, head_dim: int, key: str = "partial_rotary_factor", default: float = 1.0) -> int:
        """Return how many elements of a head are rotated, from their share of it."""
        share = self.number(key, default=default)
        assert share is not None
        if share > 1:
            raise self.error(f"{key} must be at most 1, not {share!r}")
        return max(1, int(head_dim * share))

    def local_layers(self, layers: int, default: Callable[[int], bool]) -> Callable[[int], bool]:
        """Return which layers have a sliding window: by ``layer_types`` if the config lists them, else `default`."""
        _, kinds = self.value("layer_types")
        if kinds is None:
            return default
        known = {"full_attention": False, "sliding_attention": True, "chunked_attention": True}
        if not isinstance(kinds, list) or len(kinds) != layers:
            raise self.error(f"layer_types must list the kind of each of the {layers} layers, not {short(kinds)}")
        for kind in kinds:
            if not isinstance(kind, str) or kind not in known:
                raise self.error(str(unknown("kind of layer in layer_types", kind, known)))
        local = [known[kind] for kind in kinds]
        return lambda i: local[i]

    def rotated_layers(self, layers: int) -> Callable[[int], bool]:
        """Return which layers are rotated: by ``no_rope_layers`` (1 where one is, in spite of its name), else all but
        every n-th.
        """
        every = self.whole("no_rope_layer_interval", default=4)
        listed = self.wholes("no_rope_layers")
        if not listed:
            return lambda i: (i + 1) % every != 0
        if len(listed) != layers:
            raise self.error(f"no_rope_layers must have an entry for each of the {layers} layers, not {len(listed)}")
        return lambda i: bool(listed[i])

    def model(self, hidden: int, vocab: int, stacks: tuple[Stack, ...], *, tied: bool, reach: int,
              **more: Any) -> ModelConfig:
        """Build the model; `tied` is what the family does where the config is silent."""
        return ModelConfig(name=self.name, family=self.family, hidden=hidden, vocab=vocab, max_positions=reach,
                           stacks=stacks, tied=self.flag("tie_word_embeddings", tied), **more)

    def decoder(self, hidden: int, groups: tuple[tuple[Layer, int], ...], *, tied: bool,
                vocab: tuple[str, ...] = ("vocab_size",), default_vocab: int | None = None,
                reach: tuple[str, ...] = ("max_position_embeddings",), default_reach: int | None = 2048,
                final_norm: bool = True, **more: Any) -> ModelConfig:
        """Build a model of one causal stack."""
        stack = Stack("decoder", groups, causal=True, final_norm=final_norm)
        return self.model(hidden, self.whole(*vocab, default=default_vocab), (stack,), tied=tied,
                          reach=self.whole(*reach, default=default_reach), **more)


def grouped(layers: int, kind: Callable[[int], Kind], make: Callable[[Kind], Layer]) -> tuple[tuple[Layer, int], ...]:
    """Return the distinct layers and their counts; `kind` tells layers apart by their index."""
    counts: dict[Kind, int] = {}
    for i in range(layers):
        key = kind(i)
        counts[key] = counts.get(key, 0) + 1
    return tuple((make(key), count) for key, count in counts.items())


def attention(sizes: Mapping[str, int], **more: Any) -> AttentionConfig:
    """Build an attention sublayer from what `Reader.heads` returns."""
    return AttentionConfig(heads=sizes["heads"], kv_heads=sizes["kv_heads"], head_dim=sizes["head_dim"], **more)


def short(value: object) -> str:
    """Write a value so that it fits a line; whole numbers of many digits are not written out."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = " ".join(repr(value).split()) if not isinstance(value, list | dict) or len(value) < 20 else (
        f"{type(value).__name__} of {len(value):,}")
    return text if len(text) <= 60 else f"{text[:57]}..."


__all__ = ["LAYERS", "Reader", "attention", "grouped", "short"]
