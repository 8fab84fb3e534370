"""SCALE-Sim's files as people have them: of every version, edited by hand, exported from spreadsheets, broken."""

import pytest

from archsim.errors import ArchsimError, UnsupportedError
from archsim.explore.scalesim import Layer, read_config, read_topology

CONFIG = """\
[general]
run_name = some_run

[architecture_presets]
ArrayHeight:    32
ArrayWidth:     16
IfmapSramSzkB:   64
FilterSramSzkB:  65
OfmapSramSzkB:   66
Bandwidth : 10
Dataflow : ws

[run_presets]
InterfaceBandwidth: USER
"""
CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


@pytest.fixture
def config(tmp_path):
    def read(content):
        path = tmp_path / "scale.cfg"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_config(path)

    return read


@pytest.fixture
def topology(tmp_path):
    def read(content, kind=None):
        path = tmp_path / "net.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_topology(path, kind)

    return read


def _figures(c):
    return c.run_name, c.rows, c.cols, c.dataflow, c.ifmap_kb, c.filter_kb, c.ofmap_kb, c.bandwidths


PLAIN = ("some_run", 32, 16, "ws", 64, 65, 66, (10, 10, 10))


def test_version_2_has_one_bandwidth_for_all(config):
    read = config(CONFIG)
    assert _figures(read) == PLAIN
    assert len(read.warnings) == 2
    assert "as in SCALE-Sim 2" in read.warnings[0]


@pytest.mark.parametrize("section", ["[layout]\n", ""])  # development versions have these keys in [run_presets] or so
def test_version_3_reads_at_the_bandwidth_of_the_layout(config, section):
    read = config(f"{CONFIG}{section}IfmapCustomLayout = False\nIfmapSRAMBankBandwidth = 20\n"
                  "FilterSRAMBankBandwidth: 30\n")
    assert read.bandwidths == (20, 30, 10)
    assert read.warnings == ()


def test_version_1_has_no_presets_and_no_units_in_its_keys(config):
    old = CONFIG.split("[run_presets]")[0].replace("kB", "").replace("some_run", '"some_run"')
    assert _figures(config(old)) == (*PLAIN[:-1], None)


@pytest.mark.parametrize("change", [
    lambda text: "\ufeff" + text,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.upper().replace("SOME_RUN", "some_run"),
    lambda text: text.replace(":", " = ").replace("32", "032   ; rows"),
    lambda text: "# a comment\n" + text.replace("some_run", "other") + "[general]\nrun_name = some_run",
    lambda text: text.encode("utf-16"),
])
def test_configurations_as_editors_leave_them(config, change):
    assert _figures(config(change(CONFIG))) == PLAIN


def test_what_no_version_reads_is_said(config):
    read = config(CONFIG.replace("USER", "CALC") + "[mine]\ncolour = red\n")
    assert read.warnings == ("[mine] colour is ignored: no version of SCALE-Sim reads it",)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("ws", "wss", "unknown Dataflow 'wss': did you mean 'ws'\\? known: os, ws, is"),
    ("ws", "", "Dataflow is empty"), ("Dataflow : ws", "", "Dataflow is missing"),
    ("ArrayHeight:    32", "", "ArrayHeight is missing"), ("ArrayHeight", "ArayHeight", "did you mean ArrayHeight\\?"),
    ("InterfaceBandwidth", "InterfaceBandwith", "did you mean InterfaceBandwidth\\?"),
    ("USER", "USR", "did you mean 'USER'"), ("32", "many", "ArrayHeight must be a whole number, not 'many'"),
    ("32", "0", "ArrayHeight must be from 1"), ("32", "-3", "ArrayHeight must be from 1"),
    ("32", "3.5", "ArrayHeight must be a whole number"), ("64", "1e3", "IfmapSramSzkB must be a whole number"),
    ("32", "9" * 5000, "ArrayHeight must be"), ("10", "ten", "Bandwidth must be a whole number"),
    ("Bandwidth : 10", "", "Bandwidth is missing"), ("some_run", "../up", "cannot be the name of a folder"),
    ("run_name = some_run", "", "run_name is missing"), ("[general]", "", "line 2: expected a section"),
    ("[run_presets]", "what is this", "not 'key = value'"),
])
def test_configurations_that_cannot_be_meant(config, old, new, message):
    with pytest.raises(ArchsimError, match=f"scale.cfg.*{message}") as error:
        config(CONFIG.replace(old, new, 1))
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("line", ["[sparsity]\nSparsitySupport = true", "[layout]\nIfmapCustomLayout: True",
                                  "[layout]\nFilterCustomLayout: True", "UseRamulatorTrace = True"])
def test_what_is_not_modelled_is_refused(config, line):
    with pytest.raises(UnsupportedError, match="cannot be reproduced"):
        config(f"{CONFIG}{line}\n")
    with pytest.raises(ArchsimError, match="must be True or False"):
        config(f"{CONFIG}{line.lower().replace('true', 'perhaps')}\n")
    assert _figures(config(f"{CONFIG}{line.lower().replace('true', 'False')}\n")) == PLAIN


@pytest.mark.parametrize("key", ["IfmapCustomLayout", "FilterCustomLayout", "UseRamulatorTrace"])
def test_what_changes_nothing_in_calc_mode_is_said(config, key):
    read = config(CONFIG.replace("USER", "CALC") + f"{key} = True\n")
    assert _figures(read) == (*PLAIN[:-1], None)
    assert read.warnings == (f"{key} changes nothing in CALC mode",)


