"""One prompt, one answer."""

import json
import os
import signal
import subprocess

import pytest
from driver import CHATML


def test_the_text_alone_is_on_stdout(weft, model):
    done = weft("generate", model, "-p", "What is the capital of France?")
    assert (done.code, done.out) == (0, "Paris.")
    assert "tok/s" in done.err and "first token after" in done.err and "peak memory" in done.err


def test_a_prompt_comes_from_a_file_or_from_stdin(weft, model, tmp_path, small_tokenizer):
    (tmp_path / "prompt.txt").write_text("Grüße\n")
    by_option = json.loads(weft("generate", model, "-p", "Grüße\n", "--json").out)["prompt_token_ids"]
    for arguments in (["-f", tmp_path / "prompt.txt"], ["-"]):
        done = weft("generate", model, *arguments, "--json", stdin="Grüße\n")
        assert json.loads(done.out)["prompt_token_ids"] == by_option
    assert "Grüße\n" in small_tokenizer.decode(by_option)


def test_json_has_every_documented_key(weft, model, small_tokenizer):
    done = weft("generate", model, "-p", "Where?", "--json")
    assert (done.code, done.err) == (0, "")
    answer = json.loads(done.out)
    assert list(answer) == [
        "text", "token_ids", "prompt_token_ids", "finish_reason", "load_ms", "ttft_ms", "prefill_tok_s", "decode_tok_s",
        "peak_rss_mb", "backend", "model",
    ]  # fmt: skip
    assert answer["text"] == "Paris."
    assert answer["finish_reason"] == "stop"
    assert small_tokenizer.decode(answer["token_ids"]) == "Paris."
    assert answer["backend"] == "executorch"
    assert answer["model"] == str(model)
    assert answer["peak_rss_mb"] > 1


def test_a_users_control_tokens_stay_text(weft, model, small_tokenizer):
    answer = json.loads(weft("generate", model, "-p", "a<|im_end|>b", "--json").out)
    end = small_tokenizer.token_to_id("<|im_end|>")
    assert answer["prompt_token_ids"].count(end) == CHATML.count("<|im_end|>")


def test_raw_completes_the_text_without_template(weft, make_model, small_tokenizer):
    model = make_model(chat_template=None)
    answer = json.loads(weft("generate", model, "--raw", "-p", "hello\n", "--json").out)
    assert answer["text"] == "Paris."
    assert answer["prompt_token_ids"] == small_tokenizer.encode("hello\n").ids


def test_raw_begins_with_bos_where_the_model_wants_it(weft, make_model, small_tokenizer):
    config = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "add_bos_token": True}
    model = make_model(tokenizer_config=json.dumps(config))
    answer = json.loads(weft("generate", model, "--raw", "-p", "hello\n", "--json").out)
    assert answer["prompt_token_ids"][0] == small_tokenizer.token_to_id("<|im_start|>")


def test_a_model_without_template_needs_raw(weft, make_model):
    done = weft("generate", make_model(chat_template=None), "-p", "x")
    assert (done.code, done.out) == (1, "")
    assert "has no chat template" in done.err and "--raw" in done.err


def test_max_tokens_and_stop_end_the_answer(weft, model):
    length = json.loads(weft("generate", model, "-p", "x", "--max-tokens", "3", "--json").out)
    assert (length["text"], length["finish_reason"]) == ("Par", "length")
    stop = json.loads(weft("generate", model, "-p", "x", "--stop", "is", "--json").out)
    assert (stop["text"], stop["finish_reason"]) == ("Par", "stop")


def test_sampling_is_repeatable_with_a_seed(weft, model):
    arguments = ["generate", model, "-p", "x", "--temperature", "100", "--max-tokens", "20", "--json"]
    first, again = (json.loads(weft(*arguments, "--seed", "7").out)["token_ids"] for _ in range(2))
    other = json.loads(weft(*arguments, "--seed", "8").out)["token_ids"]
    assert first == again != other


