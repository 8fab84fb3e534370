"""Prices of chips, what they cost to make, and what they rent for: dated, sourced, in the currency that was printed.

NVIDIA, AMD and TSMC publish no prices: what stands here are brokers' and press figures, and lists of clouds.
"""

from dataclasses import dataclass

from archsim.errors import ArchsimError
from archsim.hardware import Source

BASES = ("chip", "cost", "chip-hour", "system")


@dataclass(frozen=True)
class Price:
    """One price of one chip of the catalogue.

    `basis` is ``chip`` (bought), ``cost`` (to make), ``chip-hour`` (rented) or ``system`` (what `note` says). `date` is
    an ISO year or month. `confidence` is that of `archsim.hardware.Source`. A range is `low` to `high`, with `amount`
    its middle.
    """

    chip: str
    amount: float
    currency: str
    basis: str
    date: str
    source: str
    confidence: str = "estimated"
    note: str = ""
    low: float | None = None
    high: float | None = None


SWS = "Shenwan Hongyuan report, 2025-03-28"
GUOHAI = "Guohai Securities report, 2024-02"
ALIBABA = "Alibaba expert notes, 2025-09-24"
COREWEAVE = "CoreWeave price list in Tianfeng Securities report, 2023-06-20"
EPOCH = "Epoch AI B200 bill of materials, quoted by fourweekmba.com and 91haoming.cn"
SILICON = "siliconanalysts.com cost bridge, Epoch AI based"
JAMES = "Raymond James in Barron's, quoted by techspot, 2023-08"
GOOGLE = "Google Cloud TPU price list, US on demand"


def _range(chip: str, low: float, high: float, currency: str, basis: str, date: str, source: str,
           note: str = "") -> Price:
    return Price(chip, (low + high) / 2, currency, basis, date, source, note=note, low=low, high=high)


def _coreweave(chip: str, usd: float, vcpus: int = 48, ram: int = 256, note: str = "") -> Price:
    """Return a GPU's rent as listed; processors (0.01 USD) and memory (0.005 USD per GB) are charged beside it."""
    whole = usd + 0.01 * vcpus + 0.005 * ram
    said = f"component: {whole:.2f} with {vcpus} vCPU and {ram} GB, the most that one GPU may have"
    return Price(chip, usd, "USD", "chip-hour", "2023-06", COREWEAVE, "published", f"{said}; {note}".removesuffix("; "))


