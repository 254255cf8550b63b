"""What runs models: weft's C++ library. Use it through the package weft."""

from collections.abc import Callable, Iterable, Sequence
import enum
import os
import pathlib
from typing import Annotated, Any, overload

import numpy
import numpy.typing
from numpy.typing import NDArray


class Specials(enum.Enum):
    """What "<|im_end|>" inside a text means."""

    AS_TEXT = 0
    """
    Ten characters like any others. For everything that a user or a tool wrote.
    """

    AS_TOKENS = 1
    """The control token. For what the model's own chat template wrote."""

class TextPart:
    """A stretch of one text by one author. A prompt is a list of these."""

    def __init__(self, text: str, *, specials: Specials) -> None: ...

    @property
    def text(self) -> str: ...

    @text.setter
    def text(self, arg: str, /) -> None: ...

    @property
    def specials(self) -> Specials: ...

    @specials.setter
    def specials(self, arg: Specials, /) -> None: ...

    def __eq__(self, arg: TextPart, /) -> bool: ...

    def __repr__(self) -> str: ...

class Tokenizer:
    """
    Text to token ids and back. Never changes: any number of threads may share one.
    """

    @staticmethod
    def load(path: str | os.PathLike) -> Tokenizer:
        """Reads a tokenizer file; the format is told from its content."""

    @staticmethod
    def parse(bytes: bytes, *, name: str = 'tokenizer') -> Tokenizer:
        """The same from bytes; `name` stands in errors."""

    def save(self, path: str | os.PathLike) -> None:
        """
        Writes a file that load() maps within milliseconds, whatever file this one was loaded from.
        """

    @overload
    def encode(self, text: str, *, specials: Specials = Specials.AS_TEXT) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]:
        """Encodes one text by one author to i32 [tokens]; adds no BOS or EOS."""

    @overload
    def encode(self, prompt: Sequence[TextPart]) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]:
        """
        Encodes the parts as one text: what a chat template wrote alternates with what a user wrote.
        """

    def decode(self, tokens: Sequence[int] | numpy.typing.NDArray[numpy.integer], *, specials: Specials = Specials.AS_TEXT) -> str:
        """
        The text of the tokens. Control tokens are left out with AS_TEXT, and spelled out with AS_TOKENS.
        """

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""

    def piece(self, token: int) -> str:
        """The piece of one id as the vocabulary spells it; "" for a hole."""

    def find(self, piece: str) -> int | None:
        """The id of a piece as the vocabulary spells it, or None."""

    def is_special(self, token: int) -> bool:
        """
        Whether `token` is a control token: no text of its own, never made from a user's text.
        """

class StreamDecoder:
    """Turns tokens into text one at a time; never gives half a character."""

    def __init__(self, tokenizer: Tokenizer, *, specials: Specials = Specials.AS_TEXT) -> None: ...

    def push(self, token: int) -> str:
        """
        The text that `token` completes; often "" in the middle of a character.
        """

    def finish(self) -> str:
        """What is still held back. The decoder is then as new."""

class Side(enum.Enum):
    LEFT = 0

    RIGHT = 1

class TruncationStrategy(enum.Enum):
    LONGEST_FIRST = 0
    """The longer one of a pair."""

    ONLY_FIRST = 1

    ONLY_SECOND = 2

class Truncation:
    """How long sequences are cut to a length."""

    def __init__(self, max_tokens: int, *, stride: int = 0, strategy: TruncationStrategy = TruncationStrategy.LONGEST_FIRST, side: Side = Side.RIGHT) -> None: ...

class Padding:
    """How short sequences are filled up to a length; 0: that of the longest."""

    def __init__(self, length: int = 0, *, multiple_of: int = 0, side: Side = Side.RIGHT, id: int = 0, type_id: int = 0) -> None: ...