def test_the_command_line_wins_over_the_models_own_sampling(weft, make_model):
    model = make_model(generation_config=json.dumps({"do_sample": True, "temperature": 100.0, "top_k": 0}))
    answers = {weft("generate", model, "-p", "x", "--max-tokens", "6", "--seed", str(seed)).out for seed in range(3)}
    assert len(answers) > 1
    assert weft("generate", model, "-p", "x", "--temperature", "0").out == "Paris."


@pytest.mark.parametrize("bytes_", [b"abc\xff", b"abc\xc3", b"abc\xed\xa0\x80", b"abc\xf4\x90\x80\x80", b"abc\xc0\x80"])
def test_ill_formed_utf8_is_told_with_its_place(weft, model, tmp_path, bytes_):
    (tmp_path / "prompt.txt").write_bytes(bytes_)
    for where, arguments, stdin in [
        ("-p", ["-p", bytes_], b""),
        ("prompt.txt", ["-f", tmp_path / "prompt.txt"], b""),
        ("standard input", ["-"], bytes_),
    ]:
        done = weft("generate", model, *arguments, stdin=stdin)
        assert (done.code, done.out) == (2, "")
        assert f"{where}: is not UTF-8: byte 3 is 0x{bytes_[3]:02X}" in done.err
        assert "iconv" in done.err


def test_an_empty_prompt_is_told(weft, model, tmp_path):
    (tmp_path / "empty.txt").touch()
    for where, arguments in [("-p", ["-p", ""]), ("empty.txt", ["-f", tmp_path / "empty.txt"]), ("standard input", ["-"])]:
        done = weft("generate", model, *arguments)
        assert (done.code, done.out) == (2, "")
        assert f"{where}: the prompt is empty" in done.err


def test_a_file_that_cannot_be_read_is_told(weft, model, tmp_path):
    missing = weft("generate", model, "-f", tmp_path / "none.txt")
    assert missing.code == 2 and "none.txt: can't be read: No such file" in missing.err
    assert "fix: check the path and its permissions" in missing.err
    folder = weft("generate", model, "-f", tmp_path)
    assert folder.code == 2 and "can't be read: Is a directory" in folder.err


def test_a_prompt_longer_than_the_context_is_told(weft, make_model):
    done = weft("generate", make_model(max_context=32), "-p", "x" * 100)
    assert (done.code, done.out) == (1, "")
    assert "32" in done.err


def test_a_full_disk_is_told(weft, model):
    with open("/dev/full", "wb") as full:
        done = weft.start("generate", model, "-p", "x", stdout=full, stderr=subprocess.PIPE)
        _, err = done.communicate(timeout=30)
    assert done.returncode == 1
    assert b"standard output: writing failed: No space left on device" in err


def test_a_reader_that_goes_away_ends_it_quietly(weft, make_model):
    running = weft.start(
        "generate", make_model("x", endless=True, max_context=1 << 20), "-p", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout.read(1) == b"x"
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait(timeout=30) == 141


def test_text_appears_as_it_is_made(weft, make_model):
    # The answer never ends: a program that buffered its output would show none of it.
    running = weft.start(
        "generate", make_model("x", endless=True, max_context=1 << 20), "-p", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert os.read(running.stdout.fileno(), 1) == b"x"
    running.kill()
    running.communicate()


def test_ctrl_c_ends_it_with_130(weft, make_model):
    running = weft.start(
        "generate", make_model("x", endless=True, max_context=1 << 20), "-p", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout.read(1) == b"x"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert set(out) <= set(b"x")
    assert b"tok/s" in err


def test_files_beside_the_model_win(weft, model, tmp_path):
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}!\n\n")  # Jinja drops the last newline
    answer = json.loads(weft("generate", model, "-p", "hello", "--json").out)
    assert answer["text"] == "Paris."
    assert len(answer["prompt_token_ids"]) < 6
