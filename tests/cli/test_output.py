"""Progress goes to a terminal's stderr alone; checks of output places leave nothing behind."""

import io
import sys

import pytest

from archsim.cli import output
from archsim.errors import ArchsimError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_silent_in_a_pipe(capsys):
    assert list(output.progress([1, 2, 3], str, patience=0.0)) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_progress_shows_on_a_terminal_once_patience_is_over(monkeypatch, capsys):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert list(output.progress(["a", "b"], lambda x: f"chip {x}", patience=0.0)) == ["a", "b"]
    assert "chip" in screen.getvalue()
    assert capsys.readouterr().out == ""


def test_short_work_shows_no_progress(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert list(output.progress([1, 2], str, patience=60.0)) == [1, 2]
    assert screen.getvalue() == ""


def test_checks_leave_nothing_behind(tmp_path):
    assert output.check_file(str(tmp_path / "a.json")).name == "a.json"
    assert output.check_folder(str(tmp_path / "b" / "c")).name == "c"
    assert not list(tmp_path.iterdir())


def test_a_place_that_takes_no_file_is_an_error():
    for check in (output.check_file, output.check_folder):
        with pytest.raises(ArchsimError, match="cannot write"):
            check("/proc/archsim-was-here")


def test_write_all_takes_back_what_it_wrote_when_one_file_fails(tmp_path):
    (tmp_path / "old.txt").write_text("old")
    (tmp_path / "taken").mkdir()
    files = {tmp_path / "new" / "deep" / "a.txt": "a", tmp_path / "old.txt": "new", tmp_path / "taken": "b"}
    with pytest.raises(ArchsimError, match="cannot write"):
        output.write_all(files)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["old.txt", "taken"]
    del files[tmp_path / "taken"]
    assert output.write_all(files) == [str(p) for p in files]
    assert [p.read_text() for p in files] == ["a", "new"]


def test_sentences_wrap_where_the_width_is_given(monkeypatch, capsys):
    words = "word " * 60
    monkeypatch.delenv("COLUMNS", raising=False)
    output.show(words)
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setenv("COLUMNS", "50")
    output.show(words)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 50
