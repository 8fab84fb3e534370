"""Soochow Securities, 2024-03-26: AI chips, a 1.8T model on H100 and on Blackwell, the market for liquid cooling."""

from __future__ import annotations

from archsim.explore.tables import figures
from archsim.explore.tables.guohai import GPT4_TRAINING_FLOP
from archsim.explore.tables.table import Field, Fix, Item, Record, Table

SOURCE = "Soochow Securities, 2024-03-26"

# --- figure 5 ---------------------------------------------------------------------------------------------------------

# vendor | model | name in the catalogue | use | process | int8 | fp16 | fp32 | fp64 | W | GB/s
_PRINTED = """
Huawei   |Ascend 310    |ascend-310      |inference         |12nm FFC  |16   |8        |        |    |8      |
Huawei   |Ascend 910    |ascend-910      |training          |N7+       |640  |320      |        |    |310    |
Cambricon|MLU370-S4     |mlu370-s4       |inference         |7nm       |192  |96 (TOPS)|18      |    |75     |307.2
Cambricon|MLU370-X4     |mlu370-x4       |training+inference|7nm       |256  |96       |24      |    |150    |307.2
Cambricon|MLU370-X8     |mlu370-x8       |training+inference|7nm       |256  |96       |24      |    |250    |614.4
Cambricon|MLU290-M5     |mlu290-m5       |training          |7nm       |512  |(INT16)  |(CINT32)|    |350    |1228
Cambricon|MLU270-S4     |mlu270-s4       |inference         |          |128  |(INT16)  |        |    |70     |102
Cambricon|MLU270-F4     |mlu270-f4       |inference         |          |128  |(INT16)  |        |    |150    |102
Jingjia  |JM9100        |jm9100          |                  |          |     |         |0.512   |    |5-15   |25.6
Jingjia  |JM92 series   |jm92            |                  |          |     |         |1.2     |    |15-30  |128
Jingjia  |M9 series     |jm9             |                  |          |     |         |1.5     |    |<30    |128
Hygon    |DCU Shensuan-1|hygon-shensuan-1|                  |7nm FinFET|     |         |        |    |350    |1024
Enflame  |T20           |enflame-t20     |training          |          |256  |128      |32      |    |300    |1600
Enflame  |T21           |enflame-t21     |training          |          |256  |128      |32      |    |300    |1600
Enflame  |Yunsui 21     |enflame-i20     |inference         |          |256  |128      |32      |    |150    |819
NVIDIA   |V100 PCIe     |v100-pcie       |training+inference|12nm FFN  |     |         |14      |7   |250    |900
NVIDIA   |V100 SXM2     |v100-sxm2       |training+inference|          |     |         |15.7    |7.8 |300    |900
NVIDIA   |V100S PCIe    |v100s-pcie      |training+inference|          |     |         |16.4    |8.2 |250    |1134
NVIDIA   |A100 80GB PCIe|a100-pcie-80gb  |training+inference|7nm       |     |312      |19.5    |9.7 |300    |1935
NVIDIA   |A100 80GB SXM |a100-sxm-80gb   |training+inference|          |     |312      |19.5    |9.7 |400    |2039
NVIDIA   |H100 SXM      |h100-sxm        |training+inference|4nm       |     |1979     |67      |34  |700    |3350
NVIDIA   |H100 PCIe     |h100-pcie       |training+inference|          |     |1513     |51      |26  |300-350|2000
AMD      |MI250         |mi250           |training          |TSMC 6nm  |362.1|362.1    |45.3    |45.3|       |100
AMD      |MI250X        |mi250x          |training          |TSMC 6nm  |383  |383      |47.9    |47.9|       |100
"""
_ROWS = [[cell.strip() for cell in line.split("|")] for line in _PRINTED.strip().splitlines()]
_COLUMNS = [" | ".join(column) for column in zip(*_ROWS, strict=True)]

CHIPS = Table(
    "soochow-chips", "AI chips", f"{SOURCE}, figure 5",
    tuple(Item(name if name != "Yunsui 21" else "Enflame i20", chip) for _, name, chip, *_ in _ROWS), (
        Field("vendor", "", _COLUMNS[0], text=True),
        Field("model", "", _COLUMNS[1], text=True),
        Field("use", "", _COLUMNS[3], text=True),
        Field("process", "nm", _COLUMNS[4], figure=figures.process),
        Field("int8_tops", "TOPS", _COLUMNS[5], figure=figures.peak("int8")),
        Field("fp16_tflops", "TFLOPS", _COLUMNS[6], figure=figures.peak("fp16", "bf16", "int16"), fixes=(
            Fix("the number is lost: 64 TOPS of int16", 64.0, "TOPS int16", "Cambricon product pages",
                ("MLU270-S4", "MLU270-F4")),)),
        Field("fp32_tflops", "TFLOPS", _COLUMNS[7], figure=figures.peak("fp32_vector", "fp32", "cint32")),
        Field("fp64_tflops", "TFLOPS", _COLUMNS[8], figure=figures.peak("fp64")),
        Field("tdp_w", "W", _COLUMNS[9], figure=figures.power),
        Field("bandwidth_gb_s", "GB/s", _COLUMNS[10], figure=figures.memory_rate),
    ),
    errata="Soochow 2024-03, figure 5", by_item=True,
    notes=("peaks of A100 in the same column are dense, so H100's have to be",),
)


