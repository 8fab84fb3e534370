"""Guohai Securities, 2024-02: GPT-4's training and inference, training compute in petaflop/s-days, NVIDIA's GPUs."""

from __future__ import annotations

from archsim.economics.training import dense_flop
from archsim.explore.select import Entry
from archsim.explore.tables import figures
from archsim.explore.tables.printed import Span
from archsim.explore.tables.table import Field, Fix, Item, Record, Table
from archsim.hardware import Chip

SOURCE = "Guohai Securities, 2024-02"

GPT4_TRAINING_FLOP = 2.15e25
"""SemiAnalysis, 2023-07, which the report quotes: 280e9 active parameters, 13e12 tokens."""

GPT4_ACTIVE = 280e9
"""Active parameters of a forward pass of GPT-4 (the same)."""

PETAFLOP_S_DAY = 1e15 * 86_400
"""FLOP in a petaflop/s-day."""


# --- GPT-4 ------------------------------------------------------------------------------------------------------------

def _training_cost(c: Record) -> float | Span:
    """GPUs x days x 24 h x price, in millions of USD; a range where days are one."""
    days = c.range("days")
    low, high = (c["gpus"] * d * 24 * c["price"] / 1e6 for d in (days.low, days.high))
    return low if low == high else Span(low, high)


GPT4_TRAINING = Table(
    "gpt4-training", "Training GPT-4", f"{SOURCE}, text on GPT-4, quoting SemiAnalysis",
    (Item("A100", "a100-sxm-80gb"), Item("H100", "h100-sxm")), (
        Field("parameters", "trillion", "1.8 | 1.8"),
        Field("layers", "", "120 | 120"),
        Field("gpus", "", "25000 | 8192"),
        Field("days", "day", "90-100 | 55", fixes=(
            Fix("25,000 GPUs at 1 USD/h make 63 MUSD in 105 days, 54 to 60 in those printed: the cost comes from FLOP, "
                "not from these days", lambda c: c["cost"] * 1e6 / (c["gpus"] * 24 * c["price"]), items=("A100",),
                source="arithmetic"),)),
        Field("price", "USD/GPU-hour", "1 | 2"),
        Field("cost", "M USD", "63 | 21.5", formula=_training_cost, measured=True,
              words="GPUs x days x 24 h x price", fixes=(
                  Fix("54 to 60 in the printed 90 to 100 days; 63 takes 105 days, which is 30 % MFU for 2.15e25 FLOP",
                      items=("A100",), source="arithmetic"),
                  Fix("8,192 x 55 x 24 x 2 = 21.63; 21.5 is 54.7 days",
                      lambda c: c["gpus"] * c["days"] * 24 * c["price"] / 1e6, items=("H100",), source="arithmetic"))),
        Field("days_of_that_cost", "day", formula=lambda c: c["cost"] * 1e6 / (c["gpus"] * 24 * c["price"]),
              words="cost / (GPUs x 24 h x price)"),
        Field("mfu", "%", formula=lambda c: 100 * GPT4_TRAINING_FLOP / (
              (figures.peak("bf16")(c.chip) or 0.0) * 1e12 * 3600 * c["cost"] * 1e6 / c["price"]),
              words="2.15e25 FLOP / (bf16 peak x GPU-hours of that cost)"),
    ),
    errata="Guohai 2024-02, GPT-4",
    notes=("SemiAnalysis quotes 32 to 36 % MFU on A100; the H100 figure needs nearly twice that in bf16",),
)


def _tokens_per_s(c: Record) -> float:
    """Tokens that a cluster must make so that its rent is the printed cost per token."""
    return c["gpus"] * c["rate"] / 3600 / (c["usd_per_1k"] / 1e3)


