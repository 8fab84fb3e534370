"""SCALE-Sim's own files, read tolerantly: a configuration (INI) and a topology (CSV).

What SCALE-Sim 3.0.0 would refuse or crash on is taken where its meaning is plain: keys and sections of newer versions
that an older file lacks, rows without the comma at their end, blank rows, a byte order mark, names in any case. What is
ignored is said in `warnings`; what cannot be meant is an error.
"""

from __future__ import annotations

import configparser
import difflib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from archsim.errors import ArchsimError, UnsupportedError, positive_int, unknown

DATAFLOWS = ("os", "ws", "is")
KINDS = ("conv", "gemm")
MOST_SIDE = 2**16  # rows or columns of an array

# Every key that some version of SCALE-Sim reads, by the section that it belongs to. Development versions moved keys
# between sections, so a key counts wherever it is.
KEYS: dict[str, tuple[str, ...]] = {
    "general": ("run_name",),
    "architecture_presets": (
        "ArrayHeight", "ArrayWidth", "IfmapSramSzkB", "FilterSramSzkB", "OfmapSramSzkB", "IfmapOffset", "FilterOffset",
        "OfmapOffset", "Bandwidth", "Dataflow", "ReadRequestBuffer", "WriteRequestBuffer", "MemoryBanks",
        "OnChipMemoryBanks", "OnChipMemoryBankPorts", "IfmapSramSz", "FilterSramSz", "OfmapSramSz",
    ),
    "layout": (
        "IfmapCustomLayout", "IfmapSRAMBankBandwidth", "IfmapSRAMBankNum", "IfmapSRAMBankPort", "FilterCustomLayout",
        "FilterSRAMBankBandwidth", "FilterSRAMBankNum", "FilterSRAMBankPort",
    ),
    "sparsity": (
        "SparsitySupport", "SparseRep", "OptimizedMapping", "BlockSize", "RandomNumberGeneratorSeed", "NonZeroElems",
    ),
    "run_presets": (
        "InterfaceBandwidth", "UseRamulatorTrace", "SRAM_row_size", "SRAM_bank_size", "DRAM_row_size", "DRAM_bank_size",
    ),
    "network_presets": ("TopologyCsvLoc",),
}
SECTION = {key: section for section, keys in KEYS.items() for key in keys}


@dataclass(frozen=True)
class Config:
    """An array, its three double buffers and its memory, in SCALE-Sim's terms: one word is one byte, no clock.

    `bandwidths` are the words per cycle of the ifmap, the filter and the ofmap channel (USER mode); None is CALC mode,
    in which reads never wait and bandwidth is a result.

    Raises
    ------
    ArchsimError
        If a size is no positive whole number, the dataflow is unknown or the run's name cannot be a folder's.
    """

    rows: int
    cols: int
    dataflow: str
    ifmap_kb: int
    filter_kb: int
    ofmap_kb: int
    bandwidths: tuple[int, int, int] | None = None
    run_name: str = "scale_run"
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        limits = {"rows": MOST_SIDE, "cols": MOST_SIDE, "ifmap_kb": 2**31, "filter_kb": 2**31, "ofmap_kb": 2**31}
        for name, high in limits.items():
            object.__setattr__(self, name, positive_int(name, getattr(self, name), high))
        if self.dataflow not in DATAFLOWS:
            raise unknown("dataflow", self.dataflow, DATAFLOWS)
        if self.bandwidths is not None:
            if len(self.bandwidths) != 3:
                raise ArchsimError(f"bandwidths must be three: ifmap, filter, ofmap; not {len(self.bandwidths)}")
            words = tuple(positive_int("bandwidth", b, 2**31) for b in self.bandwidths)
            object.__setattr__(self, "bandwidths", words)
        if self.run_name in ("", ".", "..") or re.search(r"[/\\\x00-\x1f]", self.run_name):
            raise ArchsimError(f"run_name {self.run_name!r} cannot be the name of a folder")