class Encoding:
    """The tokens of a text or a pair; arrays have one element for each."""

    def __len__(self) -> int: ...

    @property
    def ids(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,), writable=False)]:
        """i32 [tokens]"""

    @property
    def offsets(self) -> Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), writable=False)]:
        """
        u64 [tokens, 2]: where each token is in the UTF-8 of its text; (0, 0) for what was added.
        """

    @property
    def words(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,), writable=False)]:
        """i32 [tokens]: numbers of words; -1 for what was added."""

    @property
    def type_ids(self) -> Annotated[NDArray[numpy.uint32], dict(shape=(None,), writable=False)]:
        """u32 [tokens]"""

    @property
    def specials_mask(self) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), writable=False)]:
        """u8 [tokens]: 1 for what the post-processor or padding added."""

    @property
    def attention_mask(self) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), writable=False)]:
        """u8 [tokens]: 0 for padding."""

    @property
    def overflowing(self) -> list[Encoding]:
        """What truncation cut off, as further sequences."""

def encode_batch(tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None = None, *, specials: Specials = Specials.AS_TEXT, add_special_tokens: bool = True, truncation: Truncation | None = None, padding: Padding | None = None, as_file_says: bool = False, fields: Sequence[str] | None = None, threads: int = 0) -> list[Encoding]:
    """
    Encodes many texts or pairs at once as a model's inputs, on `threads` threads (0: one for each core). `fields`: which of the encodings' arrays are wanted, ["ids"] being several times as fast as all of them; the others are empty.
    """

class SamplingOptions:
    """
    How to draw a token. Names and ranges are OpenAI's; the order is Transformers': penalties, bias,
    temperature, top-k, top-p, min-p, draw.
    """

    def __init__(self, *, temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0, repetition_penalty: float = 1.0, frequency_penalty: float = 0.0, presence_penalty: float = 0.0, penalty_window: int = 0, logit_bias: Sequence[tuple[int, float]] = [], seed: int | None = None) -> None: ...

    @property
    def temperature(self) -> float:
        """>= 0; 0 is greedy: the largest logit, lowest id on a tie."""

    @temperature.setter
    def temperature(self, arg: float, /) -> None: ...

    @property
    def top_k(self) -> int:
        """Keep the k most likely; 0 keeps all."""

    @top_k.setter
    def top_k(self, arg: int, /) -> None: ...

    @property
    def top_p(self) -> float:
        """(0, 1]: keep the smallest set with this much probability."""

    @top_p.setter
    def top_p(self, arg: float, /) -> None: ...

    @property
    def min_p(self) -> float:
        """[0, 1): drop what is below this share of the likeliest."""

    @min_p.setter
    def min_p(self, arg: float, /) -> None: ...

    @property
    def repetition_penalty(self) -> float:
        """> 0; divides positive, multiplies negative logits of seen tokens."""

    @repetition_penalty.setter
    def repetition_penalty(self, arg: float, /) -> None: ...

    @property
    def frequency_penalty(self) -> float:
        """[-2, 2]; subtracted once for each time a token was seen."""

    @frequency_penalty.setter
    def frequency_penalty(self, arg: float, /) -> None: ...

    @property
    def presence_penalty(self) -> float:
        """[-2, 2]; subtracted once if a token was seen."""

    @presence_penalty.setter
    def presence_penalty(self, arg: float, /) -> None: ...

    @property
    def penalty_window(self) -> int:
        """How many of the latest tokens count as seen; 0: all."""

    @penalty_window.setter
    def penalty_window(self, arg: int, /) -> None: ...

    @property
    def logit_bias(self) -> list[tuple[int, float]]:
        """(token, bias): the logit is raised by bias; -inf bans the token."""

    @property
    def seed(self) -> int | None:
        """None: drawn from the system."""

    @seed.setter
    def seed(self, arg: int | None, /) -> None: ...

