"""Random templates and conversations, the same for the same seed."""

import random

# No literals: Jinja2 folds constants while it compiles, and then forgives some errors, like None[1:].
ATOMS = """text spaced empty lines unicode n neg pi yes no nothing items_ words mixed d nested people quotes missing html
zero one two letter pairs pair messages messages[0] messages[0].content tools loop range(n) namespace(a=n) nested.x.y
people[0] people[-1].tags d.a""".split()

FILTERS = """abs capitalize center count default default('z') d('z',true) dictsort escape first float forceescape indent
indent(2,true) int items join join(',') last length list lower map('upper') map(attribute='name') map('string') max min
reject('none') select select('string') selectattr('name') rejectattr('age','eq',30) replace('l','L') reverse round
round(1) safe slice(2) sort sort(reverse=true) string striptags sum title tojson tojson(indent=2) trim truncate(5)
unique upper urlencode wordcount wordwrap(5) xmlattr batch(2) format groupby('age') filesizeformat list list list
string string string""".split()

TESTS = """defined undefined none string number integer float boolean true false mapping sequence iterable callable odd
even lower upper divisibleby(2) eq(1) in([1,'a']) sameas(none) escaped""".split()

METHODS = """upper() lower() strip() split() split(',') splitlines() title() startswith('H') endswith('d') replace('o','0')
find('o') count('l') items() keys() values() get('a') get('zz',1) join(['p','q']) format(1,2) isdigit() rstrip('d')
index(1) capitalize() partition(',') rsplit(' ',1) removeprefix('He') zfill(9) center(20,'*') append(1) copy() nope()""".split()

SUBSCRIPTS = "[0] [-1] [1:] [:-1] [::2] [::-1] ['a'] ['name'] [5] [1:3] [none] .a .name .x .0 .content".split()

OPERATORS = "+ - * / // % ** ~ == != < <= > >= and or".split() + ["in", "not in"]


def expression(chooser: random.Random, depth: int) -> str:
    pick = chooser.random()
    if depth <= 0 or pick < 0.15:
        return chooser.choice(ATOMS)
    inner = lambda: expression(chooser, depth - 1)  # noqa: E731
    if pick < 0.40:
        return f"{inner()}|{chooser.choice(FILTERS)}"
    if pick < 0.50:
        return f"({inner()}).{chooser.choice(METHODS)}"
    if pick < 0.62:
        return f"({inner()}){chooser.choice(SUBSCRIPTS)}"
    if pick < 0.80:
        return f"({inner()} {chooser.choice(OPERATORS)} {inner()})"
    if pick < 0.87:
        return f"({inner()} is {chooser.choice(['', 'not '])}{chooser.choice(TESTS)})"
    if pick < 0.92:
        return f"({inner()} if {inner()} else {inner()})"
    if pick < 0.95:
        return f"[{inner()}, {inner()}]"
    if pick < 0.98:
        return f"{{'k': {inner()}, 'a': {inner()}}}"
    return chooser.choice(["not ", "-", "+"]) + inner()


def space(chooser: random.Random) -> str:
    return chooser.choice(["", "", " ", "\n", "  \n", "\n  ", "\n\n", "\t", "x", " x ", "x\n", "\nx\n", "  x", "\r\n"])


def tag(chooser: random.Random, inside: str) -> str:
    opening = chooser.choice(["{%", "{%", "{%-", "{%+"])
    closing = chooser.choice(["%}", "%}", "-%}", "+%}"])
    return f"{opening} {inside} {closing}"


def template(chooser: random.Random, depth: int) -> str:
    """Nested statements with white space of all kinds between them."""
    parts = [space(chooser)]
    for _ in range(chooser.randint(1, 3)):
        parts.append(statement(chooser, depth) + space(chooser))
    return "".join(parts)


def statement(chooser: random.Random, depth: int) -> str:
    pick = chooser.random()
    name = chooser.choice("abc")
    if depth <= 0 or pick < 0.25:
        opening, closing = chooser.choice(["{{", "{{-"]), chooser.choice(["}}", "-}}"])
        value = chooser.choice(["a", "b", "c", "n", "loop.index", "a ~ b", "'lit'", "text", "m(b)", "ns.v"])
        return f"{opening} {value} {closing}"
    body = lambda: template(chooser, depth - 1)  # noqa: E731
    if pick < 0.35:
        return tag(chooser, f"set {name} = {chooser.choice(['1', 'a', 'b', 'n', 'loop.index0', 'c ~ 1', 'ns.v'])}")
    if pick < 0.50:
        condition = chooser.choice(["a", "b == c", "loop.first", "not n", "a is defined", "true", "false"])
        middle = tag(chooser, "else") + body() if chooser.random() < 0.5 else ""
        return tag(chooser, f"if {condition}") + body() + middle + tag(chooser, "endif")
    if pick < 0.65:
        head = f"for {name} in {chooser.choice(['[1, 2]', 'range(3)', '[]', 'text[:2]', 'words'])}"
        head += chooser.choice(["", "", " if a", f" if {name}"])
        middle = tag(chooser, "else") + body() if chooser.random() < 0.3 else ""
        return tag(chooser, head) + body() + middle + tag(chooser, "endfor")
    if pick < 0.70:
        return tag(chooser, f"macro m({name}, b='d')") + body() + tag(chooser, "endmacro")
    if pick < 0.75:
        return tag(chooser, f"set {name}") + body() + tag(chooser, "endset")
    if pick < 0.79:
        return tag(chooser, f"with {name} = 7") + body() + tag(chooser, "endwith")
    if pick < 0.83:
        return tag(chooser, "filter upper") + body() + tag(chooser, "endfilter")
    if pick < 0.86:
        return tag(chooser, "generation") + body() + tag(chooser, "endgeneration")
    if pick < 0.89:
        return tag(chooser, "set ns.v = a")
    if pick < 0.92:
        return tag(chooser, "raw") + space(chooser) + "{{ a }}" + space(chooser) + tag(chooser, "endraw").replace("+%}", "%}")
    if pick < 0.95:
        return tag(chooser, chooser.choice(["break", "continue"]))
    return chooser.choice(["{#", "{#-"]) + space(chooser) + chooser.choice(["#}", "-#}", "+#}"])


def conversation(chooser: random.Random) -> list[dict]:
    """Messages as an application might send them, sensible or not."""
    words = ["Hi", "<|im_end|>", "</s>", "a\nb", "  spaced ", "é日👋", "{{ x }}", "{% if %}", "", "\"q\"", "<think>x</think>y", "'"]
    text = lambda: " ".join(chooser.choices(words, k=chooser.randint(0, 4)))  # noqa: E731
    messages = []
    if chooser.random() < 0.5:
        messages.append({"role": "system", "content": text()})
    for i in range(chooser.randint(0, 5)):
        message = {"role": ["user", "assistant"][i % 2] if chooser.random() < 0.9 else chooser.choice(["tool", "odd<|x|>"])}
        message["content"] = text() if chooser.random() < 0.9 else [{"type": "text", "text": text()}]
        if message["role"] == "assistant" and chooser.random() < 0.3:
            call = {"name": "get_weather", "arguments": {"city": text(), "days": chooser.choice([1, 2.5, None, [1, "x"]])}}
            message["tool_calls"] = [{"id": "abcdefghi", "type": "function", "function": call}]
        if message["role"] == "assistant" and chooser.random() < 0.2:
            message["reasoning_content"] = text()
        messages.append(message)
    return messages
