"""Texts that tokenizers get wrong, and a generator of more of them."""

import random

SCRIPTS = {
    "Latin": "The quick brown fox jumps over the lazy dog. Naïve façade, coöperate, Ærøskøbing, ŁÓDŹ, İstanbul, ıIiİ, ßẞ, ſs, ǅ",
    "Vietnamese": "Tiếng Việt có nhiều dấu: ường, ặng, ễn, Đặng",
    "Greek": "Ὀδυσσεύς, σίγμα ΤΕΛΟΣ ς, ΐ ΰ ᾳ ῼ",
    "Cyrillic": "Съешь же ещё этих мягких французских булок, Їжак, ѣ",
    "Arabic": "العَرَبِيَّةُ لغةٌ جميلة ٠١٢٣٤٥ لا إله",
    "Hebrew": "שָׁלוֹם עוֹלָם ״ציטוט״",
    "Hindi": "नमस्ते दुनिया, क्षत्रिय श्री ज्ञ १२३",
    "Thai": "ภาษาไทยไม่มีช่องว่างระหว่างคำ กำ๑๒๓",
    "Khmer": "ភាសាខ្មែរ ១២៣",
    "Myanmar": "မြန်မာဘာသာ ၁၂၃",
    "Tibetan": "བོད་སྐད་ ༡༢༣ ཀྵ",
    "Tamil": "தமிழ் மொழி கொ",
    "Chinese": "我能吞下玻璃而不傷身體。𠮷野家，〇一二三",
    "Japanese": "私はガラスを食べられます。ガラス ｶﾞﾗｽ ヴァイオリン",
    "Korean": "나는 유리를 먹을 수 있어요 각 각 힣 ᄒᆞᆫ글",
    "Georgian": "ქართული ენა ᲐᲑᲒ",
    "Armenian": "Հայերեն և ֊",
    "Ethiopic": "አማርኛ ፩፪፫",
    "Cherokee": "ᏣᎳᎩ ꭰꭱ",
    "Mongolian": "ᠮᠣᠩᠭᠣᠯ\u180eᠬᠡᠯᠡ",
    "Gothic": "𐌼𐌰𐌲 𐌲𐌻𐌴𐍃 𐌹̈𐍄𐌰𐌽",
}

SPACES = [*"\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000", *map(chr, range(0x2000, 0x200B))]
NO_SPACES = ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u180e", "\x1c", "\x1d", "\x1e", "\x1f", "\x7f", "\xad"]
EMOJI = [
    "😀",
    "👩‍👩‍👧‍👦",
    "👍🏽",
    "🇫🇷🇩🇪",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "❤️",
    "1️⃣",
    "☺︎",
]
NUMBERS = [
    "0",
    "12",
    "123",
    "1234",
    "3.14159",
    "1,000,000",
    "1e-10",
    "0x1F",
    "½¾",
    "²³¹",
    "ⅣⅧ",
    "٣٤٥",
    "１２３",
    "🄁",
    "௧௰",
    "\U00011de0",
]
MARKS = [
    "e\u0301",
    "\u0301",
    "a\u0323\u0307",
    "a\u0307\u0323",
    "q\u0307\u0323",
    "\u0f73",
    "\u0344",
    "\u212b",
    "\u1e9b\u0323",
    "ﬁ",
    "a\u035f\u0345\u0300",
]
COMPAT = [
    "ﷺ",
    "㍿",
    "Ⅷ",
    "ﬃ",
    "℃",
    "㎏",
    "ｆｕｌｌ",
    "가",
    "豈",
    "\ufa10",
    "\u2126",
    "\u1100\u1161\u11a8",
    "\uac00\u11a8",
]
ODD = [
    "\0",
    "\x01\x02",
    "\x1b[0m",
    "\u0378",
    "\u05ff",
    "\ue000",
    "\uffff",
    "\ufffe",
    "\U0010ffff",
    "\U0001fffe",
    "\ufffd",
    "\U00105000",
    "\u0d4e",
    "\U000e0001",
    "\u061c",
    "\u202e",
    "ʼn ŉ",
    "\U00016d63",
    "\U0001e6c0",
    "\u1c89",
]
CODE = [
    "def f(x):\n    return x**2  # square\n\n\nclass A:\n\tpass\n",
    'int main(void) { printf("%d\\n", 42); return 0; }\r\n',
    "<div class=\"a b\">it's &amp; they'll've</div>",
    "https://example.org/a?b=c&d=%20#frag",
    "if(a<=b&&c>=d||!e){x+=1;}//...",
    "SELECT * FROM t WHERE id='1' -- ;",
    "    \t  \t\tindented\n\n\n   \n",
    "camelCaseHTTPRequest2XMLParser snake_case_name SCREAMING_CASE kebab-case",
    "!!!???...———___***###@@@$$$%%%^^^&&&((()))[[]]{}{}",
    "\\frac{1}{2} \\alpha^{n+1}_{i}",
    "a<b<c<d a<b<d <d<d b<c<d !!!!!!!! !! !!!!!!!!!!!!!!!!!!!",
]
CONTRACTIONS = [
    "I'm",
    "you're",
    "he's",
    "they'd",
    "we'll",
    "I've",
    "don't",
    "I'M",
    "YOU'RE",
    "HE'S",
    "'S'T'RE",
    "'ſ x'ſy",
    "' s",
    "''s",
    "'sx",
    "’s",
    "x'LLy",
    "'Ve'VE",
    "rock'n'roll",
]
WORDS = [
    "hello",
    "Hello",
    "world",
    "the",
    "and",
    "of",
    "tokenization",
    "antidisestablishmentarianism",
    "Donaudampfschifffahrt",
    "a",
    "I",
    "x",
    "London",
    "NASA",
    "iPhone",
    "déjà",
    "über",
]


