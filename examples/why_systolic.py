"""Why a systolic array needs few registers and large matrices.

Claim. A multiplier wants two operands and a sum in every cycle. A tensor core fetches them from a register file that
all instructions share; a systolic array lets each word walk past a whole row or column of multipliers, so that a word
read once is used R times. The price: words need R + C cycles to walk, and work of R x C multipliers, to be worth it.

Every figure of the arrays below is counted in a machine that moves real numbers through every register in every cycle.
"""

import numpy as np

import archsim as sim
from archsim.timing.array import count, run

OPERAND, SUM = 2, 4  # bytes: bf16 operands, fp32 sums
ROWS = 1024  # rows of A that stream past each tile of weights

# pJ at 7 nm: Jouppi et al., "Ten Lessons From Three Generations Shaped Google's TPUv4i", ISCA 2021, table 2
MAC = 0.21 + 0.38  # bf16 multiplication and fp32 addition
LARGE_SRAM, SMALL_SRAM = 14.0 / 8, 7.5 / 8  # per byte of 64-bit words: 1 MiB, and 8 KiB (the smallest of the table)


def arrays() -> None:
    """Measure arrays of growing size on a product of two by two tiles."""
    print(f"{'array':<12}{'SRAM words':>12}{'SRAM':>9}{'energy':>9}{'registers':>12}{'state':>9}{'busy':>9}")
    print(f"{'':<12}{'per MAC':>12}{'B/MAC':>9}{'pJ/MAC':>9}{'per MAC':>12}{'B/PE':>9}")
    numbers = np.random.default_rng(0)
    for side in (4, 8, 16, 32, 64, 128):
        a = numbers.integers(-8, 8, (ROWS, 2 * side), dtype=np.int32)
        b = numbers.integers(-8, 8, (2 * side, 2 * side), dtype=np.int32)
        seen = run(a, b, rows=side, cols=side)
        assert (seen.product == a @ b).all()
        moved = (OPERAND * (seen.read_a + seen.read_b) + SUM * seen.written) / seen.macs
        state = 4 * OPERAND + SUM  # a, b, the next b, one on its way to a PE below, the sum
        print(f"{f'{side} x {side}':<12}{seen.sram_per_mac:>12.4f}{moved:>9.3f}{moved * LARGE_SRAM:>9.2f}"
              f"{seen.registers_per_mac:>12.2f}{state:>9}{seen.utilization:>9.1%}")


def tensor_cores() -> None:
    """Derive the same from instruction shapes: m16n8k16 on registers, m64n256k16 on shared memory."""
    print(f"{'tensor core':<16}{'shared memory':>15}{'register file':>15}{'energy':>9}{'register file':>15}")
    print(f"{'':<16}{'B/MAC':>15}{'B/MAC':>15}{'pJ/MAC':>9}{'B per MAC/cycle':>17}")
    for name in ("a100-sxm-80gb", "h100-sxm"):
        core = sim.chips.get(name).core
        tensor = core.tensor
        depth = tensor.k_bytes // OPERAND  # values of K per instruction
        rows, cols = tensor.fetch_rows, tensor.fetch_cols  # of the product that one fetch feeds
        shared = OPERAND * (rows + cols) / (rows * cols)
        file = 2 * SUM / depth  # each sum is read and written once per instruction
        if not tensor.asynchronous:  # warp-level: operands too come from the register file, 16 x 8 at a time
            file += OPERAND * (16 + 8) / (16 * 8)
        energy = (shared + file) * SMALL_SRAM
        print(f"{name:<16}{shared:>15.4f}{file:>15.3f}{energy:>9.2f}{core.registers / tensor.macs['bf16']:>17.0f}")


def small_matrices() -> None:
    """Count how busy an array is with square products of growing size."""
    sides = (16, 64, 128, 256)
    print(f"{'M = N = K':<12}" + "".join(f"{f'{side} x {side}':>12}" for side in sides))
    for size in (16, 64, 128, 256, 512, 1024, 4096):
        busy = [count(size, size, size, rows=side, cols=side, load_rows=4).utilization for side in sides]
        print(f"{size:<12,}" + "".join(f"{share:>12.1%}" for share in busy))


if __name__ == "__main__":
    print("1. Systolic arrays, weights stationary, measured. Per MAC three registers are read (a, b, the sum from\n"
          "   above) and two written: latches between neighbours, without address or port.\n")
    arrays()
    print("\n2. Tensor cores, from instruction shapes, if sums are read and written once per instruction. The MAC\n"
          f"   itself takes {MAC:.2f} pJ. Energies are those of SRAM alone: latches, wires and control come on top.\n")
    tensor_cores()
    print("\n3. The price: how busy an array is with a square product (weights load 4 rows per cycle).\n")
    small_matrices()
    print("\nTakeaway: twice the side, half the SRAM words per MAC, with the same few bytes in each PE; but a matrix\n"
          "smaller than the array, or one that streams for less than R + C cycles, leaves most of it waiting.")
