"""Where time goes, by operation: that what is told is whole, not how long it takes."""

import json

import pytest

BACKENDS = ["executorch", "aoti"]
TOKENS = 6


@pytest.fixture(params=BACKENDS)
def tiny_model(request, exported):
    return exported("llama", request.param)


@pytest.fixture
def tiny_weft(weft):
    """Without the fake backend: the plug-ins beside the program."""
    del weft.env["WEFT_PLUGIN_PATH"]
    return weft


def profile(weft, model, *arguments):
    done = weft("profile", model, "--prompt", "40", "--decode", str(TOKENS), *arguments)
    assert (done.code, done.err) == (0, "")
    return done.out


def test_shares_add_up_to_the_step(tiny_weft, tiny_model):
    result = json.loads(profile(tiny_weft, tiny_model, "--json"))
    prompt, decode = result["phases"]
    assert (prompt["steps"], prompt["tokens"], decode["steps"], decode["tokens"]) == (1, 40, TOKENS, TOKENS)
    for phase in (prompt, decode):
        operations = phase["operations"]
        assert all(operation["own_ms"] >= 0 for operation in operations)
        total = sum(operation["own_ms"] for operation in operations) + phase["unexplained_share"] * phase["ms"]
        assert total == pytest.approx(phase["ms"], rel=1e-6)
        assert 0 <= phase["unexplained_share"] < 0.2


def test_every_layer_and_sampling_are_told(tiny_weft, tiny_model):
    calls = {}
    for operation in json.loads(profile(tiny_weft, tiny_model, "--json"))["phases"][1]["operations"]:
        calls[operation["name"]] = calls.get(operation["name"], 0) + operation["calls"]
    assert calls["forward"] == calls["program"] == calls["sampling"] == TOKENS
    assert calls["attention"] == 2 * TOKENS  # it has two layers
    assert calls["quantized_linear"] == (2 * 4 + 1) * TOKENS  # which floats go through, too


def test_quantised_linears_are_told_by_shape(tiny_weft, checkpoint, tmp_path):
    from weft.export import export

    model = tmp_path / "quantised.pte"
    export(checkpoint("llama"), model, quantize="int4", check=False)
    operations = json.loads(profile(tiny_weft, model, "--json"))["phases"][1]["operations"]
    shapes = {operation["shape"]: operation for operation in operations if operation["name"] == "quantized_linear"}
    assert any("1 x 64 -> " in shape and "4 bit" in shape for shape in shapes)
    assert all(operation["weight_bytes"] > 0 for operation in shapes.values())
    assert "quantized_embedding" in {operation["name"] for operation in operations}


def test_the_trace_is_what_perfetto_reads(tiny_weft, tiny_model, tmp_path):
    trace = tmp_path / "trace.json"
    profile(tiny_weft, tiny_model, "--trace", trace)
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "X"]
    phases = [event for event in events if "tokens" in event["name"]]
    assert [event["name"] for event in phases] == ["prompt of 40 tokens", f"{TOKENS} tokens after it, each"]
    # Complete events of one thread nest: each lies within a phase, and programs within their forward.
    forwards = [event for event in events if event["name"] == "forward"]
    assert len(forwards) == 1 + TOKENS
    for event in events:
        assert event["dur"] >= 0 and event["pid"] == 1 and event["tid"] == 1
        assert any(
            phase["ts"] <= event["ts"] and event["ts"] + event["dur"] <= phase["ts"] + phase["dur"] + 1e-3
            for phase in phases
        )
        if event["name"] == "program":
            assert any(outer["ts"] <= event["ts"] <= outer["ts"] + outer["dur"] for outer in forwards)


def test_the_table_shows_shares_of_each_phase(weft, model):
    """On the fake backend, which tells nothing: its whole time is the runner's."""
    lines = weft("profile", model, "--prompt", "20", "--decode", "4").out.splitlines()
    assert "executorch" in lines[0]
    headings = [line for line in lines if line.endswith("operation")]
    assert len(headings) == 2
    assert any("runner: batch, copy of the logits" in line for line in lines)
    shares = [float(line.split("%")[0]) for line in lines if line.lstrip()[:1].isdigit() and "%" in line.split()[0]]
    assert sum(shares) == pytest.approx(200, abs=0.1)


def test_a_prompt_that_does_not_fit_is_told(weft, make_model):
    done = weft("profile", make_model(max_context=32), "--prompt", "30", "--decode", "8")
    assert (done.code, done.out) == (1, "")
    assert "38 tokens; the context holds 32" in done.err


def test_a_trace_that_can_not_be_written_is_told(weft, model, tmp_path):
    done = weft("profile", model, "--prompt", "4", "--decode", "2", "--trace", tmp_path / "missing" / "trace.json")
    assert (done.code, done.out) == (1, "")
    assert "missing" in done.err
