"""Shenwan Hongyuan, 2025-03-28: a training run of Llama 3 405B on 24,000 accelerators, from peak FLOP/s to dollars."""

from __future__ import annotations

from archsim.economics.training import dense_flop
from archsim.explore.tables import figures
from archsim.explore.tables.table import Field, Fix, Item, Record, Table

SUPERCHIP_GPUS = 2
"""GPUs of a GB200 superchip, which the report counts as one accelerator."""

LLAMA_PARAMETERS, LLAMA_TOKENS = 405e9, 15.6e12
"""Llama 3 405B: parameters and training tokens (The Llama 3 Herd of Models, 2024, section 3)."""

HIDDEN_ADDER = 100.0
"""USD per CPU that the printed depreciation contains: with 2, 2, 36, 2 and 4 CPUs per server all five cells close."""

GB200 = "GB200"

ITEMS = (
    Item("H100", "h100-sxm", {"gpus": 1, "processors": 2, "processor_w": 600}),
    Item("B200", "b200", {"gpus": 1, "processors": 2, "processor_w": 600}),
    Item(GB200, "gb200", {"gpus": SUPERCHIP_GPUS, "processors": 36, "processor_w": 300 * 36}),
    Item("TPU v5p", "tpu-v5p", {"gpus": 1, "processors": 2, "processor_w": 600}),
    Item("Trainium 2", "trainium2", {"gpus": 1, "processors": 4, "processor_w": 600}),
)


def _peak_per_gpu(c: Record) -> float | None:
    return figures.peak("bf16")(c.chip)


def _superchip(what: str) -> str:
    return f"a superchip of two GPUs stands as one card: {what}"


