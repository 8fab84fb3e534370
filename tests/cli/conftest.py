"""The command line as a user meets it: arguments in; exit code, stdout and stderr out."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from archsim.cli.main import main


class Said(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Said]

CHIP = """
from archsim.hardware import Chip, Memory, RooflineCore
from archsim.units import GB, GHz, TB_per_s

MINE = Chip(name="mine", clock=1 * GHz, core=RooflineCore(rates={"bf16": 400_000}),
            memory=Memory(capacity=100 * GB, bandwidth=3 * TB_per_s))
"""


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*argv: object) -> Said:
        capsys.readouterr()
        code = main([str(a) for a in argv])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def chip_file(tmp_path):
    path = tmp_path / "my_chip.py"
    path.write_text(CHIP)
    return path
