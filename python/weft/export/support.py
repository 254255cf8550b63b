"""Whether a model can be exported, told from its configuration: before gigabytes of weights are read."""

from __future__ import annotations

from weft.errors import Error, first_line

# Causal language models by Transformers' registry that no file can stand for, by model_type: the only names that decide something.
REFUSED = {
    "blt": "it reads bytes in patches that another model's entropies end",
    "cpmant": "it isn't causal: all tokens that it is given see each other",
    "gemma3n": "its vision part is a model of timm's; give its text part (gemma3n_text)",
    "gemma4_assistant": "it drafts from another model's caches, and has no keys of its own",
    "gemma4_unified_assistant": "it drafts from another model's caches, and has no keys of its own",
    "musicgen": "its decoder writes codebooks of sound, not tokens of a text",
    "musicgen_melody": "its decoder writes codebooks of sound, not tokens of a text",
    "prophetnet": "it isn't causal: a token's logits change with the tokens that follow it",
    "xlnet": "it isn't causal: without a permutation mask, tokens see those that follow",
}


def check_config(config, where) -> None:
    """Runs the model's code without weights (on the meta device), as the tracer will.

    Raises weft.Error (unsupported), naming what can't be exported; where: what the error names, config.json's path.
    """
    import torch
    import transformers

    from weft.export.attention import Unsupported
    from weft.export.failures import explain
    from weft.export.program import ProgramShape, in_graph_model, runs_ragged

    if config.model_type in REFUSED:
        message = f"{config.model_type} can't be exported: {REFUSED[config.model_type]}"
        raise Error("unsupported", message, where, "docs/architectures.md lists what can")
    if getattr(config, "is_decoder", None) is False and not getattr(config, "is_encoder_decoder", False):
        message = f"{config.model_type} can't be exported: it is an encoder (is_decoder is false), which sees later tokens too"
        raise Error("unsupported", message, where, "give a model that generates text")
    try:
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config).eval()
    except Exception:  # whatever is wrong with the settings is said where the weights are loaded, with better words
        return
    shape = ProgramShape(max_context=64)
    try:
        with torch.device("meta"), torch.no_grad():
            if runs_ragged(model):
                return
            wrapper, shape, _ = in_graph_model(model, shape)
            n = min(3, shape.max_tokens)
            wrapper.run_eager(torch.zeros(1, n, dtype=torch.long), torch.arange(n))
    except Unsupported as error:
        name = config.model_type
        raise Error("unsupported", f"{name} can't be exported: {error}", where, "docs/architectures.md lists what can") from error
    except Exception as error:
        if "meta tensor" in str(error):  # it looks at numbers: whether it can be exported, only its weights tell
            return
        found = explain(error, model)
        raise Error(
            "unsupported",
            f"{config.model_type} can't be exported: {first_line(error)} (in {found.where})",
            where,
            "docs/architectures.md lists what can",
        ) from error
