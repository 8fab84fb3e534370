"""validate: what it scores, what it counts instead, what it refuses, and how well the shared rows are met."""

import csv
from pathlib import Path

import pytest

from archsim import chips
from archsim.errors import ArchsimError
from archsim.explore.measured_kernels import Kernel, kernels
from archsim.explore.validate import Report, load, scored, validate
from archsim.timing import Warm, roofline, time
from archsim.timing.warm import held_read
from archsim.workload.ops import Elementwise, MatMul, Norm

HEAD = "device,op,dtype,m,n,k,measured_us\n"


def table(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text(text)
    return file


def score(tmp_path: Path, text: str) -> Report:
    return validate(table(tmp_path, text), resolve=chips.get)


def test_a_product_is_scored_beside_the_roofline(tmp_path: Path) -> None:
    report = score(tmp_path, HEAD + "h100_sxm,gemm,bfloat16,64,4096,4096,20\nh100_sxm,gemm,bfloat16,1,4096,4096,10\n")
    chip = chips.get("h100-sxm")
    ops = [MatMul(m=m, n=4096, k=4096, weights=True) for m in (64, 1)]
    start = Kernel(ops[0], begins=1 / 6).start(chip)
    held = [held_read(op.bytes, chip) for op in ops]
    ours = [(time(op, chip, Warm(h, 0.0, h), 54.0).seconds + start) * 1e6 for op, h in zip(ops, held, strict=True)]
    errors = [100 * (t / us - 1) for t, us in zip(ours, (20, 10), strict=True)]
    plain = [100 * (roofline.plain(op, chip) * 1e6 / us - 1) for op, us in zip(ops, (20, 10), strict=True)]
    (s,) = report.scores
    assert (s.device, s.op, s.dtype, s.n) == ("h100_sxm", "gemm", "bfloat16", 2)
    assert s.mape == pytest.approx(sum(map(abs, errors)) / 2)
    assert s.median == pytest.approx(sum(map(abs, errors)) / 2)
    assert s.bias == pytest.approx(sum(errors) / 2)
    assert s.roofline_mape == pytest.approx(sum(map(abs, plain)) / 2)
    assert s.roofline_bias == pytest.approx(sum(plain) / 2)
    assert report.total is not None
    assert report.total.mape == pytest.approx(s.mape)
    assert [row["predicted_us"] for row in report.rows] == pytest.approx(ours)


@pytest.mark.parametrize("row", [
    {"op": "gemm", "dtype": "fp8", "m": "512", "n": "4096", "k": "4096"},
    {"op": "attention_decode", "dtype": "bf16", "batch": "8", "q_len": "1", "kv_len": "1000", "heads": "32",
     "kv_heads": "8", "head_dim": "128"},
    {"op": "moe", "dtype": "bf16", "tokens": "64", "hidden": "1024", "inter": "512", "topk": "2", "experts": "8"},
    {"op": "rmsnorm", "dtype": "bf16", "rows": "64", "cols": "4096"}], ids=lambda row: row["op"])
def test_a_row_takes_as_long_as_its_kernels(tmp_path: Path, row: dict[str, str]) -> None:
    chip = chips.get("h100-sxm")
    want = sum(time(k.op, chip, k.warm(chip), k.repeats).seconds + k.start(chip) for k in kernels(row, 1))
    text = ",".join([*row, "device", "measured_us"]) + "\n" + ",".join([*row.values(), "h100", "50"]) + "\n"
    assert score(tmp_path, text).rows[0]["predicted_us"] == pytest.approx(want * 1e6)


def test_the_hosts_share_is_taken_off(tmp_path: Path) -> None:
    head = "device,op,dtype,m,n,k,measured_us,host_us\n"
    alone, within = (score(tmp_path, head + f"h100,gemm,bf16,64,4096,4096,{us},{host}\n")
                     for us, host in (("20", ""), ("41", "21")))
    assert within.scores[0] == alone.scores[0]
    assert within.rows[0]["predicted_us"] == pytest.approx(alone.rows[0]["predicted_us"] + 21)


def test_row_operators(tmp_path: Path) -> None:
    report = score(tmp_path, "device,op,dtype,rows,cols,measured_us\na100,rmsnorm,float16,4096,4096,50\n"
                             "a100,add,float16,4096,4096,50\na100,silu_mul,float16,4096,4096,50\n")
    norm, add, silu = (row["predicted_us"] for row in report.rows)
    op, chip = Norm(rows=4096, cols=4096, dtype="fp16", access=2), chips.get("a100")
    plain = Elementwise(elements=2**24, inputs=2.0, dtype="fp16", out_dtype="fp16")
    cold, warm = time(op, chip).seconds * 1e6, time(op, chip, Warm(inputs=1.0)).seconds * 1e6
    assert warm <= norm < cold, "32 MiB were just written: some of them are still there"
    assert 0.9 < add / (time(plain, chip).seconds * 1e6) < 1.02
    assert silu > 1.2 * add, "two exponentials for each element that a thread takes alone"
    assert {s.op for s in report.scores} == {"rmsnorm", "add", "silu_mul"}


def test_what_cannot_be_timed_is_counted_and_named(tmp_path: Path) -> None:
    report = score(tmp_path, HEAD + "h100,nccl,bfloat16,1,1,1,5\nh100,nccl,bfloat16,1,1,1,5\na100,gemm,fp8,8,8,8,5\n"
                                    "no-such-chip,gemm,bfloat16,8,8,8,5\nh100,gemm,fp3,8,8,8,5\n")
    assert report.total is None
    assert not report.scores
    reasons = {(s.device, s.op, s.dtype): s for s in report.skipped}
    assert reasons["h100", "nccl", "bfloat16"].n == 2
    assert "cannot be timed yet" in reasons["h100", "nccl", "bfloat16"].reason
    assert "no fp8 matrix path" in reasons["a100", "gemm", "fp8"].reason
    assert "unknown chip" in reasons["no-such-chip", "gemm", "bfloat16"].reason
    assert "unknown dtype" in reasons["h100", "gemm", "fp3"].reason
    assert all(row["predicted_us"] is None for row in report.rows)
    assert report.to_dict()["rows_skipped"] == 5


def test_one_chip_for_every_row(tmp_path: Path) -> None:
    file = table(tmp_path, HEAD + "mystery,gemm,bfloat16,64,4096,4096,20\n")
    report = validate(file, chips.get("b200"))
    assert report.scores[0].device == "mystery"
    assert report.rows[0]["predicted_us"] < 20
    bare = table(tmp_path, "op,dtype,m,n,k,measured_us\ngemm,bf16,64,4096,4096,20\n")
    assert validate(bare, chips.get("b200")).scores[0].device == "b200"


def test_written_rows_keep_every_column(tmp_path: Path) -> None:
    report = score(tmp_path, "note," + HEAD + '"a, b",h100,gemm,bfloat16,64,64,64,5\nx,h100,nccl,bfloat16,1,1,1,5\n')
    out = tmp_path / "out.csv"
    report.write(out)
    with out.open() as f:
        rows = list(csv.DictReader(f))
    assert list(rows[0]) == ["note", "device", "op", "dtype", "m", "n", "k", "measured_us", "predicted_us"]
    assert rows[0]["note"] == "a, b"
    assert float(rows[0]["predicted_us"]) == pytest.approx(report.rows[0]["predicted_us"], abs=1e-4)
    assert rows[1]["predicted_us"] == ""
    with pytest.raises(ArchsimError, match="cannot write"):
        report.write(tmp_path / "missing" / "out.csv")
    again = validate(out, resolve=chips.get)
    assert again.scores == report.scores, "a written file can be scored again"


@pytest.mark.parametrize(("text", "message"), [
    ("", "line 1: no column 'op'"),
    (HEAD, "holds no rows"),
    ("device,op,dtype,m,n,k\n", "no column 'measured_us'"),
    ("device,op,dtype,m,n,measured_us\nh100,gemm,bf16,1,1,5\n", "line 2: column 'k' is missing"),
    (HEAD + "h100,gemm,bf16,1,1,1,5\nh100,gemm,bf16,1,x,1,5\n", "line 3: column 'n' must be a whole number"),
    (HEAD + "h100,gemm,bf16,1,1.5,1,5\n", "line 2: column 'n' must be a whole number from 1, not '1.5'"),
    (HEAD + "h100,gemm,bf16,0,1,1,5\n", "line 2: column 'm' must be a whole number"),
    (HEAD + "h100,gemm,bf16,1,1,1,-5\n", "line 2: column 'measured_us' must be a positive number, not '-5'"),
    (HEAD + "h100,gemm,bf16,1,1,1,nan\n", "line 2: column 'measured_us' must be a positive number"),
    (HEAD + "h100,gemm,bf16,1,1,1,fast\n", "line 2: column 'measured_us'"),
    (HEAD + "h100,gemm,bf16,1,1,1\n", "line 2: column 'measured_us' is missing"),
    (HEAD + "h100,gemm,bf16,1,1,1,5,6\n", "line 2: more values than the 7 columns"),
    (HEAD + ",gemm,bf16,1,1,1,5\n", "line 2: column 'device' is empty"),
    ("host_us," + HEAD + "9,h100,gemm,bf16,1,1,1,5\n", "line 2: column 'host_us' = 9 leaves nothing"),
    ("host_us," + HEAD + "-1,h100,gemm,bf16,1,1,1,5\n", "line 2: column 'host_us' must be a positive number"),
    ("copies," + HEAD + "none,h100,gemm,bf16,1,1,1,5\n", "line 2: column 'copies' must be a whole number"),
    (HEAD + "h100,gemm,bf16,1,1,1,\n", "line 2: column 'measured_us' is empty"),
    (HEAD + 'h100,gemm,bf16,1,1,1,"1,200"\n', "positive number, written with a decimal point .* not '1,200'"),
    (HEAD.replace("_us", "_ms") + "h100,gemm,bf16,1,1,1,5\n",
     r"'measured_us' \(microseconds\): did you mean 'measured_ms'"),
    (HEAD + "h100,gemm,bf16,99999999999,1,1,5\n", "whole number from 1 to 2,147,483,647, not '99999999999'"),
    (HEAD + f"{'h' * 200_000},gemm,bf16,1,1,1,5\n", "line 2: not valid CSV: field larger"),
    ("device,op,op,dtype,measured_us\nh100,gemm,gemm,bf16,5\n", "named twice"),
    ("device,op,dtype,batch,q_len,kv_len,heads,kv_heads,head_dim,measured_us\n"
     "h100,attention_decode,bf16,1,1,9,5,2,64,5\n", "line 2: .*no multiple of kv_heads"),
])
def test_broken_tables_name_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ArchsimError, match=message) as caught:
        score(tmp_path, text)
    assert "rows.csv" in str(caught.value), "which file"


