"""The installed command as a process: what it imports, pipes, terminals."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = [sys.executable, "-m", "archsim.cli.main"]


def imported(*argv: str) -> set[str]:
    """Modules that a command leaves in memory."""
    code = (f"import sys; from archsim.cli.main import main; main({list(argv)!r});"
            "print(*sorted(m.partition('.')[0] for m in sys.modules), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_nothing_heavy():
    heavy = {"numpy", "numba", "networkx", "matplotlib", "rich"}
    assert not heavy & imported("--help")
    assert not heavy & imported("--version")


def test_run_draws_only_when_asked():
    assert "matplotlib" not in imported("run", "llama-3.1-8b", "--chip", "h100", "--seq", "64")


def test_errors_come_from_the_process_too():
    done = subprocess.run([*RUN, "chips", "nope"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown chip 'nope'")


@pytest.mark.parametrize("argv", [["chips", "--json"], ["chips", "tpu-v5p"], ["compare", "llama-3.1-8b", "--json"]])
def test_a_reader_that_leaves_is_no_error(argv):
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([*RUN, *argv], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(write)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("argv", [["chips"], ["chips", "--json"], ["--help"]])
def test_a_full_disk_behind_stdout(argv):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*RUN, *argv], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "error: cannot write to stdout: No space left on device\n")


def test_closed_streams():
    line = f"{sys.executable} -m archsim.cli.main chips"
    done = subprocess.run(["sh", "-c", f"{line} >&-"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: cannot write to stdout: it is closed\n")
    done = subprocess.run(["sh", "-c", f"{line} nope 2>&-"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")


def test_an_ascii_terminal_shows_what_it_can():
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*RUN, "gemm", "64", "64", "64", "--chip", "h100"], cwd=ROOT, capture_output=True, env=env)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"64 ? 64 ? 64" in done.stdout
