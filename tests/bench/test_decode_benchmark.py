"""What bench/decode concludes from measurements, and that it makes nothing twice."""

import json
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest
from built import ROOT

DECODE = ROOT / "bench" / "decode"


@pytest.fixture
def benchmark(monkeypatch):
    """Its modules, which it imports from its own folder."""
    monkeypatch.syspath_prepend(str(DECODE))
    monkeypatch.syspath_prepend(str(DECODE / "peers"))
    import contenders
    import machine
    import peer
    import report

    return SimpleNamespace(contenders=contenders, machine=machine, peer=peer, report=report)


def run(contender, decode, *, context=16, bits=4, number=0, others=0.0, **measures):
    values = {
        "decode_tok_s": decode,
        "prefill_tok_s": 100.0,
        "ttft_ms": 10.0,
        "load_ms": 50.0,
        "cold_ms": 60.0,
        "peak_rss_mb": 200.0,
    } | measures
    return {
        "contender": contender, "peer": not contender.startswith("weft"), "model": "M", "bits": bits, "threads": 2, "context": context,
        "kind": "int4", "weight_bits": 4.5, "round": number, "others": others, **values,
    }  # fmt: skip


def data(runs, **parts):
    machine = {
        "processor": "A & B", "family_model_stepping": "1/2/3", "cores": 2, "memory_gib": 8, "instruction_sets": ["avx2"], "system": "Linux", "python": "3",
    }  # fmt: skip
    case = {"model": "M", "bits": 4, "threads": 2, "context": 16}
    limits = [
        case | {"read_gbs": speed, "read_96mib_gbs": 80.0, "f32_gops": 100.0, "int8_gops": 400.0, "amx_gops": 0.0}
        for speed in (40.0, 50.0, 70.0)
    ]
    return {
        "machine": machine,
        "limits": limits,
        "versions": {"weft": "1"},
        "runs": runs,
        "batches": [],
        "failures": [],
    } | parts


def rows(text, word):
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and word in line
    ]


def test_medians_stand_beside_smallest_and_largest(benchmark):
    text = benchmark.report.markdown(
        data([run("weft aoti", decode, number=i) for i, decode in enumerate((30.0, 10.0, 20.0))])
    )
    (row,) = rows(text, "weft aoti")
    assert row[2] == "20.0 (10.0–30.0)"
    # 1,235,814,400 weights of 4.5 bits, twenty times a second, of 50 GB/s.
    assert row[-1] == "28%"
    assert "reads 50.0 (40.0–70.0) GB/s from memory" in text


def test_weft_is_compared_with_the_best_peer_of_each_measure(benchmark):
    runs = [
        run("weft aoti", 30.0, peak_rss_mb=100.0),
        run("weft executorch", 27.0, peak_rss_mb=90.0),
        run("llama.cpp", 20.0, peak_rss_mb=180.0),
        run("OpenVINO GenAI, paged", 24.0, peak_rss_mb=400.0),
        run("weft aoti, f32 activations", 99.0),
    ]
    (row,) = rows(benchmark.report.markdown(data(runs)), "M, 4 bits, 2 threads, 16 ")
    assert row[1] == "1.25 (OpenVINO GenAI, paged)"
    assert row[6] == "2.00 (llama.cpp)"
    assert row[7] == "0.90"


def test_prefill_is_compared_across_widths(benchmark):
    runs = [
        run("weft aoti", 1, prefill_tok_s=300.0),
        run("llama.cpp", 1, prefill_tok_s=100.0),
        run("CTranslate2", 1, bits=8, prefill_tok_s=200.0),
    ]
    text = benchmark.report.markdown(data(runs))
    (row,) = rows(text.split("## Prefill")[1].split("## ")[0], "M, 2 threads")
    assert row[1:] == ["300 (weft aoti, 4 bits)", "200 (CTranslate2, 8 bits)", "1.50"]


def test_a_machine_that_was_not_quiet_is_told(benchmark):
    quiet = benchmark.report.markdown(data([run("weft aoti", 1, others=0.01)]))
    noisy = benchmark.report.markdown(data([run("weft aoti", 1, others=0.01), run("weft aoti", 1, others=0.4)]))
    assert "the machine was quiet" in quiet
    assert "1 of 2 runs were not on a quiet machine" in noisy


