"""Regular expressions of every kind of part, at random: what nobody would write by hand, but some engine reads."""

import random

# What is in most patterns of tokenizers.
USUAL = [
    "a",
    "b",
    "1",
    " ",
    "é",
    "字",
    ".",
    "\\d",
    "\\s",
    "\\w",
    "\\p{L}",
    "\\p{N}",
    "\\p{Lu}",
    "\\p{Ll}",
    "\\P{L}",
    "[^\\s\\p{L}\\p{N}]",
    "[a-z]",
    "[^a]",
    "[A-Z0-9_]",
    "\\S",
    "\\D",
    "\\W",
    "'",
    "\\n",
    "\\r?\\n",
    "[\\p{L}\\p{M}]",
]
RARE = [
    "\\p{Han}", "\\p{P}", "\\p{M}", "\\p{Cyrillic}", "\\p{Greek}", "\\p{Nd}", "\\p{Sc}", "\\p{Zs}", "\\p{Letter}", "\\p{Punct}", "\\p{^L}", "\\pL",
    "\\p{Alphabetic}", "\\p{Lowercase}", "\\p{Upper}", "\\p{White_Space}", "[[:alpha:]]", "[[:^alpha:]]", "[^[:alpha:]]", "[[:word:]]", "[[:punct:]]",
    "[[:upper:]]", "[[:lower:]]", "[[:space:]]", "[[:alnum:]]", "[[:cntrl:]]", "[[:blank:]]", "[[:digit:]]", "[[:xdigit:]]", "[^\\w]", "[\\W\\d]",
    "[\\w&&\\D]", "[a-z&&[^aeiou]]", "[a\\-z]", "[]a]", "[\\s--\\n]", "[\\s\\S]", "[\\h\\s]", "\\h", "\\H", "\\R", "\\X", "\\b", "\\B", "^", "$", "\\A", "\\z",
    "\\Z", "\\G", "\\K", "\\t", "\\v", "\\f", "\\x41", "\\x{e9}", "\\u0041", "(?i:s)", "(?i:k)", "(?i:[x-z])", "(?i)a", "(?s:.)", "(?m:.)", "(?m:^a)",
    "(?m:a$)", "(?s)a", "(?x: a #c\n )", "a**", "(?<n>a)\\k<n>", "(a)\\1",
]  # fmt: skip
REPEATS = [
    "",
    "",
    "",
    "",
    "?",
    "*",
    "+",
    "??",
    "*?",
    "+?",
    "{2}",
    "{1,3}",
    "{2,}",
    "{2}?",
    "{3}?+",
    "{0,2}?",
    "{1,2}+",
    "?+",
    "*+",
    "++",
]
FLAGS = ["(?i:", "(?s:", "(?m:", "(?-i:"]


def make(seed):
    rng = random.Random(seed)

    def part(depth):
        kind = rng.random()
        if depth < 3 and kind < 0.12:
            return f"(?:{choice(depth + 1)})"
        if depth < 3 and kind < 0.18:
            return f"({choice(depth + 1)})"
        if depth < 2 and kind < 0.24:
            return rng.choice(["(?=", "(?!"]) + choice(depth + 2) + ")"
        if depth < 2 and kind < 0.28:
            return rng.choice(["(?<=", "(?<!"]) + rng.choice(USUAL) + ")"
        if depth < 3 and kind < 0.31:
            return f"(?>{choice(depth + 1)})"
        if kind < 0.33:
            return rng.choice(FLAGS) + choice(depth + 2) + ")"
        return rng.choice(RARE if rng.random() < 0.4 else USUAL)

    def choice(depth):
        alternatives = rng.choice([1, 1, 2, 3] if depth == 0 else [1, 1, 2])
        return "|".join(
            "".join(part(depth) + rng.choice(REPEATS) for _ in range(rng.choice([1, 1, 2, 3])))
            for _ in range(alternatives)
        )

    return choice(0)