# --- 1.8T parameters on H100 and on Blackwell -------------------------------------------------------------------------

def _bf16(c: Record) -> float:
    return figures.peak("bf16")(c.chip) or 0.0


def _share_of_peak(c: Record, of_bf16: float) -> float:
    """MFU, %, of 2.15e25 FLOP in the printed days, against a multiple of the bf16 peak."""
    return 100 * GPT4_TRAINING_FLOP / (c["gpus"] * c["days"] * 86_400 * _bf16(c) * 1e12 * of_bf16)


BLACKWELL = Table(
    "h100-blackwell", "A model of 1.8T parameters on H100 and on Blackwell", f"{SOURCE}, text on GTC 2024",
    (Item("H100", "h100-sxm"), Item("Blackwell", "gb200")), (
        Field("gpus", "", "8000 | 2000"),
        Field("power", "MW", "15 | 4"),
        Field("days", "day", "90 | 90"),
        Field("kw_per_gpu", "kW", formula=lambda c: c["power"] * 1e3 / c["gpus"], words="power / GPUs"),
        Field("energy", "GWh", formula=lambda c: c["power"] * c["days"] * 24 / 1e3, words="power x days x 24 h"),
        Field("mfu_bf16", "%", formula=lambda c: _share_of_peak(c, 1),
              words="2.15e25 FLOP / (GPUs x days x bf16 peak)"),
        Field("mfu_fp8", "%", formula=lambda c: _share_of_peak(c, 2), words="the same of the fp8 peak, twice bf16's"),
        Field("training_speed_up", "x", "| 4", formula=lambda c: c.of("H100")["gpus"] / c["gpus"],
              words="GPUs of H100 / GPUs of Blackwell, for as many days"),
        Field("bf16_peak_ratio", "x", formula=lambda c: _bf16(c) / _bf16(c.of("H100")), words="bf16 peak / H100's"),
        Field("inference_speed_up", "x", "| 7", unchecked={
              "Blackwell": "NVIDIA's claim for GPT-3 175B; no setting printed"}),
        Field("transistors", "billion", "80 | 208", figure=figures.transistors),
        Field("fp8_or_fp4", "PFLOPS", "4 | 20", formula=lambda c: (figures.peak(
              "fp8_sparse" if c.item.name == "H100" else "fp4_sparse")(c.chip) or 0.0) / 1e3,
              words="the catalogue's peak with sparsity, of fp8 (H100) and fp4 (Blackwell)", fixes=(
                  Fix("with sparsity, and H100's of fp8 beside Blackwell's of fp4; corrected: dense, both fp8",
                      lambda c: (figures.peak("fp8")(c.chip) or 0.0) / 1e3, "PFLOPS dense fp8",
                      "NVIDIA H100 and Blackwell datasheets"),)),
        Field("peak_ratio", "x", "| 5", formula=lambda c: c["fp8_or_fp4"] / c.of("H100")["fp8_or_fp4"],
              words="20 / 4", measured=True, fixes=(
                  Fix("fp4 against fp8; in the same format it is 2.5",
                      lambda c: c["fp8_or_fp4"] / c.of("H100")["fp8_or_fp4"], source="arithmetic"),)),
        Field("gpus_of_ten_firms", "", "80000 |", formula=lambda c: 10 * c["gpus"], words="ten firms x 8000"),
    ),
    notes=("the fourfold per GPU is fp8 and fp4 with a larger NVLink domain: bf16 peak grew by 2.5",),
)


# --- liquid cooling ---------------------------------------------------------------------------------------------------

LIQUID_NOW, LIQUID_LATER = 10.0, 50.0
"""Shares of racks with liquid cooling, %, between which the report counts."""


def _unit_cost(c: Record) -> float:
    return c["cny_per_kw"] * c["server_power"]


COOLING = Table(
    "liquid-cooling", "Market for liquid cooling in China", f"{SOURCE}, text on liquid cooling",
    (Item("cold plate"), Item("immersion")), (
        Field("cny_per_kw", "CNY/kW", "4000 | 11818"),
        Field("server_power", "kW", "10 | 10"),
        Field("unit_cost", "CNY", "40000 | 110000", formula=_unit_cost, measured=True,
              words="CNY/kW x server power", fixes=(
                  Fix("11,818 x 10 = 118,180: truncated to 110,000, 7 % less", _unit_cost, items=("immersion",),
                      source="arithmetic"),)),
        Field("racks", "million", "5.2 | 5.2"),
        Field("converted", "%", hidden=lambda c: LIQUID_LATER - LIQUID_NOW, words="from 10 % to 50 % of racks"),
        Field("market_existing", "bn CNY", "83.2 | 228.8",
              formula=lambda c: c["racks"] * 1e6 * c["converted"] / 100 * c["unit_cost"] / 1e9,
              words="racks x (50 % - 10 %) x unit cost"),
        Field("new_racks", "thousand", "650 | 650"),
        Field("market_new", "bn CNY", "26.0 | 71.5", formula=lambda c: c["new_racks"] * 1e3 * c["unit_cost"] / 1e9,
              words="new racks x unit cost"),
    ),
    notes=("one server of 10 kW a rack is assumed; every rack that is converted is",),
)