PRICES: tuple[Price, ...] = (
    # bought
    Price("h100-sxm", 18000.0, "USD", "chip", "2025-03", SWS, note="dates and channels differ: keep all"),
    Price("h100-sxm", 36500.0, "USD", "chip", "2024-02", GUOHAI, note="product not named beyond H100"),
    _range("h100-sxm", 25000.0, 30000.0, "USD", "chip", "2023-08", JAMES),
    Price("b200", 33000.0, "USD", "chip", "2025-03", SWS),
    _range("b200", 30000.0, 40000.0, "USD", "chip", "2024", EPOCH),
    Price("a100-sxm-80gb", 15000.0, "USD", "chip", "2024-02", GUOHAI, note="product not named beyond A100"),
    _range("h20", 12000.0, 15000.0, "USD", "chip", "2024-02", GUOHAI),
    Price("mi300x", 15000.0, "USD", "chip", "2024-03", SILICON),
    Price("mi300x", 30000.0, "USD", "chip", "2024-02", GUOHAI, note="printed as above 30000"),
    _range("gaudi2", 8000.0, 10000.0, "USD", "chip", "2024-02", GUOHAI),
    Price("ascend-910b", 120000.0, "CNY", "chip", "2024-02", GUOHAI, note="about"),
    Price("tpu-v5p", 6000.0, "USD", "chip", "2025-03", SWS, note="Broadcom to Google"),
    Price("tpu-v6e", 3100.0, "USD", "chip", "2025-03", SWS, note="Broadcom to Google"),
    Price("trainium2", 4400.0, "USD", "chip", "2025-03", SWS, note="Alchip and Marvell to Amazon"),
    Price("trainium2", 4000.0, "USD", "chip", "2024-12", "SemiAnalysis, summarised by latitudeds.com"),
    Price("gb200", 70000.0, "USD", "system", "2025-03", SWS, note="a superchip: two GPUs and a processor"),
    # to make
    Price("h100-sxm", 2500.0, "USD", "cost", "2025-03", SWS,
          note="memory 1150 (priced as 96 GB), all else 1350; no yield loss of packaging"),
    Price("h100-sxm", 3320.0, "USD", "cost", "2023-08", JAMES, note="300 die + 1350 HBM + 750 package + 920 other"),
    Price("b200", 4850.0, "USD", "cost", "2025-03", SWS, note="memory 2700, all else 2150"),
    Price("b200", 6400.0, "USD", "cost", "2024", EPOCH, note="900 dies (720 to 1200) + 2900 HBM + 1100 package + 1000 "
          "yield loss + 500 other", low=5700.0, high=7300.0),
    Price("h200", 4800.0, "USD", "cost", "2024", SILICON),
    Price("gb200", 13200.0, "USD", "cost", "2024", SILICON, note="a superchip: two GPUs and a processor"),
    Price("mi300x", 5300.0, "USD", "cost", "2024", SILICON, note="600 dies + 2900 HBM + 1200 package + 600 other"),
    Price("tpu-v5p", 1800.0, "USD", "cost", "2025-03", SWS, note="memory 1000, all else 800"),
    Price("tpu-v6e", 950.0, "USD", "cost", "2025-03", SWS, note="memory 400, all else 550"),
    Price("trainium2", 2150.0, "USD", "cost", "2025-03", SWS, note="memory 1150, all else 1000"),
    Price("t-head-ppu", 40000.0, "CNY", "cost", "2025-09", ALIBABA, note="about, per card"),
    # rented: GPUs
    _coreweave("h100-sxm", 4.76), _coreweave("h100-pcie", 4.25),
    _coreweave("a100-sxm-80gb", 2.21), _coreweave("a100-pcie-80gb", 2.21),
    _coreweave("a100-sxm-40gb", 2.06), _coreweave("a100-pcie-40gb", 2.06),
    _coreweave("a40", 1.28), _coreweave("rtx-a6000", 1.28),
    _coreweave("rtx-a5000", 0.77, 36, 128), _coreweave("rtx-a4000", 0.61, 36, 128),
    _coreweave("quadro-rtx-5000", 0.57, 36, 128), _coreweave("quadro-rtx-4000", 0.24, 36, 128),
    _coreweave("v100-sxm2", 0.80, 36, 128, "listed as V100 NVLINK"),
    _range("a100-sxm-80gb", 1.49, 2.49, "USD", "chip-hour", "2026-01", "pricegpu, early 2026"),
    _range("h100-sxm", 2.49, 3.99, "USD", "chip-hour", "2026-01", "pricegpu, early 2026"),
    _range("a100-sxm-80gb", 0.80, 3.00, "USD", "chip-hour", "2026-05", "mercatus-ai"),
    _range("h100-sxm", 1.99, 5.00, "USD", "chip-hour", "2026-05", "mercatus-ai"),
    _range("h200", 2.50, 7.00, "USD", "chip-hour", "2026-05", "mercatus-ai"),
    # rented: TPUs and Neuron chips
    Price("tpu-v2", 1.125, "USD", "chip-hour", "2025", GOOGLE, "published-unverified", "v2-8: 4.50 for 4 chips"),
    Price("tpu-v3", 2.00, "USD", "chip-hour", "2025", GOOGLE, "published-unverified", "v3-8: 8.00 for 4 chips"),
    Price("tpu-v4", 3.22, "USD", "chip-hour", "2025", GOOGLE, "published", "103.04 for 32 chips"),
    Price("tpu-v5e", 1.20, "USD", "chip-hour", "2025", GOOGLE, "published-unverified"),
    Price("tpu-v5p", 4.20, "USD", "chip-hour", "2025", GOOGLE, "published-unverified"),
    Price("tpu-v6e", 2.70, "USD", "chip-hour", "2025", GOOGLE, "published-unverified"),
    Price("trainium1", 1.34, "USD", "chip-hour", "2025", "trn1.32xlarge on demand, 21.50 for 16 chips"),
    Price("inferentia2", 1.08, "USD", "chip-hour", "2025", "inf2.48xlarge on demand, 12.98 for 12 chips"),
)
"""Every price on file. Dates of lists that carry none are those of reading them."""


def prices(chip: str, basis: str = "") -> tuple[Price, ...]:
    """Return what is on file for a chip, newest first; of one basis if it is given."""
    found = [p for p in PRICES if p.chip == chip and basis in ("", p.basis)]
    return tuple(sorted(found, key=lambda p: p.date, reverse=True))


def _newest(chip: str) -> Price:
    found = [p for p in prices(chip, "chip") if p.currency == "USD"]
    if not found:
        raise ArchsimError(f"no price in USD is on file for {chip}")
    return found[0]


def usd(chip: str) -> float:
    """Return the price with which a chip stands in the catalogue: the newest on file, in USD."""
    return _newest(chip).amount


def price_source(chip: str) -> Source:
    """Return the source of `usd`; its note names the other prices on file."""
    newest = _newest(chip)
    others = [p for p in prices(chip, "chip") if p != newest]
    note = "; ".join([newest.note] * bool(newest.note) + [f"{_amount(p)} in {p.source}" for p in others])
    return Source(newest.source, newest.confidence, note, newest.low, newest.high)


def _amount(p: Price) -> str:
    if p.low is None or p.high is None:
        return f"{p.amount:,.0f} {p.currency}"
    return f"{p.low:,.0f} to {p.high:,.0f} {p.currency}"


def usd_range(chip: str) -> tuple[float, float, str] | None:
    """Return the lowest and the highest price in USD on file for a chip, and who says so; None if there is none."""
    found = [p for p in prices(chip, "chip") if p.currency == "USD"]
    if not found:
        return None
    ends = [x for p in found for x in (p.low, p.amount, p.high) if x is not None]
    return min(ends), max(ends), "; ".join(dict.fromkeys(p.source for p in found))
