"""The DRAM channel against a naive twin that a reader can check by eye, and what must hold of any device."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.kernels.dram import Busy, Dram, serve

PLAIN = Dram(banks=16.0, groups=4.0, burst=1.25, ccd_l=2.5, rcd=14.0, rp=14.0, ras=34.0, rtp=6.0, wr=16.0, rrd=4.0,
             faw=15.0, wtr=8.0, cl=14.0, cwl=4.0, refi=3900.0, rfc=350.0, per_bank=0.0, read_queue=32.0,
             write_queue=64.0)


# --- the twin: a bank knows when it may do what, a controller looks at all that waits, and time passes by events

@dataclass
class Bank:
    group: int
    row: int | None = None  # which is open
    activate: float = 0.0  # earliest, if closed
    precharge: float = 0.0  # earliest, if open
    column: float = 0.0  # earliest, if open

    def close(self, now: float, rp: float) -> float:
        """Precharge if a row is open; return when it may be activated."""
        if self.row is not None:
            self.row, self.activate = None, max(now, self.precharge) + rp
        return self.activate


@dataclass
class Controller:
    d: Dram
    requests: list[tuple[int, int, bool]]  # bank, row, whether it writes
    queues: dict[bool, list[int]] = field(default_factory=lambda: {False: [], True: []})
    events: list[tuple[str, float]] = field(default_factory=list)

    def run(self, warm: int) -> Busy:
        d = self.d
        banks = [Bank(b % int(d.groups)) for b in range(int(d.banks))]
        room = {False: int(d.read_queue), True: int(d.write_queue)}
        arrived: dict[int, float] = {}
        groups = [-1e9] * int(d.groups)
        acts, column = [-1e9] * 4, 0.0
        write_end = read_command = -1e9
        coming, writing, just_turned = 0, False, False
        refreshed, ends = 0, []
        gap = d.refi / len(banks) if d.per_bank else d.refi
        due = gap
        while len(ends) < len(self.requests):
            while coming < len(self.requests):
                kind = self.requests[coming][2]
                if len(self.queues[kind]) == room[kind]:
                    break
                self.queues[kind].append(coming)
                arrived[coming] = column
                coming += 1
            if not self.queues[writing] or (
                not writing and not just_turned and len(self.queues[True]) == room[True]
            ):
                writing, just_turned = not writing, True
                self.events.append(("turn", column))
            while due <= column:
                if d.per_bank:
                    bank = banks[refreshed % len(banks)]
                    was_open = bank.row is not None
                    ready = bank.close(due, d.rp) if was_open else max(due, bank.activate)
                    bank.activate = ready + d.rfc
                else:
                    done = max(due, *(b.close(due, d.rp) for b in banks)) + d.rfc
                    for b in banks:
                        b.activate = done
                refreshed += 1
                due += gap
                self.events.append(("refresh", column))
            # when each waiting request of this direction could send its column command, and the activate it needs
            if writing:
                floor, turn = max(column, read_command + d.cl + d.burst - d.cwl), d.cwl + d.wtr
            else:
                floor, turn = max(column, write_end + d.wtr), max(0.0, d.cl + d.burst - d.cwl)
            choices = []
            for age, r in enumerate(self.queues[writing]):
                bank, act = banks[self.requests[r][0]], None
                at = max(floor, groups[bank.group])
                if bank.row == self.requests[r][1]:
                    at = max(at, bank.column)
                else:
                    closed = bank.activate if bank.row is None else max(bank.precharge, arrived[r]) + d.rp
                    act = max(closed, arrived[r], acts[-1] + d.rrd, acts[-4] + d.faw)
                    at = max(at, act + d.rcd)
                choices.append((at, age, r, act))
            at, _, r, act = min(choices, key=lambda c: c[:2])
            others = not writing
            if not just_turned and len(self.queues[others]) * 2 >= room[others] and at > floor + turn:
                writing, just_turned = others, True
                self.events.append(("turn", column))
                continue
            just_turned = False
            bank = banks[self.requests[r][0]]
            if act is not None:
                acts.append(act)
                bank.row, bank.precharge = self.requests[r][1], act + d.ras
                self.events.append(("activate", at))
            column, groups[bank.group] = at + d.burst, at + d.ccd_l
            if writing:
                write_end = at + d.cwl + d.burst
                ends.append(write_end)
                bank.precharge = max(bank.precharge, write_end + d.wr)
            else:
                read_command = at
                ends.append(at + d.cl + d.burst)
                bank.precharge = max(bank.precharge, at + d.rtp)
            if act is not None:
                bank.column = act + d.rcd
            self.queues[writing].remove(r)
            if len(ends) == warm:
                self.events.clear()
        counts = {name: float(sum(e[0] == name for e in self.events)) for name in ("refresh", "activate", "turn")}
        begin = ends[warm - 1] if warm else 0.0
        return Busy(ends[-1] - begin, (len(ends) - warm) * d.burst, counts["refresh"], counts["activate"],
                    counts["turn"])


def arrays(requests):
    bank, row, write = zip(*requests, strict=True)
    return np.array(bank, np.int32), np.array(row, np.int32), np.array(write, np.bool_)


def served(dram: Dram, requests, warm: int = 0) -> Busy:
    return serve(dram, *arrays(requests), warm)


devices = st.builds(
    lambda banks, groups, burst, wide, rcd, wtr, cl, cwl, refi, rfc, per_bank, reads, writes: PLAIN._replace(
        banks=float(banks), groups=float(min(groups, banks)), burst=burst, ccd_l=burst * wide, rcd=rcd, rp=rcd,
        ras=2 * rcd + 3, wtr=wtr, cl=cl, cwl=cwl, refi=refi, rfc=rfc, per_bank=float(per_bank),
        read_queue=float(reads), write_queue=float(writes)),
    st.sampled_from([1, 2, 8, 16, 32]), st.sampled_from([1, 2, 4]), st.sampled_from([0.5, 1.25, 2.0]),
    st.sampled_from([1.0, 1.5, 2.0]), st.sampled_from([0.0, 8.5, 14.0]), st.sampled_from([0.0, 8.0]),
    st.sampled_from([0.0, 14.0]), st.sampled_from([0.0, 4.0]), st.sampled_from([400.0, 1900.0, 1e9]),
    st.sampled_from([0.0, 60.0, 150.0]), st.booleans(), st.sampled_from([1, 4, 32]), st.sampled_from([1, 8, 64]))


@st.composite
def streams(draw, dram: Dram):
    """Return up to 150 requests: runs in one row, jumps, and turns."""
    length, rows = draw(st.integers(1, 150)), draw(st.sampled_from([1, 3, 100]))
    mix = draw(st.sampled_from([0.0, 0.3, 0.5, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    run = draw(st.sampled_from([1, 4]))
    picks = [(int(rng.integers(dram.banks)), int(rng.integers(rows)), bool(rng.random() < mix))
             for _ in range(-(-length // run))]
    return [p for p in picks for _ in range(run)][:length]


@settings(max_examples=150)
@given(st.data())
def test_the_kernel_equals_its_twin(data: st.DataObject) -> None:
    dram = data.draw(devices)
    requests = data.draw(streams(dram))
    warm = data.draw(st.integers(0, len(requests) - 1))
    got, want = served(dram, requests, warm), Controller(dram, requests).run(warm)
    assert got.elapsed == pytest.approx(want.elapsed, rel=1e-9, abs=1e-9)
    assert got.moving == pytest.approx(want.moving)
    assert got[2:] == want[2:], "refreshes, activates, turns"


@given(st.data())
def test_the_bus_is_never_faster_than_its_peak(data: st.DataObject) -> None:
    dram = data.draw(devices)
    requests = data.draw(streams(dram))
    busy = served(dram, requests)
    assert 0 < busy.moving <= busy.elapsed * (1 + 1e-12)
    assert busy.moving == pytest.approx(len(requests) * dram.burst)
    assert busy.activates >= 1, "the first row must be opened"
    assert busy.turns <= 2 * len(requests)
    assert busy.refreshes <= busy.elapsed / dram.refi * (dram.banks if dram.per_bank else 1) + 1


# --- single steps, by hand

def test_one_read_is_activate_then_column_then_data() -> None:
    assert served(PLAIN, [(0, 0, False)]).elapsed == pytest.approx(14 + 14 + 1.25)


def test_one_write_is_activate_then_column_then_data() -> None:
    assert served(PLAIN, [(0, 0, True)]).elapsed == pytest.approx(14 + 4 + 1.25)


def test_a_hit_costs_a_burst_and_its_own_bank_group_more() -> None:
    one = served(PLAIN, [(0, 0, False)]).elapsed
    assert served(PLAIN, [(0, 0, False)] * 2).elapsed == pytest.approx(one + 2.5)  # CCD_L
    assert served(PLAIN, [(0, 0, False), (4, 0, False)]).elapsed == pytest.approx(one + 4), "another activate: RRD"


def test_another_row_of_the_same_bank_waits_for_restore_precharge_and_activate() -> None:
    one = served(PLAIN, [(0, 0, False)]).elapsed
    assert served(PLAIN, [(0, 0, False), (0, 1, False)]).elapsed == pytest.approx(one + 34 + 14)  # RAS, RP


def test_hits_go_first() -> None:
    mixed = [(0, 0, False), (0, 1, False), (0, 0, False), (0, 1, False)]
    assert served(PLAIN, mixed).activates == 2


def test_five_activates_wait_for_the_window_of_four() -> None:
    four = served(PLAIN, [(b, 0, False) for b in range(4)]).elapsed
    five = served(PLAIN._replace(faw=40.0), [(b, 0, False) for b in range(5)]).elapsed
    assert four == pytest.approx(3 * 4 + 14 + 14 + 1.25)
    assert five == pytest.approx(40 + 14 + 14 + 1.25)


def test_a_read_after_a_write_waits_for_the_bus_to_turn() -> None:
    row = PLAIN._replace(rcd=0.0, rrd=0.0)
    both = served(row._replace(write_queue=1.0), [(0, 0, True), (1, 0, False)])
    assert both.elapsed == pytest.approx(4 + 1.25 + 8 + 14 + 1.25), "CWL, data, WTR, CL, data"
    assert both.turns == 2


def test_an_all_bank_refresh_stops_all_and_a_bank_refresh_one() -> None:
    hits = [(b % 16, 0, False) for b in range(4000)]
    calm = served(PLAIN._replace(refi=1e9), hits)
    stopped, passed = served(PLAIN, hits), served(PLAIN._replace(per_bank=1.0, rfc=200.0), hits)
    assert calm.refreshes == 0 and stopped.refreshes == 1
    assert stopped.elapsed - calm.elapsed == pytest.approx(350, rel=0.2)
    assert passed.refreshes > 16 and passed.elapsed - calm.elapsed < 0.05 * calm.elapsed


def test_writes_are_gathered() -> None:
    copy = [(b // 2 % 16, b % 2 * 7, b % 2 == 1) for b in range(4000)]
    few, many = (served(PLAIN._replace(write_queue=q, refi=1e9), copy) for q in (8.0, 64.0))
    assert many.turns < few.turns / 4
    assert many.elapsed < few.elapsed
