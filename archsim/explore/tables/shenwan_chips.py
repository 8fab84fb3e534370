"""Shenwan Hongyuan, 2025-03-28: GPUs and ASICs with their "compute intensity"; what chips cost and sell for."""

from __future__ import annotations

from archsim.economics.chip_cost import ChipCost, chip_cost
from archsim.explore.tables import figures
from archsim.explore.tables.printed import Span
from archsim.explore.tables.table import Field, Fix, Item, Record, Table
from archsim.hardware import Chip

SOURCE = "Shenwan Hongyuan, 2025-03-28"

BOTH_WAYS, ONE_WAY = 2, 1
"""How the report counts a link: NVLink, Infinity Fabric and NeuronLink summed, ICI and Maia's one way."""

CHIPS = (
    Item("H100", "h100-sxm", {"ways": BOTH_WAYS}),
    Item("B200", "b200", {"ways": BOTH_WAYS}),
    Item("B300", "b300", {"ways": BOTH_WAYS}),
    Item("MI325X", "mi325x", {"ways": BOTH_WAYS}),
    Item("TPU v5p", "tpu-v5p", {"ways": ONE_WAY}),
    Item("TPU v6e", "tpu-v6e", {"ways": ONE_WAY}),
    Item("Trainium 2", "trainium2", {"ways": BOTH_WAYS}),
    Item("MTIA v2", "mtia-v2", {"ways": ONE_WAY}),
    Item("Maia 100", "maia-100", {"ways": ONE_WAY}),
)


def _link_as_printed(c: Record) -> float | None:
    return figures.link(int(c.fact("ways")))(c.chip)


def _link_one_way(c: Record) -> float | None:
    return figures.link(ONE_WAY)(c.chip)


COMPARISON = Table(
    "chip-comparison", "GPUs and ASICs compared", f"{SOURCE}, table of GPU and ASIC chips", CHIPS, (
        Field("year", "", "2022 | 2024 | 2024 | 2024 | 2023 | 2024 | 2023 | 2024 | 2023", figure=figures.year),
        Field("process", "nm", "4 | 4 | 4 | 5 | 5 | 4 | 5 | 5 | 5", figure=figures.process),
        Field("peak_bf16", "TFLOPS", "990 | 2250 | 3375 | 1300 | 459 | 926 | 431 | 177 | 800",
              figure=figures.peak("bf16")),
        Field("power", "W", "700 | 1000 | 1200 | 1000 | | | | 90 | 860", figure=figures.power),
        Field("memory_type", "", "HBM3 | HBM3e | HBM3e | HBM3e | HBM2e | HBM3 | HBM3 | LPDDR5 | HBM3e", text=True,
              figure=figures.memory_type),
        Field("memory_capacity", "GB", "80 | 192 | 288 | 256 | 96 | 32 | 96 | 128 | 64", figure=figures.memory_gb),
        Field("memory_bandwidth", "GB/s", "3350 | 8000 | 8000 | 6000 | 2765 | 1640 | 4000 | 204.8 | 1600",
              figure=figures.memory_rate),
        Field("link_name", "", "NVLink | NVLink | NVLink | Infinity Fabric Link | ICI Links | ICI Links | NeuronLink "
              "| |", text=True),
        Field("link_bandwidth", "GB/s", "900 | 1800 | 1800 | 896 | 600 | 3584 | 768 | | 600",
              formula=_link_as_printed, words="the catalogue's link, summed both ways or one way as the report does",
              fixes=(
                  Fix("3584 is in Gbit/s: 448 GB/s, in two revisions of the document; two others have 3200 Gbit/s; and "
                      "the row mixes bases: this one is one way", _link_one_way, "GB/s one way",
                      "docs.cloud.google.com/tpu/docs/v6e", ("TPU v6e",)),
                  Fix("768 is Trainium1's (Trn1n); 1280 both ways, 1024 within an instance and 256 between instances",
                      _link_one_way, "GB/s one way", "AWS Neuron documents", ("Trainium 2",)),
                  Fix("two bases in one row: NVLink, Infinity Fabric and NeuronLink are summed both ways, ICI and "
                      "Maia's are one way; corrected: all one way", _link_one_way, "GB/s one way", "vendors' documents",
                      ("H100", "B200", "B300", "MI325X")),
              )),
        Field("compute_intensity", "TFLOPS/GB", "12.4 | 11.7 | 11.7 | 5.1 | 4.8 | 28.9 | 4.5 | 1.4 | 12.5",
              formula=lambda c: c["peak_bf16"] / c["memory_capacity"], words="peak / memory CAPACITY",
              fixes=(Fix("printed is peak over memory capacity, which says nothing of a roofline; the balance point is "
                         "peak over bandwidth", lambda c: 1e3 * c["peak_bf16"] / c["memory_bandwidth"], "FLOP/B",
                         "arithmetic"),)),
        Field("compute_dies", "", "1 | 2 | 2 | 4 | 1 | 1 | 2 | 1 | 1", figure=figures.dies),
        Field("hbm_stacks", "", "6 | 8 | 8 | 8 | 6 | 2 | 4 | 4 | 4", figure=figures.stacks),
        Field("microarchitecture", "", "many CUDA cores + TensorCore | many CUDA cores + TensorCore | "
              "many CUDA cores + TensorCore | many compute cores + Matrix Core | few large systolic arrays | "
              "few large systolic arrays | few large systolic arrays | multi-core CPU + AI accelerator units | "
              "multi-core AI accelerator units", text=True),
        Field("software", "", "CUDA | CUDA | CUDA | ROCm | XLA | XLA | XLA | Triton | Triton", text=True),
    ),
    errata="Shenwan Hongyuan 2025-03, comparison of chips",
    notes=("peaks are dense, as vendors publish them; the ranking by balance point is not that by \"intensity\": "
           "MTIA v2 is last by capacity and first by bandwidth",
           "the report's roadmap puts MTIA v2 in 2H25, its table in 2024: announced 2024-04"),
)

