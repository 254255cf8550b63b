"""A generation as an iterator: `for text in weft.stream(chat.send, "Hello"): print(text, end="")`."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import Any

from weft._native import Cancellation, GenerationResult


def stream(call: Callable[..., GenerationResult], *arguments: Any, **options: Any) -> Generator[str, None, GenerationResult]:
    """Gives the texts that `call(*arguments, **options)` generates, as they come; the generator's value is the result.

    call: `generate`, `send` or `answer` of a pipeline. It runs on a thread of its own. Closing the generator (leaving the
    loop early) ends the generation after the token at work. What `call` raises is raised here.
    """
    cancel = options.setdefault("cancel", Cancellation())
    ready: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    outcome: list[GenerationResult | BaseException] = []

    def run() -> None:
        try:
            outcome.append(call(*arguments, on_text=ready.put, **options))
        except BaseException as error:  # raised again where the texts are read
            outcome.append(error)
        finally:
            ready.put(None)

    thread = threading.Thread(target=run, name="weft-stream", daemon=True)
    thread.start()
    try:
        while (text := ready.get()) is not None:
            yield text
    finally:
        cancel.cancel()
        thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
