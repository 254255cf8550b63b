"""The exported program: a Transformers causal language model behind weft's one method.

Two contracts (docs/model-file.md):

- *ragged* (`export_ragged`): `forward(tokens i64[T], positions i64[T], rows i64[R], context i64[1]) -> logits f32[R, V]`,
  tokens of one or many sequences end to end, caches outside of the graph;
- *in graph* (`export_in_graph`): `forward(tokens i64[1, T], positions i64[T]) -> logits f32[1, T, V]`, one sequence,
  caches as buffers of the program. It takes every model that takes a cache, and those that take none.

`ragged_problem` says whether a model can have the first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect

import torch
from torch.export import Dim, ExportedProgram
from transformers.cache_utils import Cache, CacheLayerMixin

from weft.errors import first_line
from weft.export import reference
from weft.export.attention import AttentionScope, Unsupported, attention_scope
from weft.export.graph_cache import GraphCache
from weft.export.own_state import own_state
from weft.export.reference import SequenceState, sequences
from weft.export.replacements import replaced_modules
from weft.export.user_module import UserModule


@dataclasses.dataclass(frozen=True)
class ProgramShape:
    """The bounds that an exported program is compiled for."""

    max_context: int  # most tokens in one sequence
    max_tokens: int = 256  # most tokens in one call (T)
    max_rows: int = 32  # most rows of logits in one call (R)
    vocab_size: int = 0


class _PassedOn(CacheLayerMixin):
    """Keeps nothing: the operator does."""

    def lazy_initialization(self, key_states, value_states): ...

    def update(self, key_states, value_states, *args, **kwargs):
        return key_states, value_states

    def get_mask_sizes(self, query_length):
        return query_length, 0

    def get_seq_length(self):
        return 0

    def get_max_length(self):
        return -1


class _NoCache(Cache):
    """What a model is handed in the ragged contract.

    "How much has been read?" it asks, to count on from there. The answer is another one for each token, so that what it counts
    are the tokens' own positions. `counts=False` answers 0, for code that takes no tensor: it must then be told positions.
    """

    def __init__(self, positions: torch.Tensor, counts: bool):
        super().__init__(layer_class_to_replicate=_PassedOn)
        self.read = positions - torch.arange(positions.shape[0], device=positions.device) if counts else 0

    def get_seq_length(self, layer_idx: int = 0):
        return self.read


def _takes(model) -> set[str]:
    return set(inspect.signature(model.forward).parameters)


def _cache_argument(model) -> str | None:
    return next((name for name in ("past_key_values", "cache_params") if name in _takes(model)), None)


@torch.no_grad()
def first_position(model) -> int | None:
    """What the model takes for the position of a sequence's first token: 0, or RoBERTa's padding_idx + 1.

    None if it isn't told positions, or gives other logits when it is.
    """
    if "position_ids" not in _takes(model):
        return None
    tokens = torch.arange(3, 12)[None]
    if model.device.type == "meta":  # it has no numbers to compare
        return 0
    untold = model(input_ids=tokens, use_cache=False).logits.float()
    pad = getattr(model.config.get_text_config(), "pad_token_id", None)
    for first in (0, *((pad + 1,) if pad is not None else ())):
        told = model(input_ids=tokens, position_ids=torch.arange(first, first + 9)[None], use_cache=False).logits.float()
        if torch.allclose(told, untold, rtol=1e-4, atol=1e-4 * float(untold.abs().max())):
            return first
    return None


@dataclasses.dataclass(frozen=True)
class Positions:
    """How a model learns its tokens' positions in the ragged contract."""

    first: int | None  # what it is told for a sequence's first token; None: it isn't told
    counted: bool  # whether its code takes a tensor for the number of tokens read


