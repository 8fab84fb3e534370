"""Why a decode token is cheap only in company: intensity against the chip's balance point.

Claim. A decode step reads every weight once, whatever the batch: one sequence does 2 FLOP per 2-byte weight, that is
1 FLOP per byte. A chip that can do 300 FLOP in the time it reads a byte is idle until about 300 sequences share the
reading. Each sequence also brings a KV cache that nobody shares, so long contexts never get there.
"""

import archsim as sim

MODEL = sim.models.get("llama-3.1-8b")

if __name__ == "__main__":
    for name in ("tpu-v5p", "h100-sxm"):
        chip = sim.chips.get(name)
        print(f"{name}: balance point {chip.balance():.0f} FLOP per byte")
        print(f"{'batch':>8}{'context':>9}{'FLOP/byte':>11}{'bound':>12}{'MFU':>8}{'tokens/s':>12}{'$ per Mtoken':>14}")
        for context in (256, 8192):
            for batch in (1, 16, 256, 1024):
                run = sim.simulate(sim.transformer(MODEL, phase="decode", batch=batch, context=context), chip)
                dollars = sim.cost(run).usd_per_mtoken
                print(f"{batch:>8}{context:>9}{run.arithmetic_intensity:>11.1f}{run.bound:>12}{run.utilization:>8.1%}"
                      f"{run.tokens_per_s / run.chips:>12,.0f}{dollars:>14.3f}")
        print()
    print("Takeaway: with short contexts cost falls with the batch until the balance point; with long ones the KV "
          "cache takes the place of the weights and the chip stays bound by its memory.")
