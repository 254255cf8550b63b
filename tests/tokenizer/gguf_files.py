"""Small GGUF files of every kind of vocabulary that llama.cpp knows."""

import json
import math
import struct

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

# The types of values and tokens, as gguf.h and llama.h number them.
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

# Every name under tokenizer.ggml.pre that llama.cpp 0.3.36 knows, by how it splits.
PRE = [
    ["default"],
    ["minicpm5"],
    ["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"],
    ["deepseek-llm"],
    ["deepseek-coder"],
    ["deepseek-v3", "hunyuan-dense", "hy_v4", "joyai-llm"],
    ["spark2_5"],
    ["youtu"],
    ["falcon"],
    ["mpt", "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum",
     "modern-bert", "jina-v1-en", "jina-v2-code", "roberta-bpe", "olmo", "jais", "exaone4", "trillion", "granite-docling"],
    ["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"],
    ["jais-2"],
    ["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2", "megrez", "hunyuan", "grok-2", "solar-open"],
    ["qwen35"],
    ["dbrx", "smaug-bpe"],
    ["chatglm-bpe"],
    ["poro-chat", "bloom", "gpt3-finnish"],
    ["glm4", "glm5"],
    ["viking"],
    ["tekken"],
    ["exaone-moe"],
    ["chameleon"],
    ["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
    ["granite-embed-multi-97m"],
    ["bailingmoe", "bailingmoe2", "llada-moe"],
    ["seed-coder"],
    ["ufakzeka"],
    ["laguna"],
    ["afmoe"],
    ["tiny_aya", "cohere2moe"],
    ["superbpe"],
    ["kimi-k2"],
    ["gemma4", "granite-embed-multi-311m"],
    ["sarvam-moe"],
    ["whitespace"],
]
# Those whose vocabularies spell characters, not bytes.
CHARACTERS = {"gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"}

SPECIALS = [("<|start_x|>", CONTROL), ("<|im_end|>", CONTROL), ("<think>", USER_DEFINED), ("<mask>", CONTROL), ("[MASK]", CONTROL)]


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(value)) + value


def typed(value):
    """A value with its type, as a file has it."""
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", U32, value)
    if isinstance(value, str):
        return struct.pack("<I", STRING) + text(value)
    if isinstance(value, bytes):
        return struct.pack("<IIQ", ARRAY, 0, len(value)) + value
    if isinstance(value[0], (str, bytes)):
        return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(text, value))
    kind = F32 if isinstance(value[0], float) else I32
    return struct.pack(f"<IIQ{len(value)}{'f' if kind == F32 else 'i'}", ARRAY, kind, len(value), *value)


def gguf(values):
    """A GGUF file without tensors."""
    body = b"".join(text(key) + typed(value) for key, value in values.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + body


def train(texts, *, byte_level, size):
    """Tokens and merges that cross every border between words, so that each difference in splitting changes ids."""
    tokenizer = Tokenizer(models.BPE())
    if byte_level:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        # llama.cpp reads tokens as C strings: none may hold a NUL.
        texts = [part for text in texts for part in text.replace(" ", "▁").replace("\0", "").split("\n")]
        alphabet = []
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, limit_alphabet=400)
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return {"tokens": tokens, "merges": [" ".join(pair) for pair in model["merges"]]}


def without(vocabulary, letters):
    """The same, but for all that has one of these letters."""
    return {
        "tokens": [token for token in vocabulary["tokens"] if not set(token) & set(letters)],
        "merges": [merge for merge in vocabulary["merges"] if not set(merge) & set(letters)],
    }


def bpe_values(vocabulary, pre, *, model="gpt2", characters=False, name="test"):
    tokens = list(vocabulary["tokens"])
    types = [NORMAL] * len(tokens)
    if characters:
        for extra in [f"<0x{byte:02X}>" for byte in range(256)]:
            tokens.append(extra), types.append(BYTE)
        for count in (1, 2, 3, 5):
            tokens.append("\n" * count), types.append(NORMAL)
    for token, kind in SPECIALS:
        tokens.append(token), types.append(kind)
    values = {
        "general.architecture": "llama",
        "general.name": name,
        "tokenizer.ggml.model": model,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": vocabulary["merges"],
        "tokenizer.ggml.bos_token_id": tokens.index("<|start_x|>"),
        "tokenizer.ggml.eos_token_id": tokens.index("<|im_end|>"),
    }
    if pre is not None:
        values["tokenizer.ggml.pre"] = pre
    return values


def scored(vocabulary, first=()):
    """Pieces with scores, the special ones in front."""
    pieces = [*first] + [(f"<0x{byte:02X}>", BYTE, 0.0) for byte in range(256)]
    known = {piece for piece, _, _ in pieces}
    pieces += [(token, NORMAL, -float(rank)) for rank, token in enumerate(vocabulary["tokens"]) if token not in known]
    return pieces


def scored_values(model, pieces, **others):
    return {
        "general.architecture": "llama",
        "general.name": "test",
        "tokenizer.ggml.model": model,
        "tokenizer.ggml.tokens": [piece for piece, _, _ in pieces],
        "tokenizer.ggml.token_type": [kind for _, kind, _ in pieces],
        "tokenizer.ggml.scores": [score for _, _, score in pieces],
    } | others


def spm_values(vocabulary, **others):
    first = [("<unk>", UNKNOWN, 0.0), ("<s>", CONTROL, 0.0), ("</s>", CONTROL, 0.0), ("<think>", USER_DEFINED, 0.0)]
    return scored_values("llama", scored(vocabulary, first), **others)