GPT4_INFERENCE = Table(
    "gpt4-inference", "Inference of GPT-4, 8k context", f"{SOURCE}, text on GPT-4, quoting SemiAnalysis",
    (Item("A100", "a100-sxm-80gb"), Item("H100", "h100-sxm")), (
        Field("gpus", "", "128 | 128"),
        Field("cost_per_1k_tokens", "cent", "0.0049 | 0.0021", fixes=(
            Fix("dollars, not cents: in cents the GPUs would have to run at 10 and 15 times their peak; SemiAnalysis "
                "itself writes \"$0.0049 cents\"", unit="USD", source="arithmetic"),)),
        Field("rate", "USD/GPU-hour", hidden=lambda c: 1.0 if c.item.name == "A100" else 2.0,
              words="as in the training sentence; not stated for inference"),
        Field("usd_per_1k", "USD", formula=lambda c: c["cost_per_1k_tokens"] / 100, words="cents / 100", fixes=(
            Fix("the printed number is dollars already", lambda c: c["cost_per_1k_tokens"]),)),
        Field("tokens_per_s", "token/s", formula=_tokens_per_s, words="GPUs x rate / cost per token"),
        Field("compute", "PFLOP/s", formula=lambda c: c["tokens_per_s"] * 2 * GPT4_ACTIVE / 1e15,
              words="tokens/s x 2 x 280e9 active parameters"),
        Field("share_of_peak", "%", formula=lambda c: 100 * c["compute"] * 1e15 / (
              c["gpus"] * (figures.peak("bf16")(c.chip) or 0.0) * 1e12),
              words="compute / (GPUs x bf16 peak)"),
    ),
    errata="Guohai 2024-02, GPT-4",
)


# --- petaflop/s-days --------------------------------------------------------------------------------------------------

def _model(name: str, parameters: float, tokens: float, flop: float = 6) -> Item:
    """Return a model with its exact parameters, training tokens and FLOP per parameter and token."""
    return Item(name, "", {"n": parameters, "d": tokens, "flop": flop} if tokens else {})


_MODELS = (
    _model("BERT-Large", 355e6, 250e9),   # Brown et al. 2020, table D.1
    _model("GPT-2", 1.5e9, 0),            # tokens never published
    _model("GPT-3", 174.6e9, 300e9),      # Brown et al. 2020, table D.1
    _model("T-5", 11e9, 2**35),           # 2^35 tokens: T5's ablations (Raffel et al. 2020, section 3.1.2)
    _model("MT-NLG", 530e9, 270e9),       # Smith et al. 2022
    _model("PaLM", 540e9, 780e9),         # Chowdhery et al. 2022
    _model("PaLM-2", 340e9, 3.6e12),      # press, 2023-05: not a figure of Google's
    _model("Switch-Transformer", 1.6e12, 0),
    _model("Chinchilla", 70e9, 1.4e12),   # Hoffmann et al. 2022
    _model("LLaMA", 65.2e9, 1.4e12),      # Touvron et al. 2023
    _model("Yuan 1.0", 245.73e9, 180e9, 8),  # Wu et al. 2021
)

_UNKNOWN = {
    "GPT-2": "tokens were never published; 8.7 implies 84e9",
    "Switch-Transformer": "a mixture of experts: 6 FLOP per parameter do not apply; 46 implies 4.0e21 FLOP",
}


def _compute(c: Record) -> float | None:
    """FLOP per parameter and token x parameters x tokens, in petaflop/s-days; None where tokens are unknown."""
    return dense_flop(c.fact("n"), c.fact("d"), c.fact("flop")) / PETAFLOP_S_DAY if c.item.facts else None


COMPUTE = Table(
    "petaflop-days", "Training compute in petaflop/s-days",
    f"{SOURCE}, table of training compute, after IDC and Inspur", _MODELS, (
        Field("parameters", "", "0.3e9 | 1.5e9 | 175e9 | 11e9 | 530e9 | 540e9 | 340e9 | 1.6e12 | 70e9 | 65e9 | 245e9"),
        Field("pd", "PFLOP/s-day", "2.4 | 8.7 | 3640 | 26 | 9900 | 29000 | 85000 | 46 | 6795 | 6330 | 4095", zeros=True,
              formula=_compute, words="6 x parameters x tokens (Yuan: 8), over 8.64e19", unchecked=_UNKNOWN, fixes=(
                  Fix("6 x 355e6 x 250e9", _compute, source="Brown et al. 2020 (GPT-3), table D.1",
                      items=("BERT-Large",)),
                  Fix("34e9 tokens are the length of an ablation; the model was trained on 1e12, and each token passes "
                      "one half of an encoder-decoder: 3 FLOP per parameter",
                      lambda c: dense_flop(11e9, 1e12, 3) / PETAFLOP_S_DAY, items=("T-5",),
                      source="Brown et al. 2020 (GPT-3), table D.1: 382"),
                  Fix("8 FLOP per parameter and token, with recomputation: the hardware's FLOP among the models' 6",
                      lambda c: dense_flop(c.fact("n"), c.fact("d")) / PETAFLOP_S_DAY, source="arithmetic",
                      items=("Yuan 1.0",)),
                  Fix("6 x 70e9 x 1.4e12 is 0.2 % more", _compute, source="Hoffmann et al. 2022",
                      items=("Chinchilla",)),
                  Fix("6 x 65.2e9 x 1.4e12 is 0.1 % more", _compute, source="Touvron et al. 2023", items=("LLaMA",)))),
    ),
    errata="Guohai 2024-02, training compute", by_item=True,
    notes=("one petaflop/s-day is 8.64e19 FLOP; PaLM-2's parameters and tokens are from the press, not from Google",),
)