_COSTED = (Item("H100", "h100-sxm"), Item("B200", "b200"), Item("TPU v5p", "tpu-v5p"), Item("TPU v6e", "tpu-v6e"),
           Item("Trainium2", "trainium2"))


def _price_range(c: Record) -> Span:
    """Prices that the printed range of margins allows: price = cost / (1 - margin)."""
    return Span(*(c["total_cost"] / (1 - c[margin] / 100) for margin in ("gross_margin_low", "gross_margin_high")))


def _own(c: Record) -> ChipCost:
    """What archsim reckons from the chip's dies, memory, package and test."""
    assert isinstance(c.chip, Chip)
    return chip_cost(c.chip)


def _other_cost(c: Record) -> float | None:
    return next((usd for usd, source in c.catalogue.costs(c.item.chip) if not source.startswith("Shenwan")), None)


def _other_margin(c: Record) -> float | None:
    cost = _other_cost(c)
    return None if cost is None else 100 * (1 - cost / c["estimated_price"])


COST = Table(
    "chip-cost", "What a chip costs and sells for", f"{SOURCE}, table of chip costs", _COSTED, (
        Field("vendor", "", "NVIDIA | NVIDIA | Google-Broadcom | Google-Broadcom | Amazon-Alchip/Marvell", text=True),
        Field("process", "nm", "4 | 4 | 5 | 4 | 5", figure=figures.process),
        Field("peak_bf16", "TFLOPS", "990 | 2250 | 459 | 926 | 431", figure=figures.peak("bf16")),
        Field("memory_capacity", "GB", "96 | 192 | 96 | 32 | 96", figure=figures.memory_gb),
        Field("memory_type", "", "HBM3 | HBM3e | HBM2e | HBM3 | HBM3", text=True, figure=figures.memory_type),
        Field("memory_cost", "USD", "1150 | 2700 | 1000 | 400 | 1150"),
        Field("manufacturing_packaging_test_cost", "USD", "1350 | 2150 | 800 | 550 | 1000"),
        Field("total_cost", "USD", "2500 | 4850 | 1800 | 950 | 2150",
              formula=lambda c: c["memory_cost"] + c["manufacturing_packaging_test_cost"],
              words="memory + manufacturing, packaging and test"),
        Field("gross_margin_low", "%", "85 | 85 | 65 | 65 | 47"),
        Field("gross_margin_high", "%", "90 | 90 | 70 | 70 | 53"),
        Field("estimated_price", "USD", "18000 | 33000 | 6000 | 3100 | 4400", measured=True, formula=_price_range,
              words="total cost / (1 - margin), for the printed range of margins"),
        Field("implied_margin", "%", formula=lambda c: 100 * (1 - c["total_cost"] / c["estimated_price"]),
              words="1 - total cost / price"),
        Field("memory_usd_per_gb", "USD/GB", formula=lambda c: c["memory_cost"] / c["memory_capacity"],
              words="memory cost / capacity"),
        Field("own_memory_cost", "USD", formula=lambda c: _own(c).part("memory").base,
              words="archsim.chip_cost: price per GB of its generation x capacity"),
        Field("own_total_cost", "USD", formula=lambda c: _own(c).total.base,
              words="archsim.chip_cost: dies + memory + packaging + yield loss of packages + test"),
        Field("own_range", "USD", formula=lambda c: Span(_own(c).total.low, _own(c).total.high),
              words="the same with every input at its low, and at its high end"),
        Field("own_margin", "%", formula=lambda c: 100 * (1 - _own(c).total.base / c["estimated_price"]),
              words="1 - own total cost / price"),
        Field("other_estimate", "USD", formula=_other_cost, words="the newest cost on file that is not this report's"),
        Field("margin_by_that", "%", formula=_other_margin, words="1 - other estimate / price"),
    ),
    errata="Shenwan Hongyuan 2025-03, costs of chips",
    notes=("every price lies in its range, but no single point of the ranges (low, middle or high) gives all five: the "
           "implied margins are the ones used",
           "H100's memory costs what Trainium2's 96 GB do: it was priced as 6 x 16 GB, though it is sold with 5 x 16",
           "the report's costs leave out the yield loss of packaging; archsim's own chain: archsim cost NAME; other "
           "estimates: archsim chips NAME --sources"),
)