class Sampler:
    """
    Logits to one token id. Derive from it, with sample(), accept() and reset(), to draw otherwise.
    """

    def __init__(self) -> None: ...

    def sample(self, logits: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> int:
        """
        Draws one id. `logits` is f32 [vocab], left unchanged; -inf forbids a token.
        """

    def accept(self, token: int) -> None:
        """Tells what was put into the sequence, for the penalties."""

    def reset(self) -> None:
        """
        Forgets all accepted tokens and starts the random numbers again from the seed.
        """

def make_sampler(options: SamplingOptions = SamplingOptions()) -> Sampler:
    """
    The ready-made sampler. Raises weft.Error naming the option out of range.
    """

class ChatTemplate:
    """
    Messages to prompt text, by a model's own Jinja template, as Transformers' apply_chat_template does.
    """

    @staticmethod
    def parse(source: str, *, bos: str = '', eos: str = '', pad: str = '', unk: str = '') -> ChatTemplate:
        """Reads Jinja text; the others are the texts of the special tokens."""

    def render(self, messages: Iterable[dict[str, Any]], *, add_generation_prompt: bool = True, tools: list[dict[str, Any]] | None = None, documents: list[dict[str, Any]] | None = None, variables: dict[str, Any] | None = None) -> list[TextPart]:
        """
        The prompt's parts: AS_TOKENS where the template wrote them, AS_TEXT where a message did.
        """

    @property
    def source(self) -> str:
        """The Jinja text."""

class LogitRows(enum.Enum):
    """Whose logits a step wants."""

    LAST = 0
    """Only those that follow the step's last token: one row."""

    ALL = 1
    """Those that follow each token: as many rows as tokens."""

class ModelInfo:
    """What a model file says about itself."""

    @property
    def name(self) -> str: ...

    @property
    def architecture(self) -> str: ...

    @property
    def quantization(self) -> str: ...

    @property
    def dtype(self) -> str: ...

    @property
    def backend(self) -> str:
        """"executorch" or "aoti"."""

    @property
    def exporter(self) -> str: ...

    @property
    def max_context(self) -> int: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def parameters(self) -> int: ...

class GenerationDefaults:
    """What a model's makers advise, and what ends an answer."""

    @property
    def sampling(self) -> SamplingOptions:
        """temperature 0 unless the file asks to sample."""

    @property
    def stop_tokens(self) -> list[int]:
        """EOS and its like: any of them ends an answer."""

    @property
    def bos_token(self) -> int | None: ...

    @property
    def add_bos(self) -> bool:
        """Whether plain text begins with BOS."""

class Cache:
    """
    The state of one sequence: what the model has read so far. Made by Model.new_cache().
    """

    def __len__(self) -> int: ...

    @property
    def capacity(self) -> int:
        """The most tokens that it can hold."""

    def truncate(self, n_tokens: int) -> None:
        """
        Goes back to the first `n_tokens` tokens; what follows is as if never read.
        """

    def fork(self) -> Cache:
        """An independent copy."""

    def save(self) -> bytes:
        """The state, for Model.load_cache() of the same model file."""

class Model:
    """
    One loaded model file: its weights, tokenizer, chat template and defaults.
    """

    def __init__(self, path: str | os.PathLike, *, threads: int = 0, max_context: int = 0, cache_type: str | None = None) -> None: ...

    @property
    def path(self) -> pathlib.Path: ...

    @property
    def info(self) -> ModelInfo: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def chat_template(self) -> ChatTemplate | None:
        """None for a model that doesn't chat."""

    @property
    def defaults(self) -> GenerationDefaults: ...

    @property
    def vocab_size(self) -> int:
        """Columns of the logits."""

    @property
    def max_context(self) -> int:
        """The most tokens of one sequence."""

    def new_cache(self) -> Cache:
        """An empty cache."""

    def load_cache(self, bytes: bytes) -> Cache:
        """What Cache.save() gave."""

    def forward(self, cache: Cache, tokens: Sequence[int] | numpy.typing.NDArray[numpy.integer], *, rows: LogitRows = LogitRows.LAST) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None))]:
        """
        Advances one sequence by its tokens. f32 [1 or tokens, vocab_size], not normalised.
        """

    def forward_batch(self, steps: Sequence[tuple[Cache, Sequence[int] | numpy.typing.NDArray[numpy.integer]]], *, rows: LogitRows = LogitRows.LAST) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None))]:
        """
        Advances several sequences, each (cache, tokens), by their own tokens at once: the first one's rows come first.
        """

class FinishReason(enum.Enum):
    """Why an answer ended."""

    STOP = 0
    """A stop token or a stop text."""

    LENGTH = 1
    """max_tokens, or the context is full."""

    CANCELLED = 2
    """The caller asked for it."""

class Cancellation:
    """
    Ends a generation from another thread, or from its callback, after the token at work.
    """

    def __init__(self) -> None: ...

    def cancel(self) -> None: ...

    @property
    def cancelled(self) -> bool: ...

