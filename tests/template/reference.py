"""What Jinja2 renders inside Transformers: the reference that weft::template is held against."""

import datetime
import json
import os
import subprocess
from pathlib import Path

import transformers.utils.chat_template_utils as chat_template_utils

ROOT = Path(__file__).resolve().parents[2]
NOW = 1721998930  # Friday, 26 July 2024, 13:02:10 UTC


class _FixedClock(datetime.datetime):
    """`datetime` for strftime_now(): stands still, in UTC."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, datetime.UTC).replace(tzinfo=None)


def render(case: dict) -> str:
    """Renders one case, an object as template_jsonl takes it, through Transformers."""
    tokens = {name: case[name] for name in ("bos_token", "eos_token", "pad_token", "unk_token") if case.get(name)}
    chat_template_utils.datetime, real = _FixedClock, chat_template_utils.datetime
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            conversations=[case.get("messages", [])],
            tools=case.get("tools"),
            documents=case.get("documents"),
            chat_template=case["template"],
            add_generation_prompt=case.get("add_generation_prompt", False),
            **{**tokens, **case.get("variables", {})},
        )
    finally:
        chat_template_utils.datetime = real
    return rendered[0]


def find_binary() -> Path:
    build = Path(os.environ.get("WEFT_BUILD_DIR", ROOT / "build"))
    return build / "bin" / "template_jsonl"


def render_with_weft(cases: list[dict]) -> list[dict]:
    """Renders all cases in one process: {"parts": ...} or {"error": ...} each."""
    lines = "".join(json.dumps({"now": NOW, **case}) + "\n" for case in cases)
    environment = {**os.environ, "TZ": "UTC"}
    done = subprocess.run([find_binary()], input=lines, capture_output=True, text=True, check=True, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


def text_of(result: dict) -> str | None:
    """The rendered text; None for an error."""
    return "".join(text for text, _ in result["parts"]) if "parts" in result else None