@pytest.mark.parametrize("separator", [";", "\t"])
def test_what_spreadsheets_write(tmp_path: Path, separator: str) -> None:
    text = HEAD + "h100,gemm,bf16,64,4096,4096,20\n"
    odd = ("\ufeff" + text.replace(",", separator) + separator * 6 + "\n\n").replace("\n", "\r\n")
    assert score(tmp_path, odd).scores == score(tmp_path, text).scores


def test_several_files_are_one_table(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text(HEAD + "h100,gemm,bf16,64,4096,4096,20\n")
    two.write_text("device,op,dtype,rows,cols,measured_us\nh100,add,bf16,4096,4096,50\n")
    both = validate([one, two], resolve=chips.get)
    assert both.scores == (*validate(one, resolve=chips.get).scores, *validate(two, resolve=chips.get).scores)
    assert both.columns == ("device", "op", "dtype", "m", "n", "k", "measured_us", "rows", "cols")
    both.write(tmp_path / "out.csv")
    assert validate(tmp_path / "out.csv", resolve=chips.get).scores == both.scores
    two.write_text("device,op,dtype,rows,cols,measured_us\nh100,add,bf16,x,4096,50\n")
    with pytest.raises(ArchsimError, match=r"two\.csv, line 2: column 'rows'"):
        validate([one, two], resolve=chips.get)


def test_the_worst_rows_come_first_and_say_where_they_stand(tmp_path: Path) -> None:
    report = score(tmp_path, HEAD + "h100,gemm,bf16,64,4096,4096,20\nh100,gemm,bf16,8192,8192,8192,9\n")
    first, second = report.misses
    assert (first.place, first.shape) == ("rows.csv:3", {"m": "8192", "n": "8192", "k": "8192"})
    assert first.error == pytest.approx(100 * (first.predicted_us / 9 - 1))
    assert abs(first.error) > abs(second.error)


def test_rows_beyond_the_roofline_are_told_apart(tmp_path: Path) -> None:
    chip = chips.get("h100")
    peak = roofline.plain(MatMul(m=64, n=4096, k=4096, weights=True), chip) * 1e6
    lines = "".join(f"h100,gemm,bf16,64,4096,4096,{us}\n" for us in (peak / 1.25, 2 * peak, 3 * peak))
    (s,) = score(tmp_path, HEAD + lines).scores
    assert (s.chip, s.n, s.beyond) == (chip.name, 3, 1)
    assert s.fastest == pytest.approx(1.25)
    ours = score(tmp_path, HEAD + lines).rows[0]["predicted_us"]
    assert s.rest == pytest.approx(50 * sum(abs(ours / (k * peak) - 1) for k in (2, 3)))
    alone = score(tmp_path, HEAD + lines.splitlines()[0] + "\n").scores[0]
    assert alone.rest is None, "nothing else is left"


def test_rows_are_scored_apart_by_any_column(tmp_path: Path) -> None:
    rows = [f"h100,gemm,bf16,64,4096,4096,{us},{kernel}\n" for us, kernel in ((20, "a"), (30, "b"), (40, "a"))]
    found = load(table(tmp_path, HEAD.replace("\n", ",kernel\n") + "".join(rows)), resolve=chips.get)
    assert [(s.part, s.n) for s in scored(found, "kernel").scores] == [("a", 2), ("b", 1)]
    assert [(s.part, s.n) for s in scored(found).scores] == [("", 3)]
    with pytest.raises(ArchsimError, match="unknown column 'kernl': did you mean 'kernel'"):
        scored(found, "kernl")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ArchsimError, match="cannot read"):
        validate(tmp_path / "absent.csv", resolve=chips.get)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ArchsimError, match="not a text file in UTF-8"):
        validate(binary, resolve=chips.get)
    binary.write_bytes(b"PK\x03\x04 a workbook")
    with pytest.raises(ArchsimError, match="is a spreadsheet"):
        validate(binary, resolve=chips.get)
    with pytest.raises(ArchsimError, match="needs chip"):
        validate(table(tmp_path, HEAD + "h100,gemm,bf16,1,1,1,5\n"))