# --- GPUs -------------------------------------------------------------------------------------------------------------

CHIPS = Table(
    "guohai-chips", "NVIDIA's PCIe cards", f"{SOURCE}, figure 7",
    (Item("V100 PCIe", "v100-pcie"), Item("A100 80GB PCIe", "a100-pcie-80gb"), Item("A800 80GB PCIe", "a800-pcie-80gb"),
     Item("H100 80GB PCIe", "h100-pcie")), (
        Field("architecture", "", "Volta | Ampere | Ampere | Hopper", text=True),
        Field("fp64", "TFLOPS", "7 | 9.7 | 9.7 | 26", figure=figures.peak("fp64")),
        Field("fp32", "TFLOPS", "14 | 19.5 | 19.5 | 51", figure=figures.peak("fp32_vector")),
        Field("fp16_tensor", "TFLOPS", "| 312 | 312 | 756.5", figure=figures.peak("fp16", "bf16")),
        Field("int8_tensor", "TOPS", "62 | 624 | 624 | 1513", figure=figures.peak("int8")),
        Field("memory", "GB", "32/16 | 80 | 80 | 80", figure=figures.memory_gb),
        Field("memory_type", "", "HBM2 | HBM2e | HBM2e |", text=True, figure=figures.memory_type),
        Field("bandwidth", "GB/s", "900 | 1935 | 1935 | 2000", figure=figures.memory_rate),
        Field("tdp", "W", "250 | 300 | 300 | 300-350", figure=figures.power),
        Field("nvlink", "GB/s", "300 | 600 | 400 | 600", figure=figures.link(2)),
        Field("pcie", "GB/s", "32 | 64 | 64 | 128", figure=figures.host(2)),
    ),
    errata="Guohai 2024-02, comparison of GPUs",
    notes=("links are summed both ways",),
)


# --- vendors ----------------------------------------------------------------------------------------------------------

def _price(chip: Entry) -> float | None:
    return chip.price if isinstance(chip, Chip) else None


VENDORS = Table(
    "guohai-vendors", "Prices of AI chips, capacity and shipments of 2023", f"{SOURCE}, table 1",
    (Item("NVIDIA H100", "h100-sxm"), Item("NVIDIA A100", "a100-sxm-80gb"), Item("AMD MI300X", "mi300x"),
     Item("Intel Gaudi2", "gaudi2"), Item("NVIDIA H20", "h20"), Item("Huawei 910B", "ascend-910b")), (
        Field("unit_price", "USD", "36500 | 15000 | >30000 | 8000-10000 | 12000-15000 | ", figure=_price),
        Field("unit_price_cny", "CNY", "| | | | | 120000"),
        Field("capacity", "million/yr", "1 | | >0.15 | >0.1 | |"),
        Field("shipments_2023", "million", ">1.5 | | >0.18 | >0.08 | |", fixes=(
            Fix("above the capacity that the same table prints", lambda c: c["capacity"], source="arithmetic",
                items=("NVIDIA H100", "AMD MI300X")),)),
        Field("shipped_of_capacity", "%", words="shipments / capacity",
              formula=lambda c: 100 * c["shipments_2023"] / c["capacity"] if c.value("capacity") else None),
    ),
    errata="Guohai 2024-02, vendors",
    notes=("capacity and shipments are of all data-centre chips of the vendor; prices differ by date and channel: all "
           "are on file (archsim chips NAME --sources)",),
)