class GenerationStats:
    """Counts of tokens, and seconds."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the whole prompt."""

    @property
    def cached_tokens(self) -> int:
        """Of these, already in the cache: not computed again."""

    @property
    def generated_tokens(self) -> int: ...

    @property
    def prefill_s(self) -> float:
        """From the call until the prompt's logits."""

    @property
    def first_token_s(self) -> float:
        """From the call until the first token is sampled."""

    @property
    def decode_s(self) -> float:
        """From the first token to the last."""

    @property
    def prefill_tokens_per_s(self) -> float: ...

    @property
    def decode_tokens_per_s(self) -> float: ...

class GenerationResult:
    """An answer."""

    @property
    def text(self) -> str:
        """Without stop text and control tokens."""

    @property
    def tokens(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]:
        """All that were sampled, the stop token included: i32 [tokens]."""

    @property
    def prompt_tokens(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]:
        """i32 [tokens]."""

    @property
    def finish_reason(self) -> FinishReason: ...

    @property
    def stats(self) -> GenerationStats: ...

    def __str__(self) -> str: ...

class CompletionPipeline:
    """
    Text in, text that follows it out. Keeps its cache: the longest common beginning of two prompts is read once.
    """

    def __init__(self, model: Model, *, sampler: Sampler | None = None, tokenizer: Tokenizer | None = None) -> None: ...

    def generate(self, prompt: str | list[TextPart] | Sequence[int] | numpy.typing.NDArray[numpy.integer], *, max_tokens: int = 0, sampling: SamplingOptions = ..., stop: Sequence[str] = (), ignore_stop_tokens: bool = False, cancel: Cancellation | None = None, on_text: Callable[[str], object] | None = None) -> GenerationResult:
        """
        max_tokens: 0 is as many as the context still holds. sampling: greedy, unless told otherwise; model.defaults.sampling is what
        the model's makers advise. stop: the answer ends before the first of these texts. on_text: called with each new stretch of
        text; what it raises ends the generation and reaches the caller.
        """

    @property
    def cached_tokens(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]:
        """What the cache holds now: i32 [tokens]."""

    def reset(self) -> None:
        """Empties the cache."""

    def save(self) -> bytes:
        """The cache with its tokens, as bytes (docs/session-file.md)."""

    def load(self, bytes: bytes) -> None:
        """What save() gave. A failed load leaves the cache as it was."""

class ChatPipeline:
    """
    A conversation. Each turn is rendered through the model's template; only what the cache lacks is computed.
    """

    def __init__(self, model: Model, *, sampler: Sampler | None = None, tokenizer: Tokenizer | None = None, chat_template: ChatTemplate | None = None) -> None: ...

    def send(self, text: str, *, max_tokens: int = 0, sampling: SamplingOptions = ..., stop: Sequence[str] = (), ignore_stop_tokens: bool = False, cancel: Cancellation | None = None, on_text: Callable[[str], object] | None = None) -> GenerationResult:
        """
        max_tokens: 0 is as many as the context still holds. sampling: greedy, unless told otherwise; model.defaults.sampling is what
        the model's makers advise. stop: the answer ends before the first of these texts. on_text: called with each new stretch of
        text; what it raises ends the generation and reaches the caller.
        """

    def answer(self, messages: Iterable[dict[str, Any]], *, max_tokens: int = 0, sampling: SamplingOptions = ..., stop: Sequence[str] = (), ignore_stop_tokens: bool = False, cancel: Cancellation | None = None, on_text: Callable[[str], object] | None = None, tools: list[dict[str, Any]] | None = None, documents: list[dict[str, Any]] | None = None, variables: dict[str, Any] | None = None) -> GenerationResult:
        """
        Answers a whole conversation at once, leaving this pipeline's own as it is.
        """

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation. The cache is reused as far as it matches."""

    @messages.setter
    def messages(self, messages: Iterable[dict[str, Any]], /) -> None: ...

    def set_system(self, text: str) -> None:
        """
        Replaces the system message ("" removes it) and starts the conversation anew.
        """

    def reset(self) -> None:
        """Forgets all messages but the system message."""

    def save(self) -> bytes:
        """Messages and cache, as bytes (docs/session-file.md)."""

    def load(self, bytes: bytes) -> None:
        """What save() gave. A failed load leaves the conversation as it was."""