# Mean absolute errors that the model reaches on measured kernels, rounded up; constants are the chips', not the rows'.
REACHED = {
    "gemm": {("a100_sxm", "gemm", "bfloat16"): 9.5, ("h100_sxm", "gemm", "bfloat16"): 7.0,
             ("h100_sxm", "gemm", "fp8"): 18.5, ("h100_sxm", "gemm", "fp8_block"): 16.0},
    "attention_prefill": {("a100_sxm", "attention_context", "bfloat16"): 7.0,
                          ("h100_sxm", "attention_context", "bfloat16"): 10.0,
                          ("h100_sxm", "attention_context", "fp8"): 10.5},
    "attention_decode": {("a100_sxm", "attention_generation", "bfloat16"): 8.0,
                         ("h100_sxm", "attention_generation", "bfloat16"): 10.5},
    "rowops": {(device, op, "float16"): 14.0 for device in ("a100_sxm", "h100_sxm")
               for op in ("add", "rmsnorm", "silu_mul")},
    "moe": {("a100_sxm", "moe", "bfloat16"): 17.0, ("h100_sxm", "moe", "bfloat16"): 31.0,
            ("h100_sxm", "moe", "fp8_block"): 25.0},
}


@pytest.mark.parametrize("file", REACHED)
def test_measured_kernels(shared: Path, file: str) -> None:
    rows = shared / "measured" / "kernels" / f"{file}.csv"
    if not rows.is_file():
        pytest.skip(f"no measured kernels at {rows}")
    report = validate(rows, resolve=chips.get)
    assert not report.skipped
    found = {(s.device, s.op, s.dtype): s for s in report.scores}
    assert set(found) == set(REACHED[file])
    for key, most in REACHED[file].items():
        print(f"{' '.join(key):<45} {found[key].mape:5.1f} % (roofline {found[key].roofline_mape:.1f} %)")
        assert found[key].mape < most, key
        assert found[key].mape < 0.6 * found[key].roofline_mape, key


