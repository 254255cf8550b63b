"""Checkpoint folders, hub ids and loaded models: what comes out, and what is said of those that can't be loaded."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from small_models import CORPUS, TEMPLATE, TEXTS, logits, tiny_model
from tokenizers import Tokenizer

from weft import Error
from weft.export.sources import find_source, load_source


@pytest.fixture
def load(progress):
    return lambda source, dtype=torch.float32: load_source(source, dtype=dtype, progress=progress)


def write(path: Path, value) -> Path:
    path.write_text(json.dumps(value))
    return path


def change(path: Path, **fields) -> None:
    """Sets fields of a JSON file; None removes one."""
    document = json.loads(path.read_text()) | fields
    write(path, {key: value for key, value in document.items() if value is not None})


def error_of(load, source) -> Error:
    with pytest.raises(Error) as raised:
        load(source)
    assert raised.value.fix
    return raised.value


# --- Checkpoint folders.


@pytest.mark.parametrize(
    ("model_type", "settings"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("qwen2", {"head_dim": 16}),
        ("gemma", {"tie_word_embeddings": True}),
    ],
)
def test_gives_the_logits_of_the_saved_model(make_checkpoint, load, model_type, settings):
    source = load(make_checkpoint(model_type, **settings))
    model = tiny_model(model_type, **settings)
    assert type(source.model) is type(model)
    assert not source.model.training
    assert not any(parameter.requires_grad for parameter in source.model.parameters())
    assert torch.equal(logits(source.model), logits(model))
    assert source.parameters == model.num_parameters()
    assert source.config is source.model.config
    assert (source.name, source.source) == (f"tiny-{model_type}", "Transformers checkpoint")
    assert not source.stored


def test_reads_weights_in_many_files(make_checkpoint, load):
    folder = make_checkpoint(max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    assert torch.equal(logits(load(str(folder)).model), logits(tiny_model()))


def test_gives_weights_the_wanted_dtype_and_leaves_frequencies_in_float32(make_checkpoint, load):
    model = load(make_checkpoint(), torch.bfloat16).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32


def test_takes_tokenizer_and_template_from_the_folder(make_checkpoint, load):
    folder = make_checkpoint()
    assets = load(folder).assets
    assert set(assets) == {"tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"}
    assert assets["tokenizer.json"] == (folder / "tokenizer.json").read_bytes()
    assert assets["chat_template.jinja"].decode() == TEMPLATE
    config = json.loads(assets["tokenizer_config.json"])
    assert config == {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "add_bos_token": False}


@pytest.mark.parametrize(
    "value",
    [
        "the one",
        {"default": "the one", "tool_use": "another"},
        [{"name": "tool_use", "template": "another"}, {"name": "default", "template": "the one"}],
    ],
)
@pytest.mark.parametrize("name", ["tokenizer_config.json", "chat_template.json"])
def test_finds_the_default_template_in_all_its_places(make_checkpoint, load, name, value):
    folder = make_checkpoint()
    write(folder / name, {"chat_template": value})
    assert load(folder).assets["chat_template.jinja"] == b"the one"


def test_prefers_the_templates_own_file(make_checkpoint, load):
    folder = make_checkpoint()
    write(folder / "chat_template.json", {"chat_template": "older"})
    (folder / "chat_template.jinja").write_text("newest ☃")
    assert load(folder).assets["chat_template.jinja"].decode() == "newest ☃"


@pytest.mark.parametrize("value", [None, [{"name": "tool_use", "template": "another"}], {}])
def test_has_no_template_where_there_is_no_default_one(make_checkpoint, load, value):
    folder = make_checkpoint()
    change(folder / "tokenizer_config.json", chat_template=value)
    assert "chat_template.jinja" not in load(folder).assets


def test_keeps_generation_defaults_and_completes_them_from_the_config(make_checkpoint, load):
    folder = make_checkpoint()
    write(folder / "generation_config.json", {"do_sample": True, "temperature": 0.7, "eos_token_id": [2, 0]})
    generation = json.loads(load(folder).assets["generation_config.json"])
    assert generation == {"do_sample": True, "temperature": 0.7, "eos_token_id": [2, 0], "bos_token_id": 1}
    (folder / "generation_config.json").unlink()
    assert json.loads(load(folder).assets["generation_config.json"]) == {"bos_token_id": 1, "eos_token_id": 2}


def test_finds_special_tokens_that_older_checkpoints_keep_apart(make_checkpoint, load):
    folder = make_checkpoint()
    (folder / "tokenizer_config.json").unlink()
    write(folder / "special_tokens_map.json", {"eos_token": {"content": "<|im_end|>"}, "bos_token": "<|im_start|>"})
    config = json.loads(load(folder).assets["tokenizer_config.json"])
    assert config == {"eos_token": {"content": "<|im_end|>"}, "bos_token": "<|im_start|>", "add_bos_token": False}


def test_asks_the_post_processor_whether_text_begins_with_bos(make_checkpoint, load):
    folder = make_checkpoint()
    processor = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}},
    }
    change(folder / "tokenizer.json", post_processor=processor)
    assert json.loads(load(folder).assets["tokenizer_config.json"])["add_bos_token"] is True
    change(folder / "tokenizer_config.json", add_bos_token=False)
    assert json.loads(load(folder).assets["tokenizer_config.json"])["add_bos_token"] is False


def test_converts_a_sentencepiece_tokenizer(make_checkpoint, load):
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = make_checkpoint()
    (folder / "tokenizer.json").unlink()
    write(folder / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "legacy": False})
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=380,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    made = Tokenizer.from_str(load(folder).assets["tokenizer.json"].decode())
    for text in TEXTS[:4]:
        assert made.encode(text, add_special_tokens=False).ids == spm.encode(text), text


def test_converts_vocabulary_and_merges_in_files_of_their_own(make_checkpoint, tokenizer, load):
    folder = make_checkpoint()
    (folder / "tokenizer.json").unlink()
    tokenizer.model.save(str(folder))
    change(folder / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    made = Tokenizer.from_str(load(folder).assets["tokenizer.json"].decode())
    for text in TEXTS:
        assert made.encode(text, add_special_tokens=False).ids == tokenizer.encode(text).ids, text


class TestNamesWhatIsWrongWithTheFolder:
    def test_a_path_that_is_not_there(self, load, tmp_path):
        for path in (tmp_path / "none", str(tmp_path / "none.gguf"), "none.gguf"):
            error = error_of(load, path)
            assert (error.code, error.message) == ("not_found", "is not there")

    def test_a_path_that_the_system_refuses(self, load):
        assert "can't be read: File name too long" in str(error_of(load, "a" * 5000))

    def test_no_config(self, load, tmp_path):
        assert str(error_of(load, tmp_path)).startswith(f"{tmp_path}: holds no config.json, so it is no checkpoint")

    def test_a_folder_of_ggufs(self, load, tmp_path):
        (tmp_path / "b.gguf").touch()
        (tmp_path / "a.gguf").touch()
        assert error_of(load, tmp_path).fix == f"give one of them: {tmp_path / 'a.gguf'}"

    def test_metas_own_format_unasked(self, load, tmp_path):
        write(tmp_path / "params.json", {})
        error = error_of(load, tmp_path)
        assert error.message.startswith("Meta's checkpoints are pickles")
        assert "--allow-pickle" in error.fix

    @pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "config.json"])
    def test_one_file_of_a_checkpoint(self, load, tmp_path, name):
        (tmp_path / name).touch()
        error = error_of(load, tmp_path / name)
        assert (error.message, error.fix) == ("is one file of a checkpoint", f"give the folder: {tmp_path}")

    @pytest.mark.parametrize("name", ["model.pte", "model.pt2"])
    def test_a_file_that_was_exported_already(self, load, tmp_path, name):
        (tmp_path / name).touch()
        assert error_of(load, tmp_path / name).message == "has been exported already"

    def test_any_other_file(self, load, tmp_path):
        (tmp_path / "notes.txt").write_text("hello")
        assert "is no GGUF file: it begins with b'hell'" in str(error_of(load, tmp_path / "notes.txt"))

    @pytest.mark.parametrize(
        "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]
    )
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"{", "is no JSON: Expecting property name"),
            (b"\xff", "is no JSON: "),
            (b"[" * 100_000, "is no JSON: "),
            (b"[]", "holds a list where an object was expected"),
        ],
    )
    def test_broken_json(self, make_checkpoint, load, name, content, words):
        folder = make_checkpoint()
        (folder / name).write_bytes(content)
        error = error_of(load, folder)
        assert (error.code, error.where) == ("corrupt", str(folder / name))
        assert error.message.startswith(words)

    def test_pickled_weights(self, make_checkpoint, load):
        folder = make_checkpoint()
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        error = error_of(load, folder)
        assert (error.code, error.where) == ("unsupported", str(folder / "pytorch_model.bin"))
        assert error.message.startswith("its weights are pickles, which may run code when they are read")
        assert "--allow-pickle" in error.fix

    def test_no_weights(self, make_checkpoint, load):
        folder = make_checkpoint()
        (folder / "model.safetensors").unlink()
        assert error_of(load, folder).message == "holds no weights (model.safetensors)"

    @pytest.mark.parametrize("length", [0, 5, 100, -1])
    def test_weights_that_are_cut_short(self, make_checkpoint, load, length):
        folder = make_checkpoint()
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:length])
        error = error_of(load, folder)
        assert (error.code, error.where) == ("corrupt", str(path))
        assert error.message.startswith("is cut short or damaged: ")

    def test_a_missing_shard(self, make_checkpoint, load):
        folder = make_checkpoint(max_shard_size="60KB")
        shard = sorted(folder.glob("model-*.safetensors"))[1]
        shard.unlink()
        error = error_of(load, folder)
        assert (error.code, error.where, error.message) == ("not_found", str(shard), "is missing")

    def test_a_shard_without_its_tensors(self, make_checkpoint, load):
        folder = make_checkpoint(max_shard_size="60KB")
        first, second = sorted(folder.glob("model-*.safetensors"))[:2]
        shutil.copy(first, second)
        error = error_of(load, folder)
        assert (error.code, error.where) == ("corrupt", str(second))
        assert "of the tensors that the index places there: " in error.message

    @pytest.mark.parametrize(
        ("placed", "words"),
        [
            ({"a": "../elsewhere.safetensors"}, "names a file outside of its folder: ../elsewhere.safetensors"),
            ({"a": 1}, "weight_map is not a list of names and files"),
            ("a", "weight_map is not a list of names and files"),
        ],
    )
    def test_a_wrong_index(self, make_checkpoint, load, placed, words):
        folder = make_checkpoint()
        write(folder / "model.safetensors.index.json", {"weight_map": placed})
        error = error_of(load, folder)
        assert (error.code, error.message) == ("corrupt", words)

    def test_weights_that_are_missing(self, make_checkpoint, load):
        folder = make_checkpoint()
        weights = load_file(folder / "model.safetensors")
        del weights["model.layers.1.mlp.up_proj.weight"]
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        error = error_of(load, folder)
        assert (error.code, error.message) == ("corrupt", "1 weights are missing: model.layers.1.mlp.up_proj.weight")

    def test_weights_of_another_shape(self, make_checkpoint, load):
        folder = make_checkpoint()
        change(folder / "config.json", intermediate_size=80)
        error = error_of(load, folder)
        assert error.code == "corrupt"
        assert error.message.startswith(
            "6 weights have another shape than config.json says: model.layers.0.mlp.down_proj"
        )

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"quantization_config": {"quant_method": "awq"}}, "the checkpoint is quantised (awq)"),
            ({"quantization_config": 4}, "the checkpoint is quantised (unknown)"),
            ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM is no causal language model"),
            ({"model_type": "novel"}, "`novel` but Transformers does not recognize this architecture"),
            ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}, "Unrecognized configuration class"),
            ({"model_type": None}, "Unrecognized model"),
            ({"hidden_size": "wide"}, "hidden_size"),
        ],
    )
    def test_a_config_that_it_cannot_follow(self, make_checkpoint, load, fields, words):
        folder = make_checkpoint()
        change(folder / "config.json", **fields)
        error = error_of(load, folder)
        assert (error.code, error.where) == ("unsupported", str(folder / "config.json"))
        assert words in error.message

    def test_no_tokenizer(self, make_checkpoint, load):
        folder = make_checkpoint()
        (folder / "tokenizer.json").unlink()
        error = error_of(load, folder)
        assert (error.code, error.where) == ("not_found", str(folder / "tokenizer.json"))
        assert error.fix == "put the model's tokenizer.json into the folder"

    def test_a_tokenizer_that_cannot_be_converted(self, make_checkpoint, load):
        folder = make_checkpoint()
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer.model").write_bytes(b"\x00\x01 not a tokenizer")
        error = error_of(load, folder)
        assert (error.code, error.where) == ("unsupported", str(folder / "tokenizer.model"))
        assert error.message.startswith("can't be turned into a tokenizer.json: ")

    @pytest.mark.parametrize(
        ("document", "words"), [({}, "has no model"), ({"model": {"type": "?"}}, "makes no tokenizer: ")]
    )
    def test_a_tokenizer_that_is_none(self, make_checkpoint, load, document, words):
        folder = make_checkpoint()
        write(folder / "tokenizer.json", document)
        error = error_of(load, folder)
        assert (error.code, error.where) == ("corrupt", str(folder / "tokenizer.json"))
        assert error.message.startswith(words)

    def test_a_template_that_is_no_text(self, make_checkpoint, load):
        folder = make_checkpoint()
        change(folder / "tokenizer_config.json", chat_template=7)
        assert error_of(load, folder).message == "chat_template is neither a text nor a list of named ones"
        (folder / "chat_template.jinja").write_bytes(b"hello \xff")
        assert error_of(load, folder).message == "is not UTF-8 at byte 6"


def test_tells_of_weights_that_the_model_has_no_use_for(make_checkpoint, capsys):
    import sys

    from weft.export.progress import Progress

    folder = make_checkpoint()
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"adapter.weight": torch.ones(2)}, folder / "model.safetensors", metadata={"format": "pt"})
    load_source(folder, dtype=torch.float32, progress=Progress(sys.stderr))
    assert "1 weights of the checkpoint are not part of LlamaForCausalLM: adapter.weight" in capsys.readouterr().err


# --- The hub.


@pytest.fixture
def hub(monkeypatch):
    """hub(outcome): what the Hugging Face hub answers, a folder or an exception."""
    import huggingface_hub

    def set_outcome(outcome):
        def snapshot_download(hub_id, **_):
            if isinstance(outcome, Exception):
                raise outcome
            return str(outcome)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)

    return set_outcome


@pytest.mark.parametrize("hub_id", ["maker/tiny-llama", "tiny-llama"])
def test_loads_a_model_of_the_hub(hub, make_checkpoint, load, hub_id):
    hub(make_checkpoint())
    source = load(hub_id)
    assert torch.equal(logits(source.model), logits(tiny_model()))
    assert (source.name, source.source) == ("tiny-llama", f"huggingface.co/{hub_id}")


def test_says_that_the_hub_cannot_be_reached(hub, load):
    from huggingface_hub.errors import LocalEntryNotFoundError

    failure = LocalEntryNotFoundError("An error happened while trying to locate the files on the Hub")
    failure.__cause__ = ConnectionError("[Errno -2] Name or service not known\nand more")
    hub(failure)
    error = error_of(load, "maker/model")
    assert (error.code, error.where) == ("not_found", "maker/model")
    assert error.message.endswith("the Hugging Face hub doesn't give it: [Errno -2] Name or service not known")
    assert error.fix.endswith("or fetch the checkpoint elsewhere and give its folder")


def test_says_that_a_model_of_the_hub_is_no_checkpoint(hub, tmp_path, load):
    hub(tmp_path)
    error = error_of(load, "maker/model-gguf")
    assert (error.code, error.message) == ("unsupported", "is on the Hugging Face hub, but has no config.json")


def test_takes_for_a_hub_id_only_what_can_be_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert find_source("maker/model-1.5") is None
    assert find_source("gpt2") is None
    for path in ("./model", "a/b/c", "../model", "model.gguf", "maker/model.pte", "a b", Path("maker/model")):
        with pytest.raises(Error, match="is not there"):
            find_source(path)


# --- Loaded models.


@pytest.fixture
def fast_tokenizer(tokenizer):
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    made.chat_template = TEMPLATE
    return made


def test_takes_a_loaded_model_with_its_tokenizer(fast_tokenizer, tokenizer, load):
    model = tiny_model().train()
    source = load((model, fast_tokenizer))
    assert source.model is model
    assert not model.training
    assert (source.name, source.source) == ("LlamaForCausalLM", "a loaded Transformers model")
    made = Tokenizer.from_str(source.assets["tokenizer.json"].decode())
    assert [made.encode(text).ids for text in TEXTS] == [tokenizer.encode(text).ids for text in TEXTS]
    assert source.assets["chat_template.jinja"].decode() == TEMPLATE
    assert json.loads(source.assets["generation_config.json"])["eos_token_id"] == 2


def test_finds_the_tokenizer_where_the_model_came_from(make_checkpoint, load):
    folder = make_checkpoint()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    source = load(model)
    assert source.name == "tiny-llama"
    assert source.assets["chat_template.jinja"].decode() == TEMPLATE


def test_leaves_a_model_of_another_dtype_as_it_is(fast_tokenizer, load):
    model = tiny_model()
    source = load((model, fast_tokenizer), torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in source.model.parameters()} == {torch.bfloat16}
    assert source.model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert source.config.dtype == torch.bfloat16
    assert not torch.equal(logits(source.model).float(), logits(model))


class TestNamesWhatIsWrongWithAModel:
    def test_no_tokenizer(self, load):
        error = error_of(load, tiny_model())
        assert error.message == "the model's tokenizer was not found: it doesn't say where it came from"
        assert error.fix == "give (model, tokenizer)"

    @pytest.mark.parametrize("thing", [b"a.b", 7, None, (1, 2, 3)])
    def test_no_model(self, load, thing):
        error = error_of(load, thing)
        assert (error.code, error.message) == ("invalid_argument", f"is a {type(thing).__name__}")

    def test_no_head(self, load, fast_tokenizer):
        error = error_of(load, (tiny_model().model, fast_tokenizer))
        assert (error.code, error.message) == ("unsupported", "LlamaModel has no language model head")

    def test_another_device(self, load, fast_tokenizer):
        error = error_of(load, (tiny_model().to("meta"), fast_tokenizer))
        assert (error.message, error.fix) == ("the model is on meta", "move it first: model.to('cpu')")