class RaggedModel(torch.nn.Module):
    """forward(tokens i64[T], positions i64[T], rows i64[R], context i64[1]) -> logits f32[R, V]."""

    def __init__(self, model: torch.nn.Module, positions: Positions, operator=torch.ops.weft.attention):
        super().__init__()
        self.model = model
        self.operator = operator
        self.positions = positions
        self.layers = 0  # caches that the last forward used
        self._rows: torch.Tensor | None = None
        # The head is applied to the wanted rows alone: every other row's logits would be thrown away.
        head = model.get_output_embeddings()
        self._hook = head.register_forward_pre_hook(self._select_rows) if head is not None else None

    def close(self) -> None:
        """Gives the model back as it was."""
        if self._hook is not None:
            self._hook.remove()

    def _select_rows(self, _, args):
        rows, self._rows = self._rows, None
        return (args[0].index_select(1, rows),)

    def forward(self, tokens, positions, rows, context):
        self._rows = rows
        scope = AttentionScope(positions=positions, context=context, operator=self.operator)
        with attention_scope(scope):
            first = self.positions.first
            told = {} if first is None else {"position_ids": (positions + first)[None]}
            # With a cache in its hands, a model also leaves out what it does for packed training data.
            cache = _NoCache(positions, self.positions.counted)
            logits = self.model(input_ids=tokens[None], past_key_values=cache, use_cache=True, **told).logits
        if self._rows is not None:  # the head is no module that was called
            logits = logits.index_select(1, rows)
        self._rows, self.layers = None, scope.layers
        return logits[0].float()


class _InGraph(torch.nn.Module):
    """What all programs of the in-graph contract can do."""

    model: torch.nn.Module

    def run_eager(self, tokens, positions):
        """forward(), outside of a tracer."""
        with _implementations(self.model, "eager"):
            return self(tokens, positions)


class InGraphModel(_InGraph):
    """forward(tokens i64[1, T], positions i64[T]) -> logits f32[1, T, V]; caches are buffers of this module."""

    def __init__(self, model: torch.nn.Module, max_context: int, first_position: int | None):
        super().__init__()
        self.model = model
        self.cache = GraphCache(model.config, max_context)
        self.cache_argument = _cache_argument(model)
        self.first_position = first_position
        with torch.no_grad():
            self.cache.positions = torch.arange(8)
            self._call(torch.arange(8)[None] % 2, self.cache.positions)
        self._names = []
        for name, buffer in self.cache.buffers().items():
            self.register_buffer(name, buffer, persistent=False)
            self._names.append(name)
        if not self._names:
            raise Unsupported("it takes a cache but keeps nothing there")
        # RecurrentGemma's state is in plain attributes of its modules, which a forward assigns anew.
        self._attributes = {}
        for path, module in model.named_modules():
            for key, value in module.__dict__.items():
                if isinstance(value, torch.Tensor) and value.shape[:1] == (1,):
                    name = f"attribute_{path}_{key}".replace(".", "_")
                    self.register_buffer(name, torch.zeros_like(value), persistent=False)
                    self._attributes[name] = (module, key)
        self.has_state = self.cache.has_state or bool(self._attributes)

    def _call(self, tokens, positions):
        arguments = {self.cache_argument: self.cache, "use_cache": True}
        if self.first_position is not None:
            arguments["position_ids"] = (positions + self.first_position)[None]
        return self.model(input_ids=tokens, **arguments).logits

    def forward(self, tokens, positions):
        self.cache.attach({name: getattr(self, name) for name in self._names}, positions)
        for name, (module, key) in self._attributes.items():
            setattr(module, key, _unless_first(getattr(self, name), positions))
        logits = self._call(tokens, positions).float()
        for name, (module, key) in self._attributes.items():
            getattr(self, name).copy_(getattr(module, key))
            setattr(module, key, None)  # a tracer's tensor must not stay
        return logits


def _unless_first(state: torch.Tensor, positions: torch.Tensor, initial: torch.Tensor | None = None) -> torch.Tensor:
    """`state`, but `initial` (or zeros) where a sequence begins."""
    return torch.where(positions[0] == 0, torch.zeros_like(state) if initial is None else initial, state)


