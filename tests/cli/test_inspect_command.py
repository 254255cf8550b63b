"""What a model file holds, and what is told of files that are none."""

import json
import zipfile

import pytest


def rows(text: str) -> dict[str, str]:
    return {line[:24].strip(): line[24:].strip() for line in text.splitlines()}


def test_shows_what_is_inside(weft, make_model, small_tokenizer):
    info = {
        "format": 1, "name": "Smol", "architecture": "LlamaForCausalLM", "parameters": 134515008, "dtype": "float32",
        "quantization": "none", "max_context": 2048, "vocab_size": 300, "exporter": "weft 0.1.0", "contract": "ragged",
        "layers": [[3, 64, 64]] * 30,
    }  # fmt: skip
    done = weft("inspect", make_model(weft_json=json.dumps(info), generation_config='{"eos_token_id": [0, 2]}'))
    assert (done.code, done.err) == (0, "")
    shown = rows(done.out)
    assert shown["backend"] == "executorch"
    assert shown["name"] == "Smol"
    assert shown["architecture"] == "LlamaForCausalLM"
    assert shown["parameters"] == "134515008"
    assert shown["quantization"] == "none"
    assert shown["context"] == "2048 tokens"
    assert shown["vocabulary"] == "300"
    assert shown["contract"] == "ragged"
    assert shown["layers"] == "30 entries"
    assert shown["methods"] == "forward"
    assert shown["tokenizer"] == f"{small_tokenizer.get_vocab_size()} ids, 3 of them control tokens"
    assert shown["sampling"] == "greedy"
    assert shown["stops at"] == "0 <|endoftext|>, 2 <|im_end|>"


def test_says_where_each_asset_came_from(weft, model, tmp_path):
    inside = rows(weft("inspect", model).out)["chat_template.jinja"]
    assert f"inside: {model}: chat_template.jinja" in inside
    (tmp_path / "chat_template.jinja").write_text("x")
    beside = rows(weft("inspect", model).out)["chat_template.jinja"]
    assert f"beside the model: {tmp_path / 'chat_template.jinja'}" in beside


def test_takes_a_folder_with_one_model(weft, make_model):
    model = make_model(name="folder/some.pte")
    assert rows(weft("inspect", model.parent).out)["file"].startswith(str(model))


def test_a_broken_part_is_told_and_the_others_are_shown(weft, make_model):
    done = weft("inspect", make_model(generation_config='{"eos_token_id": "two"}', chat_template="{% if %}"))
    assert done.code == 1
    shown = rows(done.out)
    assert "broken" in shown["generation"] and "eos_token_id" in shown["generation"]
    assert "broken" in shown["chat template"]
    assert shown["methods"] == "forward"
    assert "a part of this model is broken" in done.err


def test_a_missing_tokenizer_is_told(weft, make_model):
    done = weft("inspect", make_model(tokenizer=None))
    assert done.code == 1
    assert "there is no tokenizer: looked for" in rows(done.out)["tokenizer"]


def test_what_a_terminal_would_obey_is_spelled_out(weft, make_model):
    done = weft("inspect", make_model(weft_json=json.dumps({"format": 1, "name": "\x1b[2Jevil\x07"})))
    assert rows(done.out)["name"] == r"\x1b[2Jevil\x07"


def _zip(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("hello"), "is neither an ExecuTorch program (.pte) nor an AOTInductor package (.pt2)"),
        (lambda path: path.write_bytes(b"GGUF\3\0\0\0"), "is a GGUF checkpoint"),
        (lambda path: _zip(path, "m/data.pkl", "m/version"), "is a PyTorch checkpoint"),
        (lambda path: _zip(path, "m/archive_format", "m/models/model.json"), "isn't compiled"),
        (lambda path: _zip(path, "readme.txt"), "is neither"),
        (lambda path: path.write_bytes(b"PK\3\4" + b"\0" * 100), "directory is missing or damaged"),
        (lambda path: path.write_bytes(b"\x20\0\0\0ET12 garbage"), "is no model of the fake backend"),
        (lambda path: None, "No such file or directory"),
    ],
)
def test_what_is_no_model_is_told(weft, tmp_path, make, words):
    path = tmp_path / "some.pte"
    make(path)
    done = weft("inspect", path)
    assert (done.code, done.out) == (1, "")
    assert f"weft: {path}: " in done.err and words in done.err


def test_a_package_without_its_backend_names_the_build_switch(lone_weft, tmp_path):
    _zip(tmp_path / "m.pt2", "m/archive_format", "m/data/aotinductor/model/m.so")
    done = lone_weft("inspect", tmp_path / "m.pt2")
    assert done.code == 1
    assert "weft_aoti.so isn't in any of: " in done.err
    assert lone_weft.env["WEFT_PLUGIN_PATH"] in done.err
    assert "-DWEFT_AOTI=ON" in done.err


def test_the_wrong_backend_is_wrong_usage(weft, model):
    done = weft("inspect", model, "--backend", "aoti")
    assert done.code == 2
    assert "runs on executorch, not on aoti" in done.err