def moe(tmp_path, row, head="device,op,dtype,tokens,hidden,inter,topk,experts,tp,ep,distribution,measured_us\n"):
    return score(tmp_path, head + row + "\n")


def test_a_rank_of_experts_gets_its_own_tokens(tmp_path):
    rows = ["h100,moe,bf16,512,4096,2048,2,8,1,1,balanced,100", "h100,moe,bf16,512,4096,4096,2,16,2,2,balanced,100"]
    one, two = (moe(tmp_path, row).rows[0]["predicted_us"] for row in rows)
    assert 0.6 * one < two < one, "half of 16 experts, half of twice the width, and half of the choices"


def test_imbalance_and_quantisation_of_experts_cost_time(tmp_path):
    plain, skewed, narrow = (
        moe(tmp_path, f"h100,moe,{dt},8192,4096,2048,2,64,1,1,{how},100").rows[0]["predicted_us"]
        for dt, how in (("bf16", "balanced"), ("bf16", "power_law_1.2"), ("fp8", "balanced")))
    assert plain < skewed
    assert 0.5 * plain < narrow < plain, "half the bytes and twice the rate, and two kernels more"


@pytest.mark.parametrize(("column", "value"), [("distribution", "zipf"), ("distribution", "power_law_x"), ("ep", "0")])
def test_a_row_of_experts_that_cannot_be_meant(tmp_path, column, value):
    row = {"device": "h100", "op": "moe", "dtype": "bf16", "tokens": 8, "hidden": 64, "inter": 64, "topk": 2,
           "experts": 8, "tp": 1, "ep": 1, "distribution": "balanced", "measured_us": 5, column: value}
    with pytest.raises(ArchsimError, match="line 2"):
        score(tmp_path, ",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n")


