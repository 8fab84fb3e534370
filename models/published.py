"""published: the parameter count that was published for each model shipped, and where."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A published parameter count: `exact` to the last digit or a headline, its source, and why ours differs from it
    by more than 0.5 %, if it does.
    """

    parameters: float
    source: str
    exact: bool = False
    differs: str = ""


PUBLISHED: dict[str, Published] = {
    "bert-base-uncased": Published(
        109_482_240,
        "Hugging Face google-bert/bert-base-uncased, backbone and pooler; Devlin et al. 2018 round to 110M",
        exact=True),
    "bert-large-uncased": Published(
        335_141_888,
        "Hugging Face google-bert/bert-large-uncased, backbone and pooler; Devlin et al. 2018 round to 340M",
        exact=True),
    "bloom-176b": Published(176_247_271_424, "Hugging Face bigscience/bloom", exact=True),
    "chatglm2-6b": Published(6_243_584_000, "Hugging Face THUDM/chatglm2-6b", exact=True),
    "chatglm3-6b": Published(6_243_584_000, "Hugging Face THUDM/chatglm3-6b", exact=True),
    "chatglm-6b": Published(6_173_286_400, "Hugging Face THUDM/chatglm-6b", exact=True),
    "chinchilla-70b": Published(70e9, "Hoffmann et al. 2022, arXiv:2203.15556, table 4"),
    "dbrx": Published(131_596_523_520, "Hugging Face databricks/dbrx-base", exact=True),
    "deepseek-llm-67b": Published(67.4e9, "Hugging Face deepseek-ai/deepseek-llm-67b-base (67.4B)"),
    "deepseek-r1": Published(671e9, "DeepSeek-AI 2025, arXiv:2501.12948 (671B)"),
    "deepseek-v2-lite": Published(15_706_484_224, "Hugging Face deepseek-ai/DeepSeek-V2-Lite", exact=True),
    "deepseek-v2": Published(235_741_434_880, "Hugging Face deepseek-ai/DeepSeek-V2", exact=True),
    "deepseek-v3": Published(671e9, "DeepSeek-AI 2024, arXiv:2412.19437 (671B)"),
    "falcon-7b": Published(
        6_921_720_704,
        "the class of Hugging Face tiiuae/falcon-7b, head tied; its checkpoint stores the head too (7,217,189,760)",
        exact=True),
    "falcon-40b": Published(
        41.3e9,
        "the class of Hugging Face tiiuae/falcon-40b, head tied (41.30B); its checkpoint stores the head too (41.84B)"),
    "falcon-180b": Published(179_522_565_120, "Hugging Face tiiuae/falcon-180B, head not tied", exact=True),
    "gemma-3-1b": Published(
        999_885_952, "Hugging Face google/gemma-3-1b-pt; Keras Hub lists the same count", exact=True),
    "gemma-2b": Published(2_506_172_416, "Hugging Face google/gemma-2b; Keras Hub lists the same count", exact=True),
    "gemma-2-2b": Published(
        2_614_341_888, "Hugging Face google/gemma-2-2b; Keras Hub lists the same count", exact=True),
    "gemma-3-4b": Published(
        3_880_263_168,
        "Hugging Face google/gemma-3-4b-pt, text model: Keras Hub count, with 262,208 rows of vocabulary",
        exact=True),
    "gemma-7b": Published(8_537_680_896, "Hugging Face google/gemma-7b; Keras Hub lists the same count", exact=True),
    "gemma-2-9b": Published(
        9_241_705_984, "Hugging Face google/gemma-2-9b; Keras Hub lists the same count", exact=True),
    "gemma-3-12b": Published(
        11_766_034_176,
        "Hugging Face google/gemma-3-12b-pt, text model: Keras Hub count, with 262,208 rows of vocabulary",
        exact=True),
    "gemma-3-27b": Published(
        27_009_346_304,
        "Hugging Face google/gemma-3-27b-pt, text model: Keras Hub count, with 262,208 rows of vocabulary",
        exact=True),
    "gemma-2-27b": Published(
        27_227_128_320, "Hugging Face google/gemma-2-27b; Keras Hub lists the same count", exact=True),
    "glam-64b-64e": Published(
        1.2e12,
        "Du et al. 2021, arXiv:2112.06905 (1.2T)",
        differs="headline rounded up; active parameters agree (96.6B)"),
    "glm-4-9b": Published(9_399_951_360, "Hugging Face THUDM/glm-4-9b", exact=True),
    "glm-4.5-air": Published(
        106e9, "GLM-4.5 technical report, arXiv:2508.06471 (106B)", differs="headline rounded down"),
    "glm-4.5": Published(
        355e9,
        "GLM-4.5 technical report, arXiv:2508.06471 (355B)",
        differs="the headline rounds between 352.8B and 358.3B with its prediction layer"),
    "gopher-280b": Published(280e9, "Rae et al. 2021, arXiv:2112.11446, table 1"),
    "gpt2": Published(124_439_808, "Hugging Face openai-community/gpt2; Keras Hub lists the same count", exact=True),
    "gpt2-medium": Published(
        354_823_168, "Hugging Face openai-community/gpt2-medium; Keras Hub lists the same count", exact=True),
    "gpt2-large": Published(
        774_030_080, "Hugging Face openai-community/gpt2-large; Keras Hub lists the same count", exact=True),
    "gpt3-1.3b": Published(1.32e9, "Brown et al. 2020, arXiv:2005.14165, table D.1"),
    "gpt2-xl": Published(
        1_557_611_200, "Hugging Face openai-community/gpt2-xl; Keras Hub lists the same count", exact=True),
    "gpt3-6.7b": Published(6.66e9, "Brown et al. 2020, arXiv:2005.14165, table D.1"),
    "gpt3-13b": Published(12.85e9, "Brown et al. 2020, arXiv:2005.14165, table D.1"),
    "gpt3-175b": Published(174.6e9, "Brown et al. 2020, arXiv:2005.14165, table D.1"),
    "gpt-20b": Published(
        20e9, "NVIDIA FasterTransformer, docs/gpt_guide.md (GPT-20B)", differs="headline rounded down"),
    "gpt-89b": Published(
        89e9, "NVIDIA FasterTransformer, docs/gpt_guide.md (GPT-89B)", differs="headline; the dimensions give 87.6B"),
    "gpt-4-1.8t-rumour": Published(
        1.8e12,
        "RUMOUR: SemiAnalysis, July 2023, at second hand: 120 layers, 16 experts of 111B, 2 a token, 55B attention",
        differs="a rumour: dimensions chosen to fit it"),
    "gpt-j-6b": Published(6_050_882_784, "Hugging Face EleutherAI/gpt-j-6b", exact=True),
    "gpt-neox-20b": Published(20_554_567_680, "Hugging Face EleutherAI/gpt-neox-20b", exact=True),
    "gpt-oss-20b": Published(
        20_914_757_184, "Hugging Face openai/gpt-oss-20b; Keras Hub lists the same count", exact=True),
    "gpt-oss-120b": Published(
        116_829_156_672, "Hugging Face openai/gpt-oss-120b; Keras Hub lists the same count", exact=True),
    "grok-1": Published(
        314e9, "xai-org/grok-1, README (314B)", differs="the headline leaves out the embedding of 0.8B"),
    "kimi-k2": Published(
        1.04e12, "Kimi K2 technical report, arXiv:2507.20534 (1.04T)", differs="headline; the dimensions give 1.026T"),
    "llama-3.2-1b": Published(1_235_814_400, "Hugging Face meta-llama/Llama-3.2-1B", exact=True),
    "llama-3.2-3b": Published(3_212_749_824, "Hugging Face meta-llama/Llama-3.2-3B", exact=True),
    "llama-7b": Published(6_738_415_616, "Hugging Face huggyllama/llama-7b", exact=True),
    "llama-2-7b": Published(
        6_738_415_616, "Hugging Face meta-llama/Llama-2-7b-hf; Keras Hub lists the same count", exact=True),
    "llama-3-8b": Published(
        8_030_261_248, "Hugging Face meta-llama/Meta-Llama-3-8B; Keras Hub lists the same count", exact=True),
    "llama-3.1-8b": Published(
        8_030_261_248, "Hugging Face meta-llama/Llama-3.1-8B; Keras Hub lists the same count", exact=True),
    "llama-13b": Published(13_015_864_320, "Hugging Face huggyllama/llama-13b", exact=True),
    "llama-2-13b": Published(13_015_864_320, "Hugging Face meta-llama/Llama-2-13b-hf", exact=True),
    "llama-33b": Published(32_528_943_616, "Hugging Face huggyllama/llama-30b", exact=True),
    "llama-65b": Published(65_285_660_672, "Hugging Face huggyllama/llama-65b", exact=True),
    "llama-2-70b": Published(68_976_648_192, "Hugging Face meta-llama/Llama-2-70b-hf", exact=True),
    "llama-3-70b": Published(70_553_706_496, "Hugging Face meta-llama/Meta-Llama-3-70B", exact=True),
    "llama-3.1-70b": Published(70_553_706_496, "Hugging Face meta-llama/Llama-3.1-70B", exact=True),
    "llama-4-scout": Published(
        109e9, "Meta, Llama 4 model card (109B)", differs="the headline includes the vision tower of 0.86B"),
    "llama-4-maverick": Published(400e9, "Meta, Llama 4 model card (400B)"),
    "llama-3.1-405b": Published(405_853_388_800, "Hugging Face meta-llama/Llama-3.1-405B", exact=True),
    "maxtext-16b": Published(15.8e9, "MaxText, MaxText/configs/v5p/README.md, global_parameter_scale"),
    "maxtext-32b": Published(31.7e9, "MaxText, MaxText/configs/v5p/README.md, global_parameter_scale"),
    "maxtext-64b": Published(62.8e9, "MaxText, MaxText/configs/v5p/README.md, global_parameter_scale"),
    "maxtext-128b": Published(125.1e9, "MaxText, MaxText/configs/v5p/README.md, global_parameter_scale"),
    "maxtext-256b": Published(250.2e9, "MaxText, MaxText/configs/v5p/README.md, global_parameter_scale"),
    "maxtext-512b": Published(499.3e9, "MaxText, MaxText/configs/v5p/README.md, global_parameter_scale"),
    "megatron-22b": Published(22e9, "Korthikanti et al. 2022, arXiv:2205.05198, table 3"),
    "megatron-39b": Published(39.1e9, "Narayanan et al. 2021, arXiv:2104.04473, table 1"),
    "megatron-145b": Published(145.6e9, "Narayanan et al. 2021, arXiv:2104.04473, table 1"),
    "megatron-310b": Published(310.1e9, "Narayanan et al. 2021, arXiv:2104.04473, table 1"),
    "megatron-1t": Published(1.008e12, "Narayanan et al. 2021, arXiv:2104.04473, table 1 (1008.0B)"),
    "mistral-7b-v0.1": Published(
        7_241_732_096, "Hugging Face mistralai/Mistral-7B-v0.1; Keras Hub lists the same count", exact=True),
    "mistral-large-2": Published(122_610_069_504, "Hugging Face mistralai/Mistral-Large-Instruct-2407", exact=True),
    "mixtral-8x7b": Published(
        46_702_792_704, "Hugging Face mistralai/Mixtral-8x7B-v0.1; Keras Hub lists the same count", exact=True),
    "mixtral-8x22b": Published(141e9, "Mistral AI, Mixtral 8x22B announcement (141B)"),
    "mpt-1b": Published(1.316e9, "MosaicML llm-foundry, scripts/train/benchmarking/README.md"),
    "mpt-3b": Published(2.652e9, "MosaicML llm-foundry, scripts/train/benchmarking/README.md"),
    "mpt-7b": Published(6_649_286_656, "Hugging Face mosaicml/mpt-7b", exact=True),
    "mpt-13b": Published(12.854e9, "MosaicML llm-foundry, scripts/train/benchmarking/README.md"),
    "mpt-30b": Published(29.96e9, "Hugging Face mosaicml/mpt-30b (29.96B)"),
    "mpt-70b": Published(64.862e9, "MosaicML llm-foundry, scripts/train/benchmarking/README.md"),
    "mt-nlg-530b": Published(
        529.6e9,
        "Narayanan et al. 2021, arXiv:2104.04473, table 1 (529.6B); Smith et al. 2022, arXiv:2201.11990 (530B)"),
    "opt-6.7b": Published(6_658_473_984, "Zhang et al. 2022, arXiv:2205.01068, table 1", exact=True),
    "opt-13b": Published(12_853_473_280, "Zhang et al. 2022, arXiv:2205.01068, table 1", exact=True),
    "opt-30b": Published(29_974_540_288, "Zhang et al. 2022, arXiv:2205.01068, table 1", exact=True),
    "opt-66b": Published(66e9, "Zhang et al. 2022, arXiv:2205.01068, table 1"),
    "opt-175b": Published(175e9, "Zhang et al. 2022, arXiv:2205.01068, table 1"),
    "palm-8b": Published(8.63e9, "Chowdhery et al. 2022, arXiv:2204.02311, table 1"),
    "palm-62b": Published(62.5e9, "Chowdhery et al. 2022, arXiv:2204.02311, table 1"),
    "palm-540b": Published(540.35e9, "Chowdhery et al. 2022, arXiv:2204.02311, table 1"),
    "phi-2": Published(2_779_683_840, "Hugging Face microsoft/phi-2", exact=True),
    "phi-3-mini": Published(
        3_821_079_552, "Hugging Face microsoft/Phi-3-mini-4k-instruct; Keras Hub lists the same count", exact=True),
    "phi-3.5-mini": Published(3_821_079_552, "Hugging Face microsoft/Phi-3.5-mini-instruct", exact=True),
    "phi-4-mini": Published(3_836_021_760, "Hugging Face microsoft/Phi-4-mini-instruct", exact=True),
    "phi-3-medium": Published(13_960_238_080, "Hugging Face microsoft/Phi-3-medium-4k-instruct", exact=True),
    "phi-4": Published(14_659_507_200, "Hugging Face microsoft/phi-4", exact=True),
    "phi-3.5-moe": Published(41_873_153_344, "Hugging Face microsoft/Phi-3.5-MoE-instruct", exact=True),
    "qwen2.5-0.5b": Published(
        494_032_768, "Hugging Face Qwen/Qwen2.5-0.5B; Keras Hub lists the same count", exact=True),
    "qwen3-0.6b": Published(596_049_920, "Hugging Face Qwen/Qwen3-0.6B; Keras Hub lists the same count", exact=True),
    "qwen2.5-1.5b": Published(1_543_714_304, "Hugging Face Qwen/Qwen2.5-1.5B", exact=True),
    "qwen3-1.7b": Published(1_720_574_976, "Hugging Face Qwen/Qwen3-1.7B; Keras Hub lists the same count", exact=True),
    "qwen2.5-3b": Published(3_085_938_688, "Hugging Face Qwen/Qwen2.5-3B; Keras Hub lists the same count", exact=True),
    "qwen3-4b": Published(4_022_468_096, "Hugging Face Qwen/Qwen3-4B; Keras Hub lists the same count", exact=True),
    "qwen2-7b": Published(7_615_616_512, "Hugging Face Qwen/Qwen2-7B", exact=True),
    "qwen2.5-7b": Published(7_615_616_512, "Hugging Face Qwen/Qwen2.5-7B; Keras Hub lists the same count", exact=True),
    "qwen3-8b": Published(8_190_735_360, "Hugging Face Qwen/Qwen3-8B; Keras Hub lists the same count", exact=True),
    "qwen3-14b": Published(14_768_307_200, "Hugging Face Qwen/Qwen3-14B; Keras Hub lists the same count", exact=True),
    "qwen2.5-14b": Published(14_770_033_664, "Hugging Face Qwen/Qwen2.5-14B", exact=True),
    "qwen3-30b-a3b": Published(
        30_532_122_624, "Hugging Face Qwen/Qwen3-30B-A3B; Keras Hub lists the same count", exact=True),
    "qwen3-32b": Published(32_762_123_264, "Hugging Face Qwen/Qwen3-32B; Keras Hub lists the same count", exact=True),
    "qwen2.5-32b": Published(
        32_763_876_352, "Hugging Face Qwen/Qwen2.5-32B; Keras Hub lists the same count", exact=True),
    "qwen2-72b": Published(72_706_203_648, "Hugging Face Qwen/Qwen2-72B", exact=True),
    "qwen2.5-72b": Published(
        72_706_203_648, "Hugging Face Qwen/Qwen2.5-72B; Keras Hub lists the same count", exact=True),
    "qwen3-235b-a22b": Published(
        235_093_634_560, "Hugging Face Qwen/Qwen3-235B-A22B; Keras Hub lists the same count", exact=True),
    "qwq-32b": Published(32_763_876_352, "Hugging Face Qwen/QwQ-32B", exact=True),
    "switch-c-2048": Published(1.571e12, "Fedus et al. 2021, arXiv:2101.03961, table 9 (1571B)"),
    "switch-xxl-128": Published(395e9, "Fedus et al. 2021, arXiv:2101.03961, table 9 (395B)"),
    "t5-v1.1-xxl": Published(11_135_332_352, "Hugging Face google/t5-v1_1-xxl", exact=True),
    "t5-11b": Published(11_307_321_344, "Hugging Face google-t5/t5-11b", exact=True),
    "vit-b-16": Published(
        86_567_656,
        "Hugging Face google/vit-base-patch16-224; Dosovitskiy et al. 2020, arXiv:2010.11929; 1,000 classes",
        exact=True),
    "vit-gigantic-14": Published(
        1_844_440_680, "timm vit_gigantic_patch14_224; Zhai et al. 2021, arXiv:2106.04560; 1,000 classes", exact=True),
    "vit-h-14": Published(
        632_045_800,
        "Hugging Face google/vit-huge-patch14-224; Dosovitskiy et al. 2020, arXiv:2010.11929; 1,000 classes",
        exact=True),
    "vit-l-16": Published(
        304_326_632,
        "Hugging Face google/vit-large-patch16-224; Dosovitskiy et al. 2020, arXiv:2010.11929; 1,000 classes",
        exact=True),
    "yi-34b": Published(34_388_917_248, "Hugging Face 01-ai/Yi-34B", exact=True),
    "yuan-1.0-245b": Published(245.7e9, "Wu et al. 2021, arXiv:2110.04725 (245.7B)"),
}
"""By the name under which the model is shipped."""

__all__ = ["PUBLISHED", "Published"]