def torture():
    texts = [""]
    texts += list(SCRIPTS.values())
    texts += [" " + t for t in SCRIPTS.values()]
    for group in (SPACES, NO_SPACES, EMOJI, NUMBERS, MARKS, COMPAT, ODD, CODE, CONTRACTIONS, WORDS):
        texts += group
        texts += ["a" + t + "b" for t in group]
        texts += [" " + t + " " + t for t in group]
        texts.append("".join(group))
        texts.append(" ".join(group))
    for space in SPACES:
        texts += [space * n for n in (2, 3, 17)] + [
            f"a{space}{space}b",
            f"{space}{space}a",
            f"a{space}{space}",
            f"1{space}\n{space}2",
            f"!{space}\r\n{space}?",
        ]
    for n in (1, 2, 3, 4, 5, 31, 32, 33, 64, 100, 257):
        texts += [
            "a" * n,
            "A" * n,
            " " * n,
            "\n" * n,
            "\t" * n,
            "1" * n,
            "!" * n,
            "é" * n,
            "字" * n,
            "😀" * n,
            "\u0301" * n,
            "\r\n" * n,
            "ab" * n,
            "x " * n,
            "\0" * n,
        ]
    return texts


def random_texts(seed, count, specials=()):
    """`count` texts of mixed parts; `specials` are glued into some of them."""
    rng = random.Random(seed)
    groups = [
        list(SCRIPTS.values()),
        SPACES,
        NO_SPACES,
        EMOJI,
        NUMBERS,
        MARKS,
        COMPAT,
        ODD,
        CODE,
        CONTRACTIONS,
        WORDS,
        WORDS,
        WORDS,
    ]
    specials = list(specials)

    def piece():
        kind = rng.random()
        if specials and kind < 0.12:
            token = rng.choice(specials)
            return token if rng.random() < 0.8 else token[: rng.randrange(len(token) + 1)]
        if kind < 0.60:
            text = rng.choice(rng.choice(groups))
            if len(text) > 12 and rng.random() < 0.8:
                start = rng.randrange(len(text))
                text = text[start : start + rng.randrange(1, 13)]
            return text
        if kind < 0.75:
            return " " * rng.choice((1, 1, 1, 1, 2, 3, 4, 8, 16, 33))
        if kind < 0.85:
            return "".join(chr(rng.randrange(0x20, 0x7F)) for _ in range(rng.randrange(1, 8)))
        if kind < 0.90:
            return rng.choice(("\n", "\r\n", "\n\n", "\t", " \n", "\n ", "\r"))
        if kind < 0.95:
            return "".join(rng.choice("aeiourstlnABC'0123 ") for _ in range(rng.randrange(1, 20)))
        code_point = rng.choice(
            (
                rng.randrange(0x80, 0x800),
                rng.randrange(0x800, 0xD800),
                rng.randrange(0xE000, 0x10000),
                rng.randrange(0x10000, 0x20000),
                rng.randrange(0x10000, 0x110000),
            )
        )
        return chr(code_point)

    return ["".join(piece() for _ in range(rng.randrange(1, 12))) for _ in range(count)]