class StateModel(_InGraph):
    """The same method, one token in each call, for a state that a model keeps in its own way (weft.export.own_state)."""

    has_state = True

    def __init__(self, model: torch.nn.Module, state):
        super().__init__()
        self.model = model
        self.state = state
        for name, tensor in state.initial.items():
            self.register_buffer(name, tensor.clone(), persistent=False)
            self.register_buffer(f"first_{name}", tensor.clone(), persistent=False)

    def forward(self, tokens, positions):
        before = {name: _unless_first(getattr(self, name), positions, getattr(self, f"first_{name}")) for name in self.state.initial}
        logits, after = self.state.run(self.model, tokens, before)
        for name, tensor in after.items():
            getattr(self, name).copy_(tensor)
        return logits.float()


class OwnCacheModel(_InGraph):
    """The same method for a user's module that keeps its caches itself, in buffers, by position."""

    has_state = False

    def __init__(self, model: UserModule):
        super().__init__()
        self.model = model

    def forward(self, tokens, positions):
        return self.model(input_ids=tokens, position_ids=positions[None]).logits.float()


class RecomputedModel(_InGraph):
    """The same method for models that have no cache: the program keeps the tokens, and reads all of them in each call.

    reason: why it must.
    """

    def __init__(self, model: torch.nn.Module, max_context: int, reason: str):
        super().__init__()
        self.model = model
        self.reason = reason
        self.register_buffer("tokens_read", torch.zeros(1, max_context, dtype=torch.long), persistent=False)

    def forward(self, tokens, positions):
        self.tokens_read.index_copy_(1, positions, tokens)
        return self.model(input_ids=self.tokens_read).logits.index_select(1, positions).float()


@contextlib.contextmanager
def _implementations(model, attention: str):
    """Chooses the attention, experts without a loop over those that were hit, and stand-ins for what can't be traced."""
    configs = {id(module.config): module.config for module in model.modules() if hasattr(module, "config")}
    before = [
        (config, config._attn_implementation, getattr(config, "_experts_implementation", None))
        for config in configs.values()
        if hasattr(config, "_attn_implementation")
    ]
    for config, *_ in before:
        config._attn_implementation_internal = attention
        config._experts_implementation_internal = "batched_mm"
    try:
        with replaced_modules(model, outside=attention == "weft"):
            yield
    finally:
        for config, previous, experts in before:
            config._attn_implementation_internal = previous
            config._experts_implementation_internal = experts


def _ways(model) -> list[Positions]:
    """The ways of telling positions that are worth a try, the best first."""
    first = first_position(model)
    return [Positions(first, True)] + ([Positions(first, False)] if first is not None else [])


def ragged_problem(model) -> str | None:
    """Why `model` can't have the ragged contract; None if it can."""
    return ragged_positions(model)[1]


@torch.no_grad()
def ragged_positions(model) -> tuple[Positions | None, str | None]:
    """How `model` is told positions in the ragged contract, or why it can't have it.

    Not read from a list of names: two sequences are run together, in pieces, with the operator's reference, and their logits
    are held against what the model gives for each alone.
    """
    if _cache_argument(model) != "past_key_values":
        return None, "it takes no cache of Transformers' kind"
    problem = None
    for positions in _ways(model):
        found = _problem_of(model, positions)
        if found is None:
            return positions, None
        problem = problem or found
    return None, problem