@pytest.mark.parametrize("content", [b"", b"\0\1\2", bytes(range(128, 256)), b"\xff\xfe\x00", b"just words\n"])
def test_files_of_another_kind(config, topology, content):
    with pytest.raises(ArchsimError, match="scale.cfg"):
        config(content)
    with pytest.raises(ArchsimError, match="net.csv"):
        topology(content)


def test_files_that_are_not_there(tmp_path):
    for read in (read_config, read_topology):
        with pytest.raises(ArchsimError, match="cannot read .*: No such file"):
            read(tmp_path / "nope")
        with pytest.raises(ArchsimError, match="cannot read .*: Is a directory"):
            read(tmp_path)


PRODUCTS = (Layer.gemm("QK", 128, 64, 32), Layer.gemm("A V", 3, 4, 5))


@pytest.mark.parametrize("text", [
    "Layer,M,N,K,\nQK,128,64,32,\nA V,3,4,5,\n",
    "Layer,M,N,K\nQK,128,64,32\nA V,3,4,5",
    "\ufeffLAYER , m , n , k ,\r\n\r\n  QK ,  128, 064 , 32 ,\r\n,,,,\r\n\tA V,3,4,5\r\n\r\n",
    "\n\nname;M;N;K\nQK;128;64;32\nA V;3;4;5\n",
    'Layer\tM\tN\tK\n"QK"\t128\t64\t"32"\nA V\t3\t4\t5\n',
    "Layer,M,N,K,Sparsity,\nQK,128,64,32,1:1,\nA V,3,4,5,4:4,\n",
    "what,ever,it,says\nQK,128,64,32,\nA V,3,4,5,\n",
])
def test_lists_of_products_as_people_have_them(topology, text):
    work = topology(text)
    assert (work.kind, work.layers, work.warnings) == ("gemm", PRODUCTS, ())


@pytest.mark.parametrize("row", ["Conv1, 12, 10, 3, 2, 8, 16, 2,", "Conv1,12,10,3,2,8,16,2",
                                 " Conv1 ,12,10,3,2,8,16,2,1:1,"])
@pytest.mark.parametrize("header", [CONV, CONV.lower().replace(" ", ""), "\n" + CONV + "\n", "any,thing\n"])
def test_lists_of_convolutions_as_people_have_them(topology, header, row):
    work = topology(f"{header}{row}\n")
    assert (work.kind, work.layers) == ("conv", (Layer("Conv1", 12, 10, 3, 2, 8, 16, 2, 2),))
    (layer,) = work.layers
    assert (layer.out_h, layer.out_w, layer.m, layer.n, layer.k) == (6, 5, 30, 16, 48)


def test_two_strides_if_the_header_says_so(topology):
    header = CONV.replace("Strides", "Stride height, Stride width")
    assert topology(f"{header}a, 12, 10, 3, 2, 8, 16, 2, 1,\n").layers == (Layer("a", 12, 10, 3, 2, 8, 16, 2, 1),)
    with pytest.raises(ArchsimError, match="line 2 .a.: 7 values, not the 8 of a conv layer"):
        topology(f"{header}a, 12, 10, 3, 2, 8, 16, 2,\n")


def test_a_depthwise_convolution_is_a_layer_per_channel(topology):
    layers = topology(CONV + "DP1, 12, 10, 3, 2, 3, 1, 1,\n").layers
    assert layers == tuple(Layer(f"DP1Channel_{i}", 12, 10, 3, 2, 1, 1) for i in range(3))


def test_what_is_ignored_is_said_once(topology):
    work = topology(CONV + "a, 5, 5, 3, 3, 2, 6, 1, 2:4,\nb, 5, 5, 3, 3, 2, 6, 1, 2:4, #dw\n")
    assert work.warnings == ("sparsity 2:4 is ignored: layers are dense, as with SparsitySupport = false",
                             "columns after the first 8 are ignored")
    work = topology("a,3,4,5,\nb,6,7,8,\n")
    assert work.layers == (Layer.gemm("b", 6, 7, 8),)
    assert "line 1 is taken for the header" in work.warnings[0]


@pytest.mark.parametrize(("text", "kind", "message"), [
    ("Layer,M,N,K\n", None, "no layers: only a header"), ("\n\n,,\n", None, "no layers"),
    ("Layer,M,N,K\na,3,4\n", None, "line 2 .a.: 2 values, not the 3 of a gemm layer: M, N, K"),
    ("Layer,M,N,K\n\na,3,four,5\n", None, "line 3 .a.: N must be a whole number, not 'four'"),
    ("Layer,M,N,K\na,3,0,5\n", None, "N must be from 1"), ("Layer,M,N,K\na,3,4,-5\n", None, "K must be from 1"),
    ("Layer,M,N,K\na,,3,4,5\n", None, "M must be a whole number, not ''"),
    ("Layer,M,N,K\na,3.0,4,5\n", None, "M must be a whole number"),
    ("Layer,M,N,K\na,3,4,5\n", "conv", "3 values, not the 7 of a conv layer: .*; is this a file for -i gemm"),
    (CONV + "a,12,10,3,2,8,16,2,\n", "gemm", "line 1: the header names the columns of convolutions"),
    (CONV + "a,5,5,7,7,8,16,2,\n", None, "the filter is larger than the ifmap: filter_h 7, ifmap_h 5"),
    (CONV + "DP,5,5,3,3,99999999,16,2,\n", None, "channels must be from 1 to 65,536 in a depthwise layer"),
    (CONV + "a,12,10,3,2,8,16,0,\n", None, "stride must be from 1"),
    ("Layer,M,N,K\na,3,4,5\n", "gem", "unknown input type 'gem': did you mean 'gemm'"),
])
def test_lists_that_cannot_be_meant(topology, text, kind, message):
    with pytest.raises(ArchsimError, match=message):
        topology(text, kind)
