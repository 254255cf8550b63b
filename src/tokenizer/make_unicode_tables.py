#!/usr/bin/env python3
"""Writes unicode_tables.inc: what characters are to Hugging Face's tokenizers 0.23.3.

    pip install tokenizers==0.23.3 unicodedata2==16.0.0 regex==2026.11.19
    python make_unicode_tables.py > unicode_tables.inc

The library behind `tokenizer.json` uses several crates, each of its own Unicode version: its regular expressions
(Oniguruma) know Unicode 16, its digits and lower case 17, its normal forms about 12, its punctuation about 8. Ids are equal
only if the tables are, so this script asks the library itself about every code point, and Unicode 16 for the rest. What
breaks grapheme clusters comes from the module regex, and what joins a cluster from the library: it knows Unicode 16.
"""

import struct
import sys

import regex
import unicodedata2 as unicode16
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
_CATEGORIES = "Cn Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs"
_SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common
Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan
Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Gurung_Khema Han Hangul
Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian
Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin Lepcha
Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin
Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari
Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian
Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau
Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian
Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut
Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi
Zanabazar_Square"""
CATEGORIES, SCRIPTS = _CATEGORIES.split(), _SCRIPTS.split()
BLOCK = 64
DENSE, TAGS, PLACES = 0x32400, range(0xE0000, 0xE1000), 0x32400 + 0x1000 + BLOCK


def removed_by(splitter):
    """The code points that a splitter with the behaviour "removed" takes out."""
    found = set()
    for start in range(0, len(CODE_POINTS), 4096):
        block = CODE_POINTS[start : start + 4096]
        kept = {ord(c) for word, _ in splitter.pre_tokenize_str("".join(map(chr, block))) for c in word}
        found.update(c for c in block if c not in kept)
    return found


def matching(pattern):
    return removed_by(pre_tokenizers.Split(Regex(pattern), "removed"))


def numeric():
    found = set()
    for start in range(0, len(CODE_POINTS), 4096):
        text = "a".join(map(chr, CODE_POINTS[start : start + 4096]))
        words = pre_tokenizers.Digits(individual_digits=False).pre_tokenize_str("a" + text + "a")
        found.update(ord(word) for word, _ in words if len(word) == 1 and word != "a")
    return found


def rust_word_characters():
    # The pre-tokenizer Whitespace is the crate `regex`'s \w+|[^\w\s]+: an "a" sticks to word characters only.
    found = set()
    whitespace = pre_tokenizers.Whitespace()
    for start in range(0, len(CODE_POINTS), 4096):
        block = CODE_POINTS[start : start + 4096]
        words = whitespace.pre_tokenize_str(" ".join("a" + chr(c) for c in block))
        found.update(ord(word[1]) for word, _ in words if len(word) == 2 and word[0] == "a")
    return found


def combining_classes():
    nfd = normalizers.NFD()
    classes = {}
    for c in CODE_POINTS:
        wanted = unicode16.combining(chr(c))
        other = "\u0316" if wanted > 230 else "\u0345" if wanted == 230 else "\u0300"  # 220, 240, 230
        if not wanted:
            if nfd.normalize_str(chr(c)) == chr(c) and nfd.normalize_str("a\u0345" + chr(c)) != "a\u0345" + chr(c):
                sys.exit(f"U+{c:04X} has a combining class that Unicode 16 does not know")
            continue
        text = "a" + chr(c) + other if wanted > 230 else "a" + other + chr(c)
        if nfd.normalize_str(text) != text:
            classes[c] = wanted
    return classes


def decompositions():
    nfd = normalizers.NFD()
    found = {}
    for c in CODE_POINTS:
        if not 0xAC00 <= c <= 0xD7A3:
            text = nfd.normalize_str(chr(c))
            if text != chr(c):
                found[c] = [ord(d) for d in text]
    return found


def compositions():
    nfc = normalizers.NFC()
    pairs = {}
    for c in CODE_POINTS:
        raw = unicode16.decomposition(chr(c))
        if raw and not raw.startswith("<") and len(raw.split()) == 2:
            first, second = (int(x, 16) for x in raw.split())
            if nfc.normalize_str(chr(first) + chr(second)) == chr(c):
                pairs[first, second] = c
    return pairs


def emptied_by(normalizer, candidates):
    return {c for c in candidates if normalizer.normalize_str(chr(c)) == ""}


def bert(**options):
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return normalizers.BertNormalizer(**off | options)


def compatibility_decompositions():
    """Where NFKD is not NFD."""
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    found = {}
    for c in CODE_POINTS:
        text = nfkd.normalize_str(chr(c))
        if text != nfd.normalize_str(chr(c)):
            found[c] = [ord(d) for d in text]
    return found


def split_scripts():
    """The pre-tokenizer UnicodeScripts keeps characters of one number together; 0 goes with all."""
    scripts = pre_tokenizers.UnicodeScripts()

    def together(a, b):
        return len(scripts.pre_tokenize_str(chr(a) + chr(b))) == 1

    runs = []
    for start in range(0, len(CODE_POINTS), 4096):
        block = CODE_POINTS[start : start + 4096]
        text = "".join(map(chr, block))
        starts = [0, *(span[0] for _, span in scripts.pre_tokenize_str(text))]
        for begin, end in zip(starts, [*starts[1:], len(block)], strict=True):
            if begin < end:
                runs.append(block[begin:end])
    known, numbers = [], {}
    latin, han = ord("a"), ord("字")
    for run in runs:
        # A run may start or end with characters that go with all.
        for c in run:
            if together(latin, c) and together(han, c):
                continue
            number = next((i for i, other in enumerate(known) if together(other, c)), None)
            known.insert(0, c if number is None else known.pop(number))
            numbers[c] = known[0]
    order = {c: i + 1 for i, c in enumerate(sorted(known))}
    return {c: order[representative] for c, representative in numbers.items()}


_BREAKS = ["CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark", "L", "V", "T", "LV", "LVT"]
BREAKS = ["", *_BREAKS, "Pictographic", "Consonant", "Linker", "ExtendOnly"]


def grapheme_breaks():
    """Grapheme_Cluster_Break, Extended_Pictographic and Indic_Conjunct_Break in one, by the place in BREAKS."""

    def having(name):
        pattern = regex.compile(rf"\p{{{name}}}")
        return {c for c in CODE_POINTS if pattern.match(chr(c))}

    found = {}
    for name in _BREAKS:
        for c in having(f"GCB={name}"):
            found[c] = BREAKS.index(name)
    extends = having("InCB=Extend")
    for c in having("Extended_Pictographic"):
        found.setdefault(c, BREAKS.index("Pictographic"))
    for c in having("InCB=Consonant"):
        found.setdefault(c, BREAKS.index("Consonant"))
    for c in having("InCB=Linker"):
        found[c] = BREAKS.index("Linker")
    for c, value in found.items():
        if value == BREAKS.index("Extend") and c not in extends:
            found[c] = BREAKS.index("ExtendOnly")

    # A map with the one rule "a becomes X" makes "X" of all of a cluster of at most five bytes that starts with "a".
    units = [0] * 0x300
    units[0] = 0x100 << 10
    units[0x161] = 0x361 << 10 | 1 << 8 | ord("a")
    units[0x200] = 1 << 31
    rules = struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + b"X\0"
    precompiled = normalizers.Precompiled(rules)
    joins = {BREAKS.index(name) for name in ("Extend", "ZWJ", "SpacingMark", "Linker", "ExtendOnly")}
    for c in CODE_POINTS:
        joined = precompiled.normalize_str("a" + chr(c)) == "X"
        if joined != (found.get(c, 0) in joins):
            if joined:
                found[c] = BREAKS.index("Extend")
            else:
                found.pop(c)
    return found


def place_of(c):
    """As unicode.h has it."""
    if c < DENSE:
        return c
    if c in TAGS:
        return DENSE + c - TAGS.start
    return DENSE + len(TAGS) + (c >= 0xF0000 and c & 0xFFFF < 0xFFFE)


def two_stage(name, values, comment):
    """One byte for each place, as equal blocks of 64 stored once."""
    by_place = [0] * PLACES
    for c, value in values.items():
        by_place[place_of(c)] = value
    assert all(by_place[place_of(c)] == values.get(c, 0) for c in range(0x110000)), name
    blocks, index = {}, []
    for start in range(0, PLACES, BLOCK):
        index.append(blocks.setdefault(tuple(by_place[start : start + BLOCK]), len(blocks)))
    assert len(blocks) <= 65535
    print(f"// {comment}")
    numbers(f"constexpr std::uint16_t k{name}Index[{len(index)}]", index)
    numbers(f"constexpr std::uint8_t k{name}Blocks[{len(blocks) * BLOCK}]", [v for b in blocks for v in b])


def numbers(declaration, values):
    print(f"{declaration} = {{")
    line = ""
    for value in values:
        text = f"{value},"
        if len(line) + len(text) > 120:
            print(line)
            line = ""
        line += text
    print(line + "};")


def main():
    print(
        "// Made by make_unicode_tables.py from tokenizers 0.23.3 and unicodedata2 16.0.0; see there how to make it again."
    )
    print("// clang-format off")
    two_stage(
        "Category",
        {c: CATEGORIES.index(unicode16.category(chr(c))) for c in CODE_POINTS},
        "General category, as the order of enum class Category.",
    )
    flags = {}
    for bit, members in enumerate(
        (
            matching(r"\w"),
            rust_word_characters(),
            numeric(),
            removed_by(pre_tokenizers.Punctuation("removed")),
            matching(r"[[:alpha:]]"),
            matching(r"[[:upper:]]"),
            matching(r"[[:lower:]]"),
            matching(r"[[:punct:]]"),
        )
    ):
        for c in members:
            flags[c] = flags.get(c, 0) | 1 << bit
    two_stage("Flags", flags, "Bits in the order of enum Flag.")

    no_marks, clean = bert(strip_accents=True), bert(clean_text=True)
    nfd, compatible = normalizers.NFD(), compatibility_decompositions()
    traits = {}
    for bit, members in enumerate(
        (
            emptied_by(normalizers.StripAccents(), CODE_POINTS),
            emptied_by(no_marks, [c for c in CODE_POINTS if nfd.normalize_str(chr(c)) == chr(c)]),
            emptied_by(clean, CODE_POINTS),
            set(compatible),
        )
    ):
        for c in members:
            traits[c] = traits.get(c, 0) | 1 << bit
    two_stage("Traits", traits, "Bits in the order of enum Trait.")
    two_stage("Break", grapheme_breaks(), "In the order of enum class GraphemeBreak.")
    two_stage("SplitScript", split_scripts(), "What UnicodeScripts keeps together; 0 goes with all.")

    scripts = {}
    for number, script in enumerate(SCRIPTS):
        for c in matching(rf"\p{{{script}}}"):
            scripts[c] = number + 1
    two_stage("Script", scripts, "One more than the index into kScriptNames; 0 is Unknown.")
    print("constexpr std::string_view kScriptNames[] = {")
    for start in range(0, len(SCRIPTS), 6):
        print("  " + " ".join(f'"{s}",' for s in SCRIPTS[start : start + 6]))
    print("};")

    classes, decomposed, composed = combining_classes(), decompositions(), compositions()
    seconds = {second for _, second in composed}
    nfc = normalizers.NFC()
    normal = dict(classes)
    for c in CODE_POINTS:
        jamo = 0x1161 <= c <= 0x1175 or 0x11A8 <= c <= 0x11C2
        if not normal.get(c) and (jamo or c in seconds or nfc.normalize_str(chr(c)) != chr(c)):
            normal[c] = 255
    two_stage(
        "Normal", normal, "Canonical combining class; 255: class 0, but NFC may change it or join it to what precedes."
    )

    pool, table = [], []
    for c, text in sorted(decomposed.items()):
        table.append(f"{{{c},{len(pool)},{len(text)}}}")
        pool += text
    print("// Full canonical decompositions, Hangul left out: code point, place in kDecompositionPool, length.")
    numbers("constexpr Decomposition kDecompositions[]", table)
    numbers("constexpr char32_t kDecompositionPool[]", pool)
    pool, table = [], []
    for c, text in sorted(compatible.items()):
        table.append(f"{{{c},{len(pool)},{len(text)}}}")
        pool += text
    print("// Full compatibility decompositions where they are not the canonical ones, likewise.")
    numbers("constexpr Decomposition kCompatDecompositions[]", table)
    numbers("constexpr char32_t kCompatDecompositionPool[]", pool)
    print("// Canonical compositions, Hangul left out: first, second, composed.")
    numbers("constexpr Composition kCompositions[]", [f"{{{a},{b},{c}}}" for (a, b), c in sorted(composed.items())])

    lowercase, table = normalizers.Lowercase(), []
    for c in CODE_POINTS:
        text = lowercase.normalize_str(chr(c))
        if c != 0x130 and text != chr(c):  # U+0130 alone becomes two characters
            table.append(f"{{{c},{ord(text)}}}")
    print("// Lower case, U+0130 left out: code point, lower case.")
    numbers("constexpr Lowercase kLowercase[]", table)


if __name__ == "__main__":
    main()
