"""Measurements, as far as a test may look at them."""

import json


def test_json_has_medians_and_runs(weft, model):
    done = weft("bench", model, "--prompt", "20", "--decode", "8", "--repeat", "3", "--json")
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert result["prompt_tokens"] == 20 and result["decode_tokens"] == 8
    assert result["backend"] == "executorch" and result["model"] == str(model)
    assert result["peak_rss_mb"] > 1
    assert result["cold_ms"] > 0
    assert result["sequences"] == 1 and "together_tok_s" not in result
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
    assert [line[:12].strip() for line in lines[2:]] == [
        "load",
        "first token",
        "prefill",
        "decode",
        "cold start",
        "peak memory",
    ]
    for line in lines[2:6]:
        median, least, most = (float(number) for number in line[12:].split()[:3])
        assert 0 <= least <= median <= most


def test_a_prompt_that_does_not_fit_is_told(weft, make_model):
    done = weft("bench", make_model(max_context=32), "--prompt", "30", "--decode", "8", "--repeat", "1")
    assert (done.code, done.out) == (1, "")
    assert "38 tokens; the context holds 32" in done.err


def test_conversations_at_once_are_compared_with_one_by_one(weft, model):
    done = weft("bench", model, "--prompt", "5", "--decode", "4", "--repeat", "3", "--sequences", "4", "--json")
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert result["sequences"] == 4
    for key in ("one_by_one_tok_s", "together_tok_s"):
        assert len(result["runs"][key]) == 3 and result[key] > 0
    table = weft("bench", model, "--prompt", "5", "--decode", "4", "--repeat", "1", "--sequences", "4").out
    assert "4 conversations: together" in table.splitlines()[-1]


def test_the_peak_is_of_this_process_alone(weft, model):
    """Not of the one that started it, as getrusage() has it: here one that holds 200 MiB."""
    held = bytearray(200 << 20)
    result = json.loads(weft("bench", model, "--prompt", "4", "--decode", "2", "--repeat", "1", "--json").out)
    assert result["peak_rss_mb"] < len(held) / 2**20