TRAINING = Table(
    "llama3-405b-training", "Llama 3 405B on 24,000 accelerators",
    "Shenwan Hongyuan, 2025-03-28, table of a typical training run", ITEMS, (
        Field("total_compute", "ZFLOP", "18000 | 18000 | 18000 | 18000 | 18000", fixes=(
            Fix("6 x 405e9 parameters x 15.6e12 tokens: days and costs all double; 18000 are 7.4e12 tokens",
                dense_flop(LLAMA_PARAMETERS, LLAMA_TOKENS) / 1e21, source="Llama 3 paper: 3.8e25 FLOP"),)),
        Field("peak_fp16", "TFLOPS", "990 | 2250 | 5000 | 459 | 650", figure=figures.peak("bf16"), fixes=(
            Fix(_superchip("2500 each"), _peak_per_gpu, "TFLOPS per GPU", "NVIDIA Blackwell datasheet", (GB200,)),)),
        Field("utilisation", "%", "40 | 40 | 40 | 40 | 40"),
        Field("sustained", "TFLOPS", "396 | 900 | 2000 | 184 | 260",
              formula=lambda c: c["peak_fp16"] * c["utilisation"] / 100, words="peak x utilisation"),
        Field("per_accelerator_day", "PFLPOS", "34214 | 77760 | 172800 | 15863 | 22464",
              formula=lambda c: c["sustained"] * 86_400 / 1e3, words="sustained x 86,400 s", fixes=(
                  Fix("a slip of the unit's name: work is PFLOP, and not a rate", unit="PFLOP", source="arithmetic"),)),
        Field("cluster_day", "ZFLOP", "821 | 1866 | 4147 | 381 | 539",
              formula=lambda c: c["per_accelerator_day"] * c["accelerators"] / 1e6,
              words="of one accelerator x accelerators"),
        Field("days", "day", "22 | 10 | 4 | 47 | 33", formula=lambda c: c["total_compute"] / c["cluster_day"],
              words="total compute / compute of the cluster in a day"),
        Field("accelerators", "", "24000 | 24000 | 24000 | 24000 | 24000", fixes=(
            Fix(_superchip("48,000 GPUs beside 24,000 of the others"), 24_000 * SUPERCHIP_GPUS, "GPUs", "arithmetic",
                (GB200,)),)),
        Field("accelerators_per_server", "", "8 | 8 | 36 | 8 | 16", fixes=(
            Fix(_superchip("72 GPUs in an NVL72 rack"), 36 * SUPERCHIP_GPUS, "GPUs", "NVIDIA GB200 NVL72", (GB200,)),
            Fix("a host has 2 x 2 x 1 chips", 4, source="docs.cloud.google.com/tpu/docs/v5p", items=("TPU v5p",)))),
        Field("servers", "", "3000 | 3000 | 667 | 3000 | 1500",
              formula=lambda c: c["accelerators"] / c["accelerators_per_server"], words="accelerators / per server"),
        Field("accelerator_price", "USD", "18000 | 33000 | 70000 | 6000 | 4400", fixes=(
            Fix(_superchip("half of 70,000 each"), 70_000 / SUPERCHIP_GPUS, "USD per GPU", "arithmetic", (GB200,)),)),
        Field("processors_per_server", "", hidden=lambda c: c.fact("processors"),
              words="inferred: the count that closes the server prices"),
        Field("usd_per_processor", "USD", hidden=lambda c: HIDDEN_ADDER, words="inferred: the hidden adder", fixes=(
            Fix("the report does not print it, but its depreciation closes only with about 100 USD per CPU (Grace "
                "included); a server CPU costs 5,000 to 10,000: likely a slip by a factor of 100",
                7500.0, source="arithmetic; middle of 5,000 to 10,000"),)),
        Field("server_price", "10 kUSD", "144 | 264 | 2524 | 48 | 71",
              formula=lambda c: (c["accelerators_per_server"] * c["accelerator_price"]
                                 + c["processors_per_server"] * c["usd_per_processor"]) / 1e3,
              words="accelerators x price + CPUs x 100 USD, in thousands", fixes=(
                  Fix("unit ten times too large: these are thousands of USD, printed under 10,000", unit="kUSD",
                      source="arithmetic"),)),
        Field("fleet_price", "100 MUSD", formula=lambda c: c["servers"] * c["server_price"] / 1e5,
              words="servers x server price; the report leaves this row blank"),
        Field("depreciation_years", "year", "4 | 4 | 4 | 4 | 4", fixes=(
            Fix("the text of the report says 5 to 6; Amazon went from 6 to 5", 5, source="the same report"),)),
        Field("yearly_depreciation", "100 MUSD", "10.8 | 19.8 | 42.1 | 3.6 | 2.7",
              formula=lambda c: c["servers"] * c["server_price"] / c["depreciation_years"] / 1e4,
              words="servers x server price / years, in tens of millions", fixes=(
                  Fix("unit ten times too large: these are tens of millions of USD, printed under 100 million",
                      unit="10 MUSD", source="arithmetic"),)),
        Field("accelerator_power", "W", "700 | 1000 | 2400 | 700 | 700", figure=figures.power, fixes=(
            Fix("a superchip draws 2700 with its Grace processor, as later rows use: 1350 per GPU",
                2700 / SUPERCHIP_GPUS, "W per GPU", "NVIDIA Blackwell datasheet", (GB200,)),)),
        Field("perf_per_watt", "TFLOPS/W", "1.4 | 2.3 | 2.1 | 0.7 | 0.9",
              formula=lambda c: c["peak_fp16"] / c["accelerator_power"], words="peak / power"),
        Field("processor_power", "W", hidden=lambda c: c.fact("processor_w"),
              words="inferred: 300 W per CPU, two in a server, one in each superchip", fixes=(
                  Fix("Grace is in the 1350 W per GPU already", 0.0, items=(GB200,)),)),
        Field("server_compute_power", "kW", "6.2 | 8.6 | 97.2 | 6.2 | 11.8",
              formula=lambda c: (c["accelerators_per_server"] * c["accelerator_power"] + c["processor_power"]) / 1e3,
              words="accelerators x power + CPUs x 300 W"),
        Field("pue", "", "1.5 | 1.4 | 1.2 | 1.3 | 1.5"),
        Field("server_power", "kW", "9.3 | 12.0 | 116.6 | 8.1 | 17.7",
              formula=lambda c: c["server_compute_power"] * c["pue"], words="compute power x PUE"),
        Field("cluster_power", "MW", "27.9 | 36.1 | 77.8 | 24.2 | 26.6",
              formula=lambda c: c["servers"] * c["server_power"] / 1e3, words="servers x server power"),
        Field("electricity_price", "kWh/USD", "0.10 | 0.10 | 0.10 | 0.10 | 0.10", fixes=(
            Fix("unit inverted", 0.10, "USD/kWh", "arithmetic"),)),
        Field("energy", "10 MWh", "587 | 334 | 324 | 1097 | 851",
              formula=lambda c: c["cluster_power"] * c["days"] * 24 * c["utilisation"] / 100 / 10,
              words="cluster power x days x 24 h x UTILISATION", fixes=(
                  Fix("multiplied by a utilisation of 40 %, which is a share of peak (MFU) and no duty cycle: at 40 % "
                      "of its peak a chip draws nearly full power", lambda c: c["cluster_power"] * c["days"] * 24 / 10,
                      source="arithmetic"),)),
        Field("energy_cost", "10 kUSD", "59 | 33 | 32 | 110 | 85",
              formula=lambda c: c["energy"] * c["electricity_price"] * 10 / 10, words="energy x 0.10 USD/kWh"),
        Field("depreciation_cost", "10 kUSD", "650 | 524 | 500 | 468 | 243",
              formula=lambda c: c["yearly_depreciation"] * 1e3 * c["days"] / 365,
              words="yearly depreciation x days / 365"),
        Field("total_cost", "10 kUSD", "708 | 557 | 533 | 578 | 328",
              formula=lambda c: c["energy_cost"] + c["depreciation_cost"], words="energy + depreciation"),
        Field("gpus_per_accelerator", "", hidden=lambda c: c.fact("gpus"), words="GPUs in what the report calls one",
              fixes=(Fix("counted as GPUs, once corrected", 1.0, items=(GB200,)),)),
        Field("days_at_24000_gpus", "day",
              formula=lambda c: c["days"] * c["accelerators"] * c["gpus_per_accelerator"] / 24_000,
              words="days, had every column 24,000 GPUs or chips"),
    ),
    errata="Shenwan Hongyuan 2025-03, cost of training Llama 3 405B",
    notes=("the two unit slips (server price, yearly depreciation) do not propagate: the cost rows are right by them",
           "PUE differs by vendor without a reason given; network, storage, host memory and building are not in it "
           "(an HGX H100 server sells at 300 to 400 kUSD)"),
)
