"""Errors in printed chip tables: what stands there, what should, and why.

Five reports of brokers and of an expert, 2023 to 2025, print tables of AI chips from which many comparisons start.
`ERRATA` holds every cell about a chip that this catalogue does not reproduce, and what of their arithmetic does not
close. What merely rounds is no error.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Erratum:
    """One wrong cell: `printed` and `corrected` in `unit`, the reason, and the source of the correction.

    `row` is a chip's name in the catalogue where the table is one of chips.
    """

    table: str
    row: str
    column: str
    printed: float | str
    corrected: float | str
    unit: str
    reason: str
    source: str


CHIPS = "Shenwan Hongyuan 2025-03, comparison of chips"
COSTS = "Shenwan Hongyuan 2025-03, costs of chips"
ARCHITECTURE = "Shenwan Hongyuan 2025-03, text on architectures"
TRAINING = "Shenwan Hongyuan 2025-03, cost of training Llama 3 405B"
MEGASCALE = "Shenwan Hongyuan 2025-03, MegaScale"
GUOHAI = "Guohai 2024-02, comparison of GPUs"
GUOHAI_VENDORS = "Guohai 2024-02, vendors"
GUOHAI_GPT4 = "Guohai 2024-02, GPT-4"
GUOHAI_COMPUTE = "Guohai 2024-02, training compute"
SOOCHOW = "Soochow 2024-03, figure 5"
SOOCHOW_11 = "Soochow 2024-03, figure 11"
SOOCHOW_TEXT = "Soochow 2024-03, text"
ALIBABA = "Alibaba expert notes 2025-09"

_KLOCK = "glennklockwood.com/garden/processors"
_AIC = "ai-dynamo/aiconfigurator systems/*.yaml @095f58a5"
_NEURON = "AWS Neuron documents, trainium2.rst and nki/guides/architecture"
_V6E = "docs.cloud.google.com/tpu/docs/v6e"
_V5P = "docs.cloud.google.com/tpu/docs/v5p"
_MAIA = "Hot Chips 2024, Maia 100"
_ZEXRON = "zexron.com, MI250 and MI250X table; ROCm documents"
_ASCEND = "Hot Chips 31, Da Vinci"
_CAMBRICON = "Cambricon product pages"
_CLOSURE = "arithmetic"
_INTENSITY = ("printed is peak over memory capacity, which says nothing of a roofline; the balance point is peak over "
              "bandwidth")


def _intensity(chip: str, printed: float, balance: float) -> Erratum:
    return Erratum(CHIPS, chip, "compute_intensity", printed, balance, "TFLOPS/GB printed, FLOP/B corrected",
                   _INTENSITY, _CLOSURE)


ERRATA: tuple[Erratum, ...] = (
    # --- Shenwan Hongyuan 2025-03: chips
    _intensity("h100-sxm", 12.4, 295), _intensity("b200", 11.7, 281), _intensity("b300", 11.7, 281),
    _intensity("mi325x", 5.1, 218), _intensity("tpu-v5p", 4.8, 166), _intensity("tpu-v6e", 28.9, 560),
    _intensity("trainium2", 4.5, 230), _intensity("mtia-v2", 1.4, 864), _intensity("maia-100", 12.5, 444),
    Erratum(CHIPS, "h100-sxm", "hbm_stacks", 6, 5, "", "the sixth site is inactive: 5 x 16 = 80 GB", f"{_KLOCK}/h100"),
    Erratum(CHIPS, "b300", "peak_bf16", 3375, 2250, "TFLOPS",
            "only FP4 grew by half; 2250 on HGX, 2500 in GB300", f"{_AIC}; {_KLOCK}/B300"),
    Erratum(CHIPS, "b300", "power", 1200, 1100, "W", "1100 on HGX, 1400 in GB300; 1200 is GB200's", _AIC),
    Erratum(CHIPS, "b300", "year", 2024, 2025, "", "announced 2025-03, shipped in the second half", "NVIDIA"),
    Erratum(CHIPS, "mi325x", "compute_dies", 4, 8, "", "4 is the count of I/O dies", "rocm.docs.amd.com, gpu-specs"),
    Erratum(CHIPS, "tpu-v5p", "memory_capacity", 96, 95, "GB", "6 stacks of 16, of which 95 are for users", _V5P),
    Erratum(CHIPS, "tpu-v6e", "peak_bf16", 926, 918, "TFLOPS", "JAX has 920", _V6E),
    Erratum(CHIPS, "tpu-v6e", "link_bandwidth", 3584, 400, "GB/s",
            "3584 is in Gbit/s: 448 GB/s, in two revisions of the document; two others have 3200 Gbit/s", _V6E),
    Erratum(CHIPS, "trainium2", "year", 2023, 2024, "", "announced 2023-11, available 2024-12", "press"),
    Erratum(CHIPS, "trainium2", "peak_bf16", 431, 667, "TFLOPS",
            "667 on the data sheet; its own text has 8 x 79 = 632, which 2.4 GHz gives", _NEURON),
    Erratum(CHIPS, "trainium2", "memory_bandwidth", 4000, 2900, "GB/s", "46.4 TB/s for 16", _NEURON),
    Erratum(CHIPS, "trainium2", "link_bandwidth", 768, 1280, "GB/s",
            "768 is Trainium1's (Trn1n); 1024 within an instance and 256 between instances, both ways", _NEURON),
    Erratum(CHIPS, "mtia-v2", "hbm_stacks", 4, "none", "", "its memory is LPDDR5, which is not stacked", "Meta"),
    Erratum(CHIPS, "maia-100", "memory_type", "HBM3e", "HBM2e", "", "", _MAIA),
    Erratum(CHIPS, "maia-100", "memory_bandwidth", 1600, 1800, "GB/s", "", _MAIA),
    Erratum(CHIPS, "maia-100", "power", 860, 700, "W", "700 by design, 500 provisioned", _MAIA),
    Erratum(CHIPS, "all", "link_bandwidth", "one column", "two bases", "",
            "NVLink, Infinity Fabric and NeuronLink are summed both ways, TPU v5p and Maia one way; one way they are "
            "450, 900, 900, 448, 600, 400, 640 and 600 GB/s", "vendors' documents"),
    Erratum(CHIPS, "mtia-v2", "roadmap", "2H25", "2024", "",
            "the report's roadmap contradicts its table: announced 2024-04, then in 16 regions", "etcentric"),
    # --- Shenwan Hongyuan 2025-03: costs, architectures, training
    Erratum(COSTS, "h100-sxm", "memory_capacity", 96, 80, "GB",
            "priced as 6 x 16 GB, sold with 5 x 16; its own comparison has 80", f"{_KLOCK}/h100"),
    Erratum(COSTS, "tpu-v5p", "memory_capacity", 96, 95, "GB", "as in the comparison", _V5P),
    Erratum(COSTS, "tpu-v6e", "peak_bf16", 926, 918, "TFLOPS", "as in the comparison", _V6E),
    Erratum(COSTS, "trainium2", "peak_bf16", 431, 667, "TFLOPS", "as in the comparison", _NEURON),
    Erratum(COSTS, "all", "gross_margin", "85-90, 65-70, 47-53", "86.1, 85.3, 70.0, 69.4, 51.1", "%",
            "no single point of the printed ranges gives the five printed prices", _CLOSURE),
    Erratum(ARCHITECTURE, "h100-sxm", "tensor_cores", 576, 528, "", "576 is the full die; 132 SMs have 528",
            f"{_KLOCK}/h100"),
    Erratum(ARCHITECTURE, "trainium2", "vector_engine", "1 TFLOPS FP16", "1 TFLOPS FP32", "per NeuronCore",
            "the format is wrong", "AWS Neuron documents, NeuronCore-v3"),
    Erratum(ARCHITECTURE, "trainium2", "scalar_engine", "1.2 TFLOPS FP16", "1.2 TFLOPS FP32", "per NeuronCore",
            "the format is wrong", "AWS Neuron documents, NeuronCore-v3"),
    Erratum(ARCHITECTURE, "hanguang-800", "peak_int8", 820, 825, "TOPS", "", "Hot Chips 32"),
    Erratum(TRAINING, "trainium2", "peak_fp16", 650, 667, "TFLOPS", "431 in two other tables of the report", _NEURON),
    Erratum(TRAINING, "tpu-v5p", "accelerator_power", 700, 475, "W",
            "no source: Google publishes none; 400 to 550 are estimates", "analyst judgement"),
    Erratum(TRAINING, "tpu-v5p", "accelerators_per_server", 8, 4, "", "a host has 2 x 2 x 1 chips", _V5P),
    Erratum(TRAINING, "trainium2", "accelerator_power", 700, 500, "W", "no source; about 500 by SemiAnalysis",
            "SemiAnalysis"),
    Erratum(TRAINING, "gb200", "accelerator_power", 2400, 2700, "W per superchip",
            "later rows of the table use 2700, with the Grace processor", "NVIDIA Blackwell datasheet"),
    Erratum(TRAINING, "gb200", "accelerators", 24000, 48000, "",
            "counts superchips of two GPUs as one, so that 48000 GPUs stand beside 24000 of the others", _CLOSURE),
    Erratum(TRAINING, "all", "total_compute", 18000, 37900, "ZFLOP",
            "6 x 405e9 x 15.6e12: days and costs all double", "Llama 3 paper: 3.8e25 FLOP"),
    Erratum(TRAINING, "all", "per_accelerator_day", "PFLPOS", "PFLOP", "", "a slip of the unit's name", _CLOSURE),
    Erratum(TRAINING, "all", "server_price", "10 kUSD", "kUSD", "", "unit ten times too large", _CLOSURE),
    Erratum(TRAINING, "all", "yearly_depreciation", "100 MUSD", "10 MUSD", "", "unit ten times too large", _CLOSURE),
    Erratum(TRAINING, "all", "electricity_price", "kWh/USD", "USD/kWh", "", "unit inverted", _CLOSURE),
    Erratum(TRAINING, "h100-sxm", "energy", 587, 1468, "10 MWh",
            "multiplied by a utilisation of 40 %, which is a share of peak and no duty cycle: at 40 % of its peak a "
            "chip draws nearly full power", _CLOSURE),
    Erratum(TRAINING, "b200", "energy", 334, 836, "10 MWh", "as for H100", _CLOSURE),
    Erratum(TRAINING, "gb200", "energy", 324, 810, "10 MWh", "as for H100", _CLOSURE),
    Erratum(TRAINING, "tpu-v5p", "energy", 1097, 2744, "10 MWh", "as for H100", _CLOSURE),
    Erratum(TRAINING, "trainium2", "energy", 851, 2127, "10 MWh", "as for H100", _CLOSURE),
    Erratum(TRAINING, "all", "server_price", "accelerators and CPUs", "accelerators", "",
            "the prices close with about 100 USD per CPU, which cost 5000 to 10000", _CLOSURE),
    Erratum(TRAINING, "all", "depreciation_years", 4, "5 to 6", "year",
            "the text of the report says 5 to 6", "the same report"),
    Erratum(MEGASCALE, "Megatron-LM 768, 256 GPUs", "aggregate", 43.3, 42.3, "PFLOP/s", "MFU x GPUs x 312 TFLOPS",
            _CLOSURE),
    Erratum(MEGASCALE, "Megatron-LM 768, 512 GPUs", "aggregate", 77.6, 79.7, "PFLOP/s", "MFU x GPUs x 312 TFLOPS",
            _CLOSURE),
    Erratum(MEGASCALE, "Megatron-LM 768, 1024 GPUs", "aggregate", 131.9, 142.8, "PFLOP/s", "MFU x GPUs x 312 TFLOPS",
            _CLOSURE),
    Erratum(MEGASCALE, "MegaScale 6144, 12288 GPUs", "aggregate", 2166.3, 2116.3, "PFLOP/s", "MFU x GPUs x 312 TFLOPS",
            _CLOSURE),
    # --- Guohai 2024-02
    Erratum(GUOHAI, "v100-pcie", "nvlink", 300, "none", "GB/s", "the PCIe card has no NVLink; 300 is SXM2's",
            "NVIDIA V100 datasheet"),
    Erratum(GUOHAI, "v100-pcie", "int8_tensor", 62, "none", "TOPS",
            "Volta's tensor cores have no int8; 62 is DP4A on the vector units, at SXM2's clock",
            "hahnyuan/LLM-Viewer hardware_params.py @472f71f1"),
    Erratum(GUOHAI_VENDORS, "h100-sxm", "unit_price", 36500, 18000, "USD",
            "18000 in Shenwan Hongyuan 2025-03, 25000 to 30000 in 2023: dates and channels; all are kept",
            "archsim.chips.prices"),
    Erratum(GUOHAI_VENDORS, "mi300x", "unit_price", 30000, 15000, "USD",
            "printed as above 30000; others have 15000: both are kept", "siliconanalysts.com"),
    Erratum(GUOHAI_VENDORS, "NVIDIA, AMD", "shipments_2023", "1.5M, 0.18M", "1M, 0.15M", "per year",
            "shipments above the capacity that the same table prints", _CLOSURE),
    Erratum(GUOHAI_GPT4, "A100", "training days", "90-100", 105, "day",
            "25000 GPUs at 1 USD/h make 63 MUSD in 105 days, 54 to 60 in those printed", _CLOSURE),
    Erratum(GUOHAI_GPT4, "128 A100, 8k context", "inference", "0.0049 cents", "0.0049 dollars", "per 1k tokens",
            "in cents it would be 10 times the GPUs' peak", _CLOSURE),
    Erratum(GUOHAI_GPT4, "128 H100, 8k context", "inference", "0.0021 cents", "0.0021 dollars", "per 1k tokens",
            "in cents it would be 15 times the GPUs' peak", _CLOSURE),
    Erratum(GUOHAI_COMPUTE, "T-5", "pd", 26, 382, "PFLOP/s-day", "26 is the length of an ablation", "GPT-3 paper"),
    Erratum(GUOHAI_COMPUTE, "BERT-Large", "pd", 2.4, 6.2, "PFLOP/s-day", "", "GPT-3 paper"),
    Erratum(GUOHAI_COMPUTE, "Yuan 1.0", "pd", 4095, 3071, "PFLOP/s-day",
            "8 FLOP per parameter and token, with recomputation; the others count 6", _CLOSURE),
    # --- Soochow 2024-03
    Erratum(SOOCHOW, "h100-sxm", "fp16_tflops", 1979, 989.4, "TFLOPS",
            "with sparsity, beside A100's dense 312", f"{_KLOCK}/h100"),
    Erratum(SOOCHOW, "h100-pcie", "fp16_tflops", 1513, 756.5, "TFLOPS",
            "with sparsity, beside A100's dense 312", _AIC),
    Erratum(SOOCHOW, "mi250", "bandwidth_gb_s", 100, 3277, "GB/s", "100 is one Infinity Fabric link", _ZEXRON),
    Erratum(SOOCHOW, "mi250x", "bandwidth_gb_s", 100, 3277, "GB/s", "100 is one Infinity Fabric link", _ZEXRON),
    Erratum(SOOCHOW, "ascend-910", "fp16_tflops", 320, 256, "TFLOPS",
            "32 cubes at 1.0 GHz; 320, on a later product page, needs 1.22 GHz", _ASCEND),
    Erratum(SOOCHOW, "ascend-910", "int8_tops", 640, 512, "TOPS", "as fp16", _ASCEND),
    Erratum(SOOCHOW, "mlu370-s4", "fp16_tflops", 96, 72, "TFLOPS", "96 is int16", _CAMBRICON),
    Erratum(SOOCHOW, "mlu290-m5", "fp16_tflops", "TOPS (INT16)", 256, "TOPS int16", "the number is lost",
            "zoukankan.com, MLU290"),
    Erratum(SOOCHOW, "mlu290-m5", "fp32_tflops", "OPS (CINT32)", 64, "TOPS cint32", "the number is lost", _CAMBRICON),
    Erratum(SOOCHOW, "enflame-i20", "model", "Yunsui 21", "Yunsui i20", "", "T21 is a training card", "Enflame"),
    Erratum(SOOCHOW_11, "a100-sxm-80gb", "fp32_lanes", 2560, 6912, "", "2560, 640 and 1.53 GHz are V100's",
            "NVIDIA A100 whitepaper"),
    Erratum(SOOCHOW_11, "a100-sxm-80gb", "tensor_cores", 640, 432, "", "640 is V100's", "NVIDIA A100 whitepaper"),
    Erratum(SOOCHOW_11, "a100-sxm-80gb", "clock", 1.53, 1.41, "GHz", "1.53 is V100's", "NVIDIA A100 whitepaper"),
    Erratum(SOOCHOW_11, "hygon-shensuan-1", "clock_fp64", 1.5, 1.23, "GHz",
            "64 x 64 x 2 x 1.23 GHz give the printed 10.1 TFLOPS, 1.5 would give 12.3", _CLOSURE),
    Erratum(SOOCHOW_11, "hygon-shensuan-1", "clock_fp32", 1.7, 1.40, "GHz",
            "64 x 64 x 2 x 1.40 GHz give the printed 11.5 TFLOPS, 1.7 would give 13.9", _CLOSURE),
    Erratum(SOOCHOW_TEXT, "b200", "fp4", 20, 9, "PFLOPS", "with sparsity, and GB200's; dense is half", _KLOCK),
    Erratum(SOOCHOW_TEXT, "h100-sxm", "fp8", 4, 1.9789, "PFLOPS", "with sparsity; dense is half", _KLOCK),
    Erratum(SOOCHOW_TEXT, "b200", "speed-up over H100", 5, 2.5, "x",
            "FP4 against FP8, both sparse; in FP8 it is 10 against 4", _CLOSURE),
    # --- Alibaba expert notes 2025-09
    Erratum(ALIBABA, "all", "names", "寒光800, 海五记, 升腾, MI 3080, G200", "含光800, 寒武纪, 昇腾, MI308, GB200", "",
            "transcription", _CLOSURE),
    Erratum(ALIBABA, "Alibaba", "GPUs", "500k to 600k", 443000, "", "the parts that it lists add up to 443k", _CLOSURE),
)