@dataclass(frozen=True)
class Layer:
    """A convolution without padding, batch or groups; a product of matrices is one of 1 x K windows.

    Raises
    ------
    ArchsimError
        If a size is no positive whole number, or the filter is larger than the ifmap.
    """

    name: str
    ifmap_h: int
    ifmap_w: int
    filter_h: int
    filter_w: int
    channels: int
    filters: int
    stride_h: int = 1
    stride_w: int = 1

    def __post_init__(self) -> None:
        for name in ("ifmap_h", "ifmap_w", "filter_h", "filter_w", "channels", "filters", "stride_h", "stride_w"):
            object.__setattr__(self, name, positive_int(name, getattr(self, name)))
        for side in ("h", "w"):
            picture, window = getattr(self, f"ifmap_{side}"), getattr(self, f"filter_{side}")
            if window > picture:
                raise ArchsimError(f"the filter is larger than the ifmap: filter_{side} {window:,}, "
                                   f"ifmap_{side} {picture:,} (padding belongs to the ifmap)")

    @classmethod
    def gemm(cls, name: str, m: int, n: int, k: int) -> Layer:
        """Return the product of an M x K and a K x N matrix."""
        for size, value in (("M", m), ("N", n), ("K", k)):
            positive_int(size, value)
        return cls(name, m, k, 1, k, 1, n)

    @property
    def out_h(self) -> int:
        """Rows of the ofmap. Rounded up: the last window may reach beyond the ifmap."""
        return -(-(self.ifmap_h - self.filter_h + self.stride_h) // self.stride_h)

    @property
    def out_w(self) -> int:
        """Columns of the ofmap."""
        return -(-(self.ifmap_w - self.filter_w + self.stride_w) // self.stride_w)

    @property
    def m(self) -> int:
        """Windows, the rows of the product."""
        return self.out_h * self.out_w

    @property
    def n(self) -> int:
        """Filters, the columns of the product."""
        return self.filters

    @property
    def k(self) -> int:
        """Elements of a window, the sum's length."""
        return self.filter_h * self.filter_w * self.channels


@dataclass(frozen=True)
class Topology:
    """The layers of a file, and as what they were read."""

    kind: str
    layers: tuple[Layer, ...]
    warnings: tuple[str, ...] = ()


def _whole(name: str, text: str, high: int = 2**31 - 1) -> int:
    """Return a size as files have it: leading zeros are no fault."""
    if text.isascii() and text.isdigit() and len(text) < 20:
        return positive_int(name, int(text), high)
    return positive_int(name, text if len(text) < 30 else f"{text[:30]}…", high)


def _text(path: str | os.PathLike[str]) -> str:
    """Return a text file's content, without its byte order mark."""
    try:
        raw = Path(path).read_bytes()
    except (OSError, ValueError) as e:
        raise ArchsimError(f"cannot read {path}: {getattr(e, 'strerror', None) or e}") from None
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ArchsimError(f"{path} is not a text file")
    return text


def read_config(path: str | os.PathLike[str]) -> Config:
    """Read SCALE-Sim's configuration file.

    Raises
    ------
    ArchsimError
        If the file cannot be read, lacks a key that has no plain default, or holds a value that cannot be meant; an
        `UnsupportedError` if it asks for sparsity, custom layouts or Ramulator traces.
    """
    parser = configparser.ConfigParser(
        interpolation=None, strict=False, inline_comment_prefixes=("#", ";"), empty_lines_in_values=False
    )
    try:
        parser.read_string(_text(path), source=str(path))
    except configparser.MissingSectionHeaderError as e:
        raise ArchsimError(f"{path}, line {e.lineno}: expected a section such as [general]") from None
    except configparser.ParsingError as e:
        raise ArchsimError(f"{path}, line {e.errors[0][0]}: not 'key = value'") from None
    except configparser.Error as e:
        raise ArchsimError(f"{path}: {e.message}") from None
    return _Values(path, parser).config()


class _Values:
    """The keys of a configuration file, their names in any case, and one error for whatever is wrong with one."""

    def __init__(self, path: str | os.PathLike[str], parser: configparser.ConfigParser) -> None:
        self.path = path
        self.values: dict[str, str] = {}
        self.warnings: list[str] = []
        names = {key.lower(): key for key in SECTION}
        strange = []
        for section in parser.sections():
            for key, value in parser.items(section):
                if key in names:
                    self.values[names[key]] = value.strip().strip("'\"").strip()
                else:
                    strange.append((section, key))
        for section, key in strange:
            meant = difflib.get_close_matches(key, [k for k in names if names[k] not in self.values], n=1, cutoff=0.85)
            if meant:  # to ignore it would be to run something else than was meant
                raise ArchsimError(f"{path}, [{section}]: unknown key {key}: did you mean {names[meant[0]]}?")
            self.warnings.append(f"[{section}] {key} is ignored: no version of SCALE-Sim reads it")

    def error(self, key: str, problem: object) -> ArchsimError:
        return ArchsimError(f"{self.path}, [{SECTION[key]}]: {problem}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key) or default
        if value is None:
            raise self.error(key, f"{key} is {'empty' if key in self.values else 'missing'}")
        return value

    def whole(self, key: str, default: str | None = None, high: int = 2**31) -> int:
        text = self.text(key, default)
        try:
            return _whole(key, text, high)
        except ArchsimError as e:
            raise self.error(key, e) from None

    def choice(self, key: str, known: tuple[str, ...], default: str | None = None) -> str:
        text = self.text(key, default)
        found = next((k for k in known if k.lower() == text.lower()), None)
        if found is None:
            raise self.error(key, unknown(key, text, known))
        return found

    def size(self, key: str) -> int:
        """Return a buffer's kB; in version 1 the key had no unit in its name."""
        old = key.removesuffix("kB")
        return self.whole(old if old in self.values and key not in self.values else key)

    def refuse(self, key: str, what: str, matters: bool = True) -> None:
        """Raise an error if a switch is on that matters."""
        value = self.values.get(key, "false").lower()
        if value not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            raise self.error(key, f"{key} must be True or False, not {self.values[key]!r}")
        if value in ("false", "no", "off", "0"):
            return
        if matters:
            raise UnsupportedError(f"{self.path}, [{SECTION[key]}]: {key} = {self.values[key]}: {what} cannot be "
                                   "reproduced; set it to False")
        self.warnings.append(f"{key} changes nothing in CALC mode")

    def config(self) -> Config:
        """Return what the values mean."""
        name = self.text("run_name")
        mode = self.choice("InterfaceBandwidth", ("CALC", "USER"), "CALC")
        self.refuse("SparsitySupport", "sparsity")
        self.refuse("IfmapCustomLayout", "a custom layout", mode == "USER")
        self.refuse("FilterCustomLayout", "a custom layout", mode == "USER")
        self.refuse("UseRamulatorTrace", "a Ramulator trace", mode == "USER")
        try:
            return Config(
                rows=self.whole("ArrayHeight", high=MOST_SIDE), cols=self.whole("ArrayWidth", high=MOST_SIDE),
                dataflow=self.choice("Dataflow", DATAFLOWS), ifmap_kb=self.size("IfmapSramSzkB"),
                filter_kb=self.size("FilterSramSzkB"), ofmap_kb=self.size("OfmapSramSzkB"),
                bandwidths=self.bandwidths() if mode == "USER" else None, run_name=name, warnings=tuple(self.warnings),
            )
        except ArchsimError as e:
            raise e if str(self.path) in str(e) else self.error("run_name", e) from None

    def bandwidths(self) -> tuple[int, int, int]:
        """Return the words per cycle of USER mode: version 3 takes those of the reads from [layout]."""
        try:
            shared = _whole("Bandwidth", self.text("Bandwidth").split(",")[0].strip())
        except ArchsimError as e:
            raise e if str(self.path) in str(e) else self.error("Bandwidth", e) from None
        reads = []
        for operand in ("Ifmap", "Filter"):
            key = f"{operand}SRAMBankBandwidth"
            if key not in self.values:
                self.warnings.append(f"no {key} in [layout]: the {operand.lower()} is read at Bandwidth = {shared}, as "
                                     "in SCALE-Sim 2")
            reads.append(self.whole(key, str(shared)))
        return reads[0], reads[1], shared


def read_topology(path: str | os.PathLike[str], kind: str | None = None) -> Topology:
    """Read SCALE-Sim's topology file.

    Parameters
    ----------
    path
        CSV file. Its first line is the header; rows are ``name, M, N, K`` (gemm), or ``name, ifmap height, ifmap width,
        filter height, filter width, channels, filters, stride`` (conv), with or without a comma at the end.
    kind
        ``"gemm"`` or ``"conv"``; None takes what the header or else the number of columns says.

    Raises
    ------
    ArchsimError
        If the file cannot be read, has no rows, or a row that cannot be meant; the message names line and column.
    """
    if kind is not None and kind not in KINDS:
        raise unknown("input type", kind, KINDS)
    text = _text(path)
    separator = next((mark for mark in ",\t;" if mark in text.lstrip().split("\n")[0]), ",")
    lines: list[tuple[int, list[str]]] = []
    for number, whole in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        row = [cell.strip().strip('"').strip() for cell in whole.split(separator)]
        if any(row):
            lines.append((number, row))
    if len(lines) < 2:
        raise ArchsimError(f"{path} holds no layers" + (": only a header" if lines else ""))
    warnings: list[str] = []
    line, header = lines[0]
    if sum(cell.isdigit() for cell in header) >= 3:
        warnings.append(f"line {line} is taken for the header, as SCALE-Sim does, and not for a layer: {header[0]!r}")
    said = _kind(header, [row for _, row in lines[1:]])
    if kind == "gemm" and said == "conv" and _names_conv(header):
        raise ArchsimError(f"{path}, line {line}: the header names the columns of convolutions, not M, N, K: "
                           "use -i conv (input type 'conv')")
    kind = kind or said
    layers: list[Layer] = []
    for line, row in lines[1:]:
        try:
            layers += _gemm(row, warnings) if kind == "gemm" else _conv(row, header, warnings)
        except ArchsimError as e:
            raise ArchsimError(f"{path}, line {line} ({row[0] or 'no name'}): {e}") from None
    return Topology(kind, tuple(layers), tuple(dict.fromkeys(warnings)))


def _kind(header: list[str], rows: list[list[str]]) -> str:
    """Tell a list of products from one of convolutions; in doubt it is of convolutions, as SCALE-Sim takes it."""
    if _names_conv(header):
        return "conv"
    if {"m", "n", "k"} <= {cell.lower() for cell in header}:
        return "gemm"
    return "gemm" if all(sum(cell.isdigit() for cell in row[1:]) == 3 for row in rows) else "conv"


def _names_conv(header: list[str]) -> bool:
    """Whether a header names columns that only convolutions have."""
    return any(word in cell.lower() for cell in header for word in ("ifmap", "filter", "channel", "stride"))


def _sizes(row: list[str], columns: tuple[str, ...], kind: str) -> list[int]:
    """Return the sizes that follow a row's name."""
    given = [cell for cell in row[1:] if cell]
    if len(given) < len(columns):
        other = "gemm" if kind == "conv" else "conv"
        hint = f"; is this a file for -i {other}?" if len(given) in (3, 4, 7, 8) else ""
        raise ArchsimError(f"{len(given)} values, not the {len(columns)} of a {kind} layer: {', '.join(columns)}{hint}")
    return [_whole(column, cell) for column, cell in zip(columns, row[1:], strict=False)]


def _rest(row: list[str], used: int, warnings: list[str]) -> None:
    """Say which columns are not used."""
    for cell in row[used:]:
        if re.fullmatch(r"\d+\s*:\s*\d+", cell):
            n, m = (int(part) for part in cell.split(":"))
            if n != m:
                warnings.append(f"sparsity {cell} is ignored: layers are dense, as with SparsitySupport = false")
        elif cell:
            warnings.append(f"columns after the first {used} are ignored")


def _gemm(row: list[str], warnings: list[str]) -> list[Layer]:
    """Return the layer of a row of a list of products."""
    m, n, k = _sizes(row, ("M", "N", "K"), "gemm")
    _rest(row, 4, warnings)
    return [Layer.gemm(row[0], m, n, k)]


def _conv(row: list[str], header: list[str], warnings: list[str]) -> list[Layer]:
    """Return the layers of a row of a list of convolutions.

    A name with ``DP`` in it is a depthwise convolution: one layer per channel.
    """
    columns: tuple[str, ...] = ("ifmap height", "ifmap width", "filter height", "filter width", "channels", "filters")
    strides = [name for name in header if "stride" in name.lower()]
    columns += ("stride height", "stride width") if len(strides) == 2 else ("stride",)
    sizes = _sizes(row, columns, "conv")
    _rest(row, 1 + len(columns), warnings)
    height, width, filter_h, filter_w, channels, filters, stride = sizes[:7]
    layer = Layer(row[0], height, width, filter_h, filter_w, channels, filters, stride, sizes[-1])
    if "DP" not in row[0]:
        return [layer]
    if layer.channels > 2**16:
        raise ArchsimError(f"channels must be from 1 to {2**16:,} in a depthwise layer, not {layer.channels:,}")
    return [replace(layer, name=f"{row[0]}Channel_{i}", channels=1) for i in range(layer.channels)]