def ugm_values(vocabulary, **others):
    first = [("<pad>", CONTROL, 0.0), ("</s>", CONTROL, 0.0), ("<unk>", UNKNOWN, 0.0), ("<extra_id_0>", USER_DEFINED, 0.0)]
    pieces = [*first, ("▁", NORMAL, -2.5)]
    known = {piece for piece, _, _ in pieces}
    for rank, token in enumerate(vocabulary["tokens"]):
        if token not in known:
            # Not all different: of two ways with one score, the one that is found first counts.
            pieces.append((token, UNUSED if rank % 97 == 0 else NORMAL, -math.log(2 + rank // 3) - 1.25))
    return scored_values("t5", pieces, **others)


def wpm_values(vocabulary, **others):
    special = [("[PAD]", CONTROL), ("[UNK]", UNKNOWN), ("[CLS]", CONTROL), ("[SEP]", CONTROL), ("[MASK]", CONTROL)]
    pieces = [piece for piece, _ in special]
    types = [kind for _, kind in special]
    seen = set(pieces)
    for token in vocabulary["tokens"]:
        for word in token.lower().replace("▁", " ").split():
            for piece in ("▁" + word, word):
                if piece not in seen:
                    seen.add(piece), pieces.append(piece), types.append(NORMAL)
    return {
        "general.architecture": "bert",
        "general.name": "test",
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
    } | others


def rwkv_values(vocabulary, **others):
    def escaped(raw):
        return "".join(chr(byte) if 0x20 < byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in raw)

    raws = [bytes([byte]) for byte in range(256)]
    seen = set(raws)
    for token in vocabulary["tokens"]:
        raw = token.replace("▁", " ").encode()
        if raw not in seen:
            seen.add(raw), raws.append(raw)
    tokens = ["<s>", *map(escaped, raws), "a\\n", "\\t\\r\\\\"]
    return {
        "general.architecture": "llama",
        "general.name": "test",
        "tokenizer.ggml.model": "rwkv",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [CONTROL] + [NORMAL] * (len(tokens) - 1),
    } | others


def all_files(vocabularies, charsmap):
    """name -> the values of a file; `vocabularies` are train()'s: "bytes" and "characters"."""
    byte_level, characters = vocabularies["bytes"], vocabularies["characters"]
    files = {}
    for names in PRE:
        for name in names:
            spelled = characters if name in CHARACTERS else byte_level
            # With any other model, llama.cpp ends the program at the first blank.
            model = "whitespace" if name == "whitespace" else "gpt2"
            files[f"bpe {name}"] = bpe_values(spelled, name, model=model, characters=name in CHARACTERS)
    files["bpe without a name"] = bpe_values(byte_level, None)
    files["bpe gemma4 by its model"] = bpe_values(characters, None, model="gemma4", characters=True)
    files["bpe whitespace, lower case"] = bpe_values(characters, "whitespace", model="whitespace", characters=True) | {
        "tokenizer.ggml.normalizer.lowercase": True
    }
    files["bpe phi-3 by its name"] = bpe_values(byte_level, "gpt-2", name="Some Phi-3 mini") | {
        "tokenizer.ggml.tokens": [*bpe_values(byte_level, "gpt-2")["tokenizer.ggml.tokens"], "</s>", "<unk>", "<s>", "<|endoftext|>"],
        "tokenizer.ggml.token_type": [*bpe_values(byte_level, "gpt-2")["tokenizer.ggml.token_type"], NORMAL, UNKNOWN, CONTROL, NORMAL],
    }
    files["bpe modern-bert by its name"] = bpe_values(byte_level, "modern-bert", name="modern-bert")
    # Its tokens are letters of the byte-level alphabet, whose bytes no text has.
    lettered = bpe_values(without(byte_level, "\xfc\xff"), "deepseek-llm")
    files["bpe with letters of its own"] = lettered | {
        "tokenizer.ggml.tokens": [*lettered["tokenizer.ggml.tokens"], "\xfc", "\xff", "\xfcber", "[PAD7]", "undefined"],
        "tokenizer.ggml.token_type": [*lettered["tokenizer.ggml.token_type"], *[USER_DEFINED] * 3, UNUSED, 0],
    }
    files["bpe without some bytes"] = bpe_values(without(byte_level, "\u010b\xe4\xf0"), "falcon")
    files["bpe with eos"] = bpe_values(byte_level, "llama3") | {"tokenizer.ggml.add_eos_token": True}
    files["spm"] = spm_values(characters)
    files["spm without a prefix"] = spm_values(characters) | {
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": True,
    }
    files["wpm"] = wpm_values(characters)
    files["wpm with accents"] = wpm_values(characters) | {"tokenizer.ggml.normalizer.strip_accents": False}
    files["wpm with case"] = wpm_values(characters) | {"tokenizer.ggml.normalizer.lowercase": False}
    files["ugm"] = ugm_values(characters) | {
        "tokenizer.ggml.precompiled_charsmap": charsmap,
        "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.ggml.remove_extra_whitespaces": True,
    }
    files["ugm that keeps blanks"] = ugm_values(characters) | {"tokenizer.ggml.add_space_prefix": True}
    files["ugm plain"] = ugm_values(characters) | {"tokenizer.ggml.precompiled_charsmap": charsmap}
    files["rwkv"] = rwkv_values(characters)
    return files


def one_of_each(files):
    """The first file of each way to split, and all that aren't a matter of splitting."""
    others = {f"bpe {name}" for names in PRE for name in names[1:]}
    return {name: values for name, values in files.items() if name not in others}
