"""Writes unicode_tables.inc: what Python's str methods know of each character.

    python3.11 src/template/make_unicode_tables.py > src/template/unicode_tables.inc

Chat templates are written against CPython, so CPython itself is asked.
"""

import sys
import unicodedata

CHARACTERS = [chr(i) for i in range(sys.maxunicode + 1) if not 0xD800 <= i < 0xE000]


def runs(marked):
    """Packs sorted (code point, value) pairs into [first, last, stride, value], stride being 1 or 2."""
    packed, i = [], 0
    while i < len(marked):
        best_end, best_stride = i, 1
        for stride in (1, 2):
            end = i
            while end + 1 < len(marked) and marked[end + 1] == (marked[end][0] + stride, marked[i][1]):
                end += 1
            if end > best_end:
                best_end, best_stride = end, stride
        packed.append((marked[i][0], marked[best_end][0], best_stride, marked[i][1]))
        i = best_end + 1
    return packed


def wrap(name, type_name, cells):
    lines, line = [], " "
    for cell in cells:
        if len(line) + len(cell) + 2 > 120:
            lines.append(line)
            line = " "
        line += f" {cell},"
    body = "\n".join([*lines, line])
    print(f"constexpr {type_name} {name}[] = {{\n{body}\n}};\n")


def write_class(name, belongs):
    marked = [(ord(c), 0) for c in CHARACTERS if belongs(c)]
    wrap(name, "Class", [f"{{{a:#x}, {b:#x}, {s}}}" for a, b, s, _ in runs(marked)])


def write_mapping(name, convert):
    changed = [(ord(c), convert(c)) for c in CHARACTERS if convert(c) != c]
    simple = [(c, ord(to) - c) for c, to in changed if len(to) == 1]
    wrap(f"{name}", "Mapping", [f"{{{a:#x}, {b:#x}, {s}, {d}}}" for a, b, s, d in runs(simple)])
    special = [(c, [ord(x) for x in to]) for c, to in changed if len(to) > 1]
    cells = [f"{{{c:#x}, {{{', '.join(f'{x:#x}' for x in to)}}}}}" for c, to in special]
    wrap(f"{name}Special", "SpecialMapping", cells)


print(f"// Made by make_unicode_tables.py with Python {sys.version.split()[0]} (Unicode {unicodedata.unidata_version}).")
print("// clang-format off")
write_class("kAlpha", str.isalpha)
write_class("kDecimal", str.isdecimal)
write_class("kDigitOnly", lambda c: c.isdigit() and not c.isdecimal())
write_class("kNumericOnly", lambda c: c.isnumeric() and not c.isdigit())
write_class("kUnprintable", lambda c: not c.isprintable())
write_class("kUpper", str.isupper)
write_class("kLower", str.islower)
write_class("kTitle", lambda c: unicodedata.category(c) == "Lt")
write_mapping("kToUpper", str.upper)
write_mapping("kToLower", str.lower)
write_mapping("kToTitle", str.title)
write_mapping("kToFolded", str.casefold)