def _problem_of(model, way: Positions) -> str | None:
    vocab_size = vocabulary_size(model)
    generator = torch.Generator().manual_seed(1)
    texts = torch.randint(0, vocab_size, (2, 14), generator=generator)
    alone = torch.cat([model(input_ids=text[None], use_cache=False).logits[0].float() for text in texts])

    wrapper = RaggedModel(model, way, operator=reference.attention)
    states = [SequenceState(), SequenceState()]
    parts = [((0, 0, 5),), ((0, 5, 9), (1, 0, 7)), ((1, 7, 14), (0, 9, 10)), ((0, 10, 14),)]  # (sequence, begin, end)
    together = torch.empty_like(alone)
    try:
        with _implementations(model, "weft"):
            for part in parts:
                tokens = torch.cat([texts[s, begin:end] for s, begin, end in part])
                positions = torch.cat([torch.arange(begin, end) for _, begin, end in part])
                with sequences([states[s] for s, *_ in part], [end - begin for _, begin, end in part]) as context:
                    logits = wrapper(tokens, positions, torch.arange(len(tokens)), context)
                if wrapper.layers == 0:
                    return "its attention doesn't go through Transformers' AttentionInterface"
                for row, (s, at) in enumerate((s, at) for s, begin, end in part for at in range(begin, end)):
                    together[14 * s + at] = logits[row]
    except Unsupported as error:
        return str(error)
    except Exception as error:  # of many kinds: a model's own code meets what it didn't expect
        return f"it doesn't run without its own cache ({type(error).__name__}: {first_line(error)[:160]})"
    finally:
        wrapper.close()
    difference = float((together - alone).abs().max() / alone.abs().max().clamp_min(1e-30))
    if not difference <= _roundings(model):
        return f"its logits differ by {difference:.1g} with the cache outside of the graph: its attention needs more than the operator is given"
    return None


def vocabulary_size(model) -> int:
    head = model.get_output_embeddings()
    return head.weight.shape[0] if hasattr(head, "weight") else model.config.get_text_config().vocab_size


def runs_ragged(model) -> bool:
    """Whether `model`'s code takes the ragged contract at all, numbers aside: for models without weights."""
    if _cache_argument(model) != "past_key_values":
        return False
    for positions in _ways(model):
        wrapper = RaggedModel(model, positions)
        try:
            with _implementations(model, "weft"), torch.no_grad():
                wrapper(torch.zeros(3, dtype=torch.long), torch.arange(3), torch.arange(2), torch.zeros(1, dtype=torch.long))
            if wrapper.layers > 0:
                return True
        except Exception:  # of many kinds: a model's own code meets what it didn't expect
            pass
        finally:
            wrapper.close()
    return False


@torch.no_grad()
def export_ragged(model, shape: ProgramShape, positions: Positions | None) -> ExportedProgram:
    """Exports `model` with its caches outside of the graph. positions: as ragged_positions() found."""
    tokens = Dim("tokens", min=1, max=shape.max_tokens)
    rows = Dim("rows", min=1, max=shape.max_rows)
    # Sizes other than 0 and 1, and different from each other, so that the tracer takes none for a constant.
    example = (torch.ones(5, dtype=torch.long), torch.arange(5), torch.tensor([1, 3, 4]), torch.zeros(1, dtype=torch.long))
    wrapper = RaggedModel(model, positions)
    dynamic = {"tokens": {0: tokens}, "positions": {0: tokens}, "rows": {0: rows}, "context": None}
    try:
        with _implementations(model, "weft"):
            return _export(wrapper, example, dynamic)
    finally:
        wrapper.close()


def _export(wrapper, example, dynamic) -> ExportedProgram:
    try:
        return torch.export.export(wrapper, example, dynamic_shapes=dynamic, strict=False)
    except torch._dynamo.exc.UserError as error:
        # The solver gives up on some true statements about sizes ("T * min(64, 64 T) = 64 T"): then they are checked at run time.
        if "Constraints violated" not in str(error):
            raise
        return torch.export.export(
            wrapper, example, dynamic_shapes=dynamic, strict=False, prefer_deferred_runtime_asserts_over_guards=True
        )


def in_graph_model(model, shape: ProgramShape) -> tuple[torch.nn.Module, ProgramShape, bool]:
    """The wrapper that keeps `model`'s state in the graph, the shape that it can have, and whether it can't go back.

    A state that every token changes is advanced by one token in each call. A model whose cache can't have a fixed size, or
    that has none, reads all of its tokens in each call: slow, but always right.
    Raises Unsupported.
    """
    state = own_state(model)
    user_module = isinstance(model, UserModule)
    if (user_module and not model.takes_positions) or (state is None and _cache_argument(model) is None):
        return RecomputedModel(model, shape.max_context, "it has no cache"), shape, False
    asked = shape
    try:
        if state is not None:
            wrapper = StateModel(model, state)
        elif user_module:
            wrapper = OwnCacheModel(model)
        else:
            first = first_position(model)
            with _implementations(model, "eager"):
                wrapper = InGraphModel(model, shape.max_context, first)
        if wrapper.has_state:
            shape = dataclasses.replace(shape, max_tokens=1)
        if _is_right(wrapper, shape):
            return wrapper, shape, wrapper.has_state
    except Exception as error:  # of many kinds: a model's own code meets a cache that it didn't expect
        problem = error
    else:
        problem = Unsupported("its logits differ with its cache in the graph")
    shape = asked
    recomputed = RecomputedModel(model, shape.max_context, f"{type(problem).__name__}: {first_line(problem)[:200]}")
    if not _is_right(recomputed, shape):
        raise Unsupported(f"{first_line(problem)[:200]}; reading all tokens anew gives other logits too") from problem
    return recomputed, shape, False