def test_what_could_not_be_measured_stands_with_its_reason(benchmark):
    failure = {"contender": "CTranslate2", "model": "M", "bits": 8, "reason": "no wheel | here"}
    (row,) = rows(benchmark.report.markdown(data([run("weft aoti", 1)], failures=[failure])), "no wheel")
    assert row[0] == "CTranslate2"


def test_the_plot_is_xml_with_a_bar_for_everybody(benchmark, tmp_path):
    benchmark.report.write(data([run("weft aoti", 30.0), run("A <peer>", 10.0)]), tmp_path)
    svg = xml.etree.ElementTree.parse(tmp_path / "decode.svg").getroot()
    bars = [element for element in svg.iter() if element.get("class") in ("w", "p")]
    assert [bar.get("class") for bar in bars] == ["w", "p"]
    assert float(bars[0].get("width")) == pytest.approx(3 * float(bars[1].get("width")), rel=1e-3)
    assert "decode.svg" in (tmp_path / "decode.md").read_text()


def test_what_was_made_is_not_made_again_and_what_was_cut_short_is(benchmark, tmp_path):
    workshop = benchmark.contenders.Workshop(tmp_path, Path("weft"), lambda _text: None)
    made = []

    def make(out):
        made.append(out)
        assert not out.exists()
        out.mkdir()
        if len(made) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workshop._once("key", tmp_path / "S" / "model", make)
    for _ in range(2):
        assert workshop._once("key", tmp_path / "S" / "model", make).is_dir()
    assert len(made) == 2


def test_a_failure_is_told_with_the_last_line_and_not_tried_twice(benchmark, tmp_path):
    workshop = benchmark.contenders.Workshop(tmp_path, Path("weft"), lambda _text: None)
    tries = []

    def make(_out):
        tries.append(1)
        benchmark.contenders.run_logged(
            [sys.executable, "-c", "print('first', flush=True); raise SystemExit('what went wrong')"], tmp_path / "log"
        )

    for _ in range(2):
        with pytest.raises(benchmark.contenders.SetUpError, match="what went wrong"):
            workshop._once("key", tmp_path / "model", make)
    assert len(tries) == 1


def test_others_are_counted_without_our_own_children(benchmark):
    watch = benchmark.machine.OthersWatch()
    subprocess.run(
        [sys.executable, "-c", "import time; end = time.monotonic() + 0.5\nwhile time.monotonic() < end: pass"],
        check=True,
    )
    own = benchmark.machine.OthersWatch()
    assert 0 <= watch.share() <= 1
    assert own.share() >= 0


def test_a_peer_is_timed_from_its_tokens(benchmark, monkeypatch):
    clock = SimpleNamespace(now=0.0)

    def generate(prompt, n):
        times = []
        clock.now += 0.001 * len(prompt)
        for _ in range(n):
            times.append(clock.now)
            clock.now += 0.01
        return times

    def load(_options):
        clock.now += 2.0
        return generate

    monkeypatch.setattr(benchmark.peer.time, "perf_counter", lambda: clock.now)
    measured = benchmark.peer.measure(load, SimpleNamespace(vocabulary=10, prompt=500, decode=11))
    assert measured["load_ms"] == pytest.approx(2000)
    assert measured["cold_ms"] == pytest.approx(2500)
    assert measured["ttft_ms"] == pytest.approx(500)
    assert measured["prefill_tok_s"] == pytest.approx(1000)
    assert measured["decode_tok_s"] == pytest.approx(100)
    assert measured["peak_rss_mb"] > 1


def test_the_command_writes_a_report_from_what_was_measured(tmp_path):
    (tmp_path / "decode.json").write_text(json.dumps(data([run("weft aoti", 30.0)])))
    done = subprocess.run(
        [sys.executable, DECODE, "--report", "--out", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "weft aoti" in done.stdout and (tmp_path / "decode.svg").is_file()
