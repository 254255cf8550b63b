"""Measurements, as far as a test may look at them."""

import json


def test_json_has_medians_and_runs(weft, model):
    done = weft("bench", model, "--prompt", "20", "--decode", "8", "--repeat", "3", "--json")
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert result["prompt_tokens"] == 20 and result["decode_tokens"] == 8
    assert result["backend"] == "executorch" and result["model"] == str(model)
    assert result["peak_rss_mb"] > 1
    for key in ("load_ms", "ttft_ms", "prefill_tok_s", "decode_tok_s"):
        runs = sorted(result["runs"][key])
        assert len(runs) == 3
        assert result[key] == runs[1] > 0


def test_the_table_shows_median_and_spread(weft, model):
    done = weft("bench", model, "--prompt", "20", "--decode", "8", "--repeat", "2")
    assert done.code == 0
    lines = done.out.splitlines()
    assert "prompt 20, decode 8, 2 runs" in lines[0]
    assert lines[1].split() == ["median", "min", "max"]
    assert [line[:12].strip() for line in lines[2:]] == ["load", "first token", "prefill", "decode", "peak memory"]
    for line in lines[2:6]:
        median, least, most = (float(number) for number in line[12:].split()[:3])
        assert 0 <= least <= median <= most


def test_a_prompt_that_does_not_fit_is_told(weft, make_model):
    done = weft("bench", make_model(max_context=32), "--prompt", "30", "--decode", "8", "--repeat", "1")
    assert (done.code, done.out) == (1, "")
    assert "38 tokens; the context holds 32" in done.err
