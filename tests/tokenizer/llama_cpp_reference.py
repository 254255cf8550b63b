"""llama.cpp's own tokenizer, by llama-cpp-python."""

import ctypes

import llama_cpp


@llama_cpp.llama_log_callback
def _quiet(level, text, data):
    pass


llama_cpp.llama_log_set(_quiet, None)


class LlamaCpp:
    def __init__(self, path):
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise ValueError(f"llama.cpp can't load {path}")
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)

    def __del__(self):
        if getattr(self, "_model", None):
            llama_cpp.llama_model_free(self._model)

    def encode(self, text, *, add_special=False, parse_special=True):
        data = text.encode()
        room = len(data) * 4 + 16
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), ids, room, add_special, parse_special)
        assert count >= 0, (text, count)
        return list(ids[:count])

    def decode(self, ids, *, special=True):
        """The pieces of `ids`, joined."""
        out = b""
        for id in ids:
            room = 512
            buffer = (ctypes.c_char * room)()
            size = llama_cpp.llama_token_to_piece(self._vocab, id, buffer, room, 0, special)
            assert size >= 0
            out += buffer.raw[:size]
        return out