def test_an_attention_row_that_cannot_be_meant_is_named_once(tmp_path):
    head = "device,op,dtype,kv_dtype,batch,q_len,kv_len,heads,kv_heads,head_dim,causal,measured_us\n"
    with pytest.raises(ArchsimError, match=r"rows\.csv, line 2: column 'causal' must be 0 or 1, not '2'"):
        score(tmp_path, head + "h100,attention_prefill,bf16,,1,64,64,8,8,128,2,9\n")
    spelt = score(tmp_path, head + "h100,attention_prefill,bf16,\" BFloat16\",1,64,64,8,8,128,1,9\n")
    assert spelt.rows[0]["predicted_us"] == score(
        tmp_path, head + "h100,attention_prefill,bf16,,1,64,64,8,8,128,1,9\n").rows[0]["predicted_us"]


def test_a_copy_moves_its_tensor_twice(tmp_path):
    report = score(tmp_path, "device,op,dtype,bytes_tensor,measured_us\nh100,copy,unknown,4294967296,3000\n")
    chip = chips.get("h100")
    assert report.rows[0]["predicted_us"] >= 2 * 2**32 / chip.memory.bandwidth * 1e6
    assert report.rows[0]["predicted_us"] < 2 * 2**32 / chip.memory.bandwidth * 1e6 * 1.3