@torch.no_grad()
def _is_right(wrapper, shape: ProgramShape) -> bool:
    """Whether the wrapper's logits, in pieces, are the model's own."""
    model = wrapper.model
    tokens = torch.arange(3, 15)[None]
    own = None if model.device.type == "meta" else model(input_ids=tokens, use_cache=False).logits[0].float()
    rows, at = [], 0
    for n in (5, 4, 1, 2) if shape.max_tokens > 1 else [1] * 12:
        rows.append(wrapper.run_eager(tokens[:, at : at + n], torch.arange(at, at + n))[0])
        at += n
    if own is None:
        return True
    return bool((torch.cat(rows) - own).abs().max() <= _roundings(model) * own.abs().max())


def _roundings(model) -> float:
    """What a wrong mask or position does is far above this, and rounding far below."""
    return {torch.float32: 1e-3, torch.float16: 2e-2}.get(model.dtype, 1e-1)


@torch.no_grad()
def export_in_graph(model, shape: ProgramShape, exchange=None) -> tuple[ExportedProgram, ProgramShape, bool]:
    """Exports `model` with its caches as buffers; see in_graph_model() and weft.export.trace()."""
    wrapper, chosen, recurrent = in_graph_model(model, shape)
    if exchange is not None:
        exchange()
    try:
        return _export_wrapper(wrapper, chosen), chosen, recurrent
    except Exception as error:  # of many kinds: a tracer meets a length that depends on what was read
        if isinstance(wrapper, RecomputedModel):
            raise
        recomputed = RecomputedModel(model, shape.max_context, f"{type(error).__name__}: {first_line(error)[:200]}")
        if exchange is None and not _is_right(recomputed, shape):  # what was exchanged can't be run here: the written file will be
            raise
        try:
            return _export_wrapper(recomputed, shape), shape, False
        except Exception:
            pass  # the first failure says more
        raise


def _export_wrapper(wrapper, shape: ProgramShape) -> ExportedProgram:
    n = min(5, shape.max_tokens)
    example = (torch.ones(1, n, dtype=torch.long), torch.arange(n))
    dynamic = None
    if shape.max_tokens > 1:
        tokens = Dim("tokens", min=1, max=shape.max_tokens)
        dynamic = {"tokens": {1: tokens}, "positions": {0: tokens}}
    for name, buffer in wrapper.named_buffers():
        if not name.startswith(("model.", "first_")):
            buffer.zero_()
    with _implementations(wrapper.model, "eager"):
        return _export(wrapper, example, dynamic)


def layer_shapes(program: ExportedProgram) -> list[list[int]]:
    """[key/value heads, key size, value size] of every cache, as the program's operators have them."""
    shapes: dict[int, list[int]] = {}
    for node in program.graph.nodes:
        if node.op == "call_function" and node.target is torch.ops.weft.attention.default:
            key, value, layer = node.args[1].meta["val"], node.args[2].meta["val"], node.args[5]
            shapes[layer] = [int(key.shape[1]), int(key.shape[3]), int(value.shape[3])]
    if sorted(shapes) != list(range(len(shapes))):
        raise ValueError(f"caches are numbered {sorted(shapes)}, not from 0 without a gap")
    return [shapes[layer] for layer in sorted(shapes)]
