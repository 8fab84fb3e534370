"""The picture of an ablation: a bar for every class and stage, as high as its error."""

from pathlib import Path

import pytest

from archsim.errors import ArchsimError
from archsim.explore.ablation import Ablation
from archsim.report.ablation_plot import ablation

STAGES = {"roofline": 50.0, "tiles": 40.0, "waves": 12.5}


def test_a_panel_per_device_and_a_bar_per_class_and_stage(tmp_path: Path) -> None:
    found = [Ablation("h100", "gemm", "bf16", shapes, 7, STAGES) for shapes in ("skinny", "large")]
    found.append(Ablation("a100", "gemm", "bf16", "large", 3, STAGES))
    figure = ablation(found, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    first, second = figure.axes
    assert [bar.get_height() for bar in first.patches] == [*STAGES.values(), *STAGES.values()]
    assert len(second.patches) == 3
    assert [t.get_text() for t in second.get_xticklabels()] == ["roofline", "+ tiles", "+ waves"]
    assert "7 skinny, 7 large" in " ".join(t.get_text() for t in first.texts)


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArchsimError, match="nothing to draw"):
        ablation([], tmp_path / "a.png")
    with pytest.raises(ArchsimError, match="a figure is"):
        ablation([Ablation("h100", "gemm", "bf16", "large", 3, STAGES)], tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())
