"""Whole templates that weft and Jinja2 must agree on: statements, scopes, white space. Rendered with the same
variables as the expressions, and one message."""

MESSAGES = [{"role": "user", "content": "Hi <|im_end|>"}]

# Between lines of "----".
STATEMENTS = r"""
{% for i in [1, 2, 3] %}{{ i }},{% endfor %}
----
{% for i in [1, 2, 3] -%}
  {{ i }}
{%- endfor %}
----
{% for i in [] %}x{% else %}none{% endfor %}
----
{% for i in [1] %}x{% else %}none{% endfor %}
----
{% for i in [1, 2] %}{% continue %}{% else %}else runs{% endfor %}
----
{% for i in [1, 2] %}{% break %}{% else %}else runs{% endfor %}
----
{% for i in [1, 2] %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% else %}else{% endfor %}
----
{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 4 %}{% break %}{% endif %}{{ i }}{% endfor %}
----
{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}
----
{% for i in range(3) %}{% for j in [] %}x{% else %}{% break %}{% endfor %}{{ i }}{% endfor %}!
----
{% for i in range(6) if i is odd %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% endfor %}
----
{% for i in range(6) if i is odd %}{{ i }}{% if loop.last %}.{% else %},{% endif %}{% endfor %}
----
{% for i in range(5) if i > 10 %}x{% else %}nothing{% endfor %}
----
{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
----
{% for x in 'abc' %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}
----
{% for x in 'abc' %}{{ loop.previtem is defined }}{{ loop.nextitem is undefined }}{% endfor %}
----
{% for x in [1] %}{{ loop.previtem.x }}{% endfor %}
----
{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }} {% endfor %}
----
{% for x in [1, 2, 3] %}{{ loop.cycle('a', 'b') }}{% endfor %}
----
{% for x in [1] %}{{ loop.cycle() }}{% endfor %}
----
{% for x in [1, 2] %}{{ loop }}{% endfor %}
----
{% for x in [1, 2] %}{{ loop.nope }}{{ loop['index'] }}{% endfor %}
----
{% for x in words | map('upper') %}{{ x }}{{ loop.length }}{{ loop.revindex }} {% endfor %}
----
{% for x in words | map('upper') %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
----
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
----
{% for k in d %}{{ k }}{% endfor %}
----
{% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }} {% endfor %}
----
{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}
----
{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}
----
{% for a, b in [[1]] %}{{ a }}{% endfor %}
----
{% for a, b in [1] %}{{ a }}{% endfor %}
----
{% for a, b in ['xy'] %}{{ a }}{{ b }}{% endfor %}
----
{% for x in 5 %}{% endfor %}
----
{% for x in none %}{% endfor %}
----
{% for x in missing %}x{% else %}empty{% endfor %}
----
{% for x in missing.y %}{% endfor %}
----
{% for x in 1, 2, 3 %}{{ x }}{% endfor %}
----
{% for x in (1, 2) if x > 1 %}{{ x }}{% endfor %}
----
{% for x in [3, 4] recursive %}{{ x }}{% endfor %}
----
{% for item in [{'n': 'a', 'c': [{'n': 'b', 'c': []}, {'n': 'c', 'c': [{'n': 'd', 'c': []}]}]}] recursive %}{{ loop.depth }}{{ item.n }}{% if item.c %}({{ loop(item.c) }}){% endif %}{% endfor %}
----
{% for x in [1] %}{{ loop([2]) }}{% endfor %}
----
{% for x in [1, 2] recursive %}{% set y = x %}{{ y }}{% if x is sequence %}{{ loop(x) }}{% endif %}{% else %}E{% endfor %}
----
{% for x in [[1, [2]], [3]] recursive %}{% if x is sequence %}[{{ loop(x) }}]{% else %}{{ x }}@{{ loop.depth0 }}{% endif %}{% endfor %}
----
{{ x }}{% for x in [1, 2] %}{{ x }}{% endfor %}{{ x }}
----
{% set x = 0 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}
----
{% for i in [1, 2] %}{{ y }}{% set y = i %}{{ y }}{% endfor %}
----
{% set ns = namespace(x=0) %}{% for i in [1, 2, 3] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
----
{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}
----
{% set ns = namespace(a=1) %}{% set ns.a = none %}{{ ns.a }}{{ ns.zz is defined }}
----
{% set x.y = 1 %}
----
{% set d.y = 1 %}
----
{% set ns = namespace() %}{% set ns._x = 1 %}
----
{% set ns = namespace() %}{% set ns.x.y = 1 %}
----
{% set ns = namespace(found=false) %}{% for m in messages[::-1] %}{% set index = (messages | length - 1) - loop.index0 %}{% if not ns.found and m.role == 'user' %}{% set ns.found = true %}{{ index }}{% endif %}{% endfor %}
----
{% set a = 1 %}{% set b = a + 1 %}{{ a }}{{ b }}
----
{% set a, b = 1, 2 %}{{ a }}{{ b }}
----
{% set a, b = [1, 2, 3] %}
----
{% set a = 1, 2 %}{{ a }}
----
{% set a = %}
----
{% set 5 = a %}
----
{% set true = 1 %}
----
{% set a %}block {{ n }}{% endset %}[{{ a }}]
----
{% set a | upper | trim %} block {% endset %}[{{ a }}]
----
{% set a | replace('b', 'c') %}bbb{% endset %}{{ a }}
----
{% set a %}{% set inner = 5 %}{{ inner }}{% endset %}{{ a }}{{ inner }}
----
{% set ns = namespace() %}{% set ns.x %}captured{% endset %}{{ ns.x }}
----
{% if yes %}{% set q = 1 %}{% endif %}{{ q }}
----
{% if no %}{% set q = 1 %}{% endif %}{{ q is defined }}
----
{% if no %}{% set text = 1 %}{% endif %}{{ text }}
----
{% if no %}{% set text = 1 %}{% else %}{% set text = 2 %}{% endif %}{{ text }}
----
{% for i in [1, 2] %}{% if i == 1 %}{% set z = 'set' %}{% endif %}{{ z }}|{% endfor %}
----
{% for i in [1] %}{{ text }}{% endfor %}{% set text = 'late' %}{{ text }}
----
{% macro m() %}{{ text }}{% endmacro %}{{ m() }}{% set text = 'later' %}{{ m() }}
----
{% macro m() %}{{ fresh }}{% endmacro %}{{ m() }}{% set fresh = 'later' %}{{ m() }}
----
{% set text = text ~ '!' %}{{ text }}
----
{% for i in [1, 2] %}{% set text = text ~ '!' %}{{ text }} {% endfor %}{{ text }}
----
{% if 1 %}a{% elif 2 %}b{% else %}c{% endif %}
----
{% if 0 %}a{% elif 2 %}b{% else %}c{% endif %}
----
{% if 0 %}a{% elif 0 %}b{% else %}c{% endif %}
----
{% if missing %}a{% else %}b{% endif %}{% if not missing %}c{% endif %}
----
{% if no %}{{ 'x' | nope }}{% endif %}fine
----
{% if yes %}{{ 'x' | nope }}{% endif %}
----
{% if no %}{% for i in [1] %}{{ 'x' | nope }}{% endfor %}{% endif %}
----
{{ 'x' | nope if no else 'y' }}
----
{% if no %}{{ 'x' is nope }}{% endif %}fine
----
{% if no %}{% macro m() %}{{ 1 | nope }}{% endmacro %}{% endif %}
----
{% macro add(a, b=2) %}{{ a + b }}{% endmacro %}{{ add(1) }}{{ add(1, 5) }}{{ add(a=3) }}{{ add(b=1, a=1) }}
----
{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}
----
{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}
----
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
----
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=1) }}
----
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
----
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
----
{% macro m(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}
----
{% macro m(a=1, b) %}{% endmacro %}
----
{% macro m(a, a) %}{% endmacro %}
----
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}
----
{% macro m(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(1, 2, 3) }}
----
{% macro m(a) %}{{ kwargs }}{% endmacro %}{{ m(1, x=2) }}
----
{% macro m(varargs) %}{{ varargs }}{% endmacro %}{{ m(1) }}
----
{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body {{ n }}{% endcall %}
----
{% macro m() %}<{{ caller(1, 2) }}>{% endmacro %}{% call(a, b) m() %}{{ a }}-{{ b }}{% endcall %}
----
{% macro m() %}<{{ caller(1) }}>{% endmacro %}{% call(a, b=9) m() %}{{ a }}-{{ b }}{% endcall %}
----
{% macro m() %}{{ caller }}{% endmacro %}{{ m() }}
----
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
----
{% macro m() %}{% if caller %}{{ caller() }}{% else %}no caller{% endif %}{% endmacro %}{{ m() }}{% call m() %}yes{% endcall %}
----
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
----
{% macro m(caller=none) %}{{ caller() if caller else 'none' }}{% endmacro %}{{ m() }}{% call m() %}c{% endcall %}
----
{% macro m(caller) %}{{ caller() }}{% endmacro %}
----
{% call 5 %}x{% endcall %}
----
{% call n() %}x{% endcall %}
----
{% macro outer() %}{% macro inner(x) %}({{ x }}){% endmacro %}{{ inner(1) }}{{ inner(2) }}{% endmacro %}{{ outer() }}{{ inner }}
----
{% macro fact(k) %}{% if k <= 1 %}1{% else %}{{ k * (fact(k - 1) | int) }}{% endif %}{% endmacro %}{{ fact(10) }}
----
{% macro m(t) %}{% for x in t %}{{ m(x) if x is sequence and x is not string else x }},{% endfor %}{% endmacro %}{{ m([1, [2, [3]]]) }}
----
{% macro m() %}{% set x = 5 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{{ x }}
----
{% macro m() %}{% set ns.x = ns.x + 1 %}{% endmacro %}{% set ns = namespace(x=0) %}{{ m() }}{{ m() }}{{ ns.x }}
----
{% macro m(x) %} {{ x }} {% endmacro %}[{{ m(1) | trim }}]{{ m(2) | length }}
----
{% macro m() %}{% endmacro %}{{ m.name }}{{ m is callable }}{{ m is defined }}
----
{% macro m() %}text{% endmacro %}{% set s = m() %}{{ s is string }}{{ s[1:] }}{{ (s + '!') }}
----
{% macro m(x) %}{{ loop.index }}{% endmacro %}{% for i in [1, 2] %}{{ m(i) }}{% endfor %}
----
{% for i in [1, 2] %}{% macro m() %}{{ i }}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}
----
{% filter upper %}hello {{ text }}{% endfilter %}
----
{% filter replace('l', 'L') | trim %}  hello {{ text }} {% endfilter %}|
----
{% filter upper %}{% set a = 5 %}{{ a }}{% endfilter %}{{ a }}
----
{% filter nope %}x{% endfilter %}
----
{% filter indent(2) %}a
b{% filter upper %}c
d{% endfilter %}{% endfilter %}
----
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}
----
{% with a = 1, b = a %}{{ b }}{% endwith %}
----
{% set a = 9 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
----
{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}
----
{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}
----
{% with a = 1 %}{% for i in [1] %}{{ a }}{% set a = 3 %}{{ a }}{% endfor %}{{ a }}{% endwith %}
----
{% generation %}assistant {{ n }}{% endgeneration %}!
----
{% generation %}{% set g = 1 %}{{ g }}{% endgeneration %}{{ g }}
----
{% for m in messages %}{% generation %}{{ loop.index }}{{ m.content }}{% endgeneration %}{% endfor %}
----
{% for m in messages %}{% generation %}{% continue %}{% endgeneration %}{% endfor %}
----
{%- generation -%} x {%- endgeneration -%}
----
{% print 1, 'a', n %}
----
{% print %}
----
{% raw %}{{ not }} {% rendered %} {# at all #}{% endraw %}
----
{% raw -%}  x  {%- endraw %}y
----
a {%- raw %} b {% endraw -%} c
----
  {% raw %}
  x
  {% endraw %}
  y
----
{% raw %}unclosed
----
{# comment #}a{#- b -#} c {# multi
line #}
d
----
a {#- strip before #} b
----
{# unclosed
----
line 1
  {% if yes %}
  line 2
  {% endif %}
line 3
----
line 1
  {%+ if yes %}
  line 2
  {%+ endif %}
line 3
----
line 1
  {% if yes +%}
  line 2
  {% endif +%}
line 3
----
{%- if yes -%}

   a

{%- endif -%}

b
----
   {% if yes %}x{% endif %}
  {{ n }}
  {{- n -}}
  y
----
text {% if yes %}  inline  {% endif %} more
----
	{% set a = 1 %}	tab
----
{% set a = 1 %}

{% set b = 2 %}

{{ a }}

{{ b }}

----
{{ 1 }}
{{ 2 -}}
{{ 3 }}
----
a{{+1}}b
----
  {{+ 1 }}
  {#+ x #}
  {# y +#}
z
----
a
    {#- comment -#}
b
----
{% if yes %}
{% if no %}
{% endif %}
{% endif %}
end
----
{% set
   a
   =
   1
%}{{
  a
}}
----
{{ '{{' }}{{ "%}" }}{{ '{#' }}
----
{{ {'a': {'b': 1}} }}{{ {'a': {'b': 1}}['a']['b']}}
----
{{ {}}}
----
{ { x } } {% if 1 %}{ % %}{% endif %}{
----
plain { text } with % and # and }}
----
{{ x
----
{% if x
----
{% if x %}
----
{% for x in y %}
----
{% endfor %}
----
{% else %}
----
{% for x in y %}{% endif %}
----
{% if x %}{% endfor %}
----
{% macro %}{% endmacro %}
----
{% macro m %}{% endmacro %}
----
{% for in x %}{% endfor %}
----
{% for x of y %}{% endfor %}
----
{% for x in %}{% endfor %}
----
{% if %}{% endif %}
----
{% if a b %}{% endif %}
----
{% unknown %}
----
{% 5 %}
----
{% %}
----
{% break %}
----
{% continue %}
----
{% macro m() %}{% break %}{% endmacro %}
----
{% for x in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
----
{% for loop in [1] %}{% endfor %}
----
{% for x in [1] %}{% set loop = 1 %}{% endfor %}
----
{% set loop = 1 %}{{ loop }}
----
{% for x in [1] %}{% with loop = 2 %}{{ loop }}{% endwith %}{% endfor %}
----
{{ ) }}
----
{{ (1] }}
----
{{ 'a }}
----
{% if x: %}a{% endif %}
----
{% if yes: %}a{% endif %}{% for i in [1]: %}{{ i }}{% endfor %}
----
{% endset %}
----
{% set a %}x
----
{% autoescape true %}{{ '<' }}{% endautoescape_x %}
----
{% do x %}
----
{% trans %}x{% endtrans %}
----
{{ raise_exception('Conversation roles must alternate') }}
----
{% if messages[0].role != 'user' %}{{ raise_exception('first must be user') }}{% endif %}ok
----
{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content }}{% endfor %}
----
{%- for m in messages -%}
{{- '<|im_start|>' ~ m['role'] ~ '\n' ~ m['content'] | trim ~ '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\n' -}}
{%- endif -%}
----
{{ messages }}
----
{{ messages | tojson }}
----
{{ messages[0].items() | list }}
----
{{ tools }}{{ documents }}{{ tools is none }}{{ documents is defined }}
----
{{ bos_token }}|{{ eos_token }}|{{ bos_token is defined }}
----
{{ add_generation_prompt }}{{ messages | length }}
----
{% set messages = messages + [{'role': 'x', 'content': 'y'}] %}{{ messages | map(attribute='role') | join(',') }}
----
{% set content %}{{ messages[0].content }}{% endset %}{{ content }}
----
{% set m = messages[0] %}{% set m = dict(m, content='new') %}{{ m.content }}
----
{% for k, v in people | groupby('age') %}{{ k }}:{{ v | map(attribute='name') | join('+') }};{% endfor %}
----
{% for g in people | groupby('age') %}{{ g.grouper }}={{ g.list | length }} {% endfor %}
----
{% for row in range(7) | batch(3, 'x') %}{{ row | join(',') }};{% endfor %}
----
{% for col in range(7) | slice(3) %}{{ col | join(',') }};{% endfor %}
----
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set x = c.reset() %}{{ c.current }}
----
{% set j = joiner('|') %}{% for x in [1, 2] %}{{ j() }}{{ x }}{% endfor %}
----
{% set g = words | map('upper') %}{{ g | first }}{{ g | list }}{{ g | list }}
----
{% set g = words | select('nope') %}unused
----
{% set g = words | select('nope') %}{{ g | list }}
----
{% set ns = namespace(skip=false) %}{% for i in range(5) if not ns.skip %}{{ i }}{% if i == 2 %}{% set ns.skip = true %}{% endif %}{% endfor %}
----
{% set ns = namespace(l=[]) %}{% for i in range(3) %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.l }}
----
{% set ns = namespace(n=0) %}{% macro bump() %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% endmacro %}{{ bump() }}{{ bump() }}
----
{% set ns = namespace(x=1) %}{{ ns }}{% set ns.y = 'a' %}{{ ns }}
----
{% set range = 5 %}{{ range }}
----
{{ range }}
----
{{ dict }}
----
{{ namespace }}
----
{{ none.x }}|{{ messages[5] }}|{{ messages[0].nope }}
----
{{ messages[5].x }}
----
{{ messages[0].nope.x }}
----
{{ messages.nope }}
----
{{ messages.append(1) }}
----
{{ messages[0].update({'a': 1}) }}
----
{% set _ = messages.append(1) %}
----
{% if '<think>' in messages[0].content %}a{% else %}b{% endif %}
----
{% if messages[0].content is string %}{{ messages[0].content.split('<|')[0] | trim }}{% endif %}
----
{%- set today = strftime_now("%d %b %Y") -%}{{ today }}
----
{% set date_string = date_string if date_string is defined else strftime_now('%Y') %}{{ date_string }}
----
{% if strftime_now is defined %}yes{% endif %}
----
{{ '%s' | format(messages[0].content) }}
----
{{ messages[0]['content'][:2] ~ messages[0]['content'][-1] }}
----
{% set x = {'a': [1, 2]} %}{% for k, v in x.items() %}{% for i in v %}{{ k }}{{ i }}{% endfor %}{% endfor %}
----
{% set x = {'a': {'b': 'c'}} %}{{ x.a.b }}{{ x['a']['b'] }}{{ x.a }}{{ x.z }}
----
{% set a = [1] %}{% set b = a %}{% set a = a + [2] %}{{ a }}{{ b }}
----
{% set s = '' %}{% for c in 'abc' %}{% set s = s ~ c %}{% endfor %}[{{ s }}]
----
{% set ns = namespace(s='') %}{% for c in 'abc' %}{% set ns.s = ns.s ~ c %}{% endfor %}[{{ ns.s }}]
----
{% for x in [1, 2, 3] %}{% if loop.first %}first {% elif loop.last %}last{% else %}mid {% endif %}{% endfor %}
----
{% for x in [[1, 2], [3]] %}{% set outer = loop %}{% for y in x %}{{ outer.index }}.{{ loop.index }} {% endfor %}{% endfor %}
----
{% for x in [1, 2] %}{% for y in [3, 4] %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}
----
{% for x in [1, 2] %}{% set l = loop %}{% if loop.last %}{{ l.index }}{{ l.length }}{% endif %}{% endfor %}
----
{% set x = 1 %}{% if true %}{% set x = 2 %}{% for i in [1] %}{% set x = 3 %}{% endfor %}{% endif %}{{ x }}
----
{% set x = 1 %}{% macro m() %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}{% endmacro %}{{ m() }}{{ x }}
----
{% if false %}{% set x = 1 %}{% elif true %}{% set x = 2 %}{% endif %}{{ x }}
----
{% if false %}{% set x = 1 %}{% elif false %}{% set x = 2 %}{% endif %}{{ x is defined }}
----
{% for i in range(3) %}{% if i == 0 %}{% set text = 'changed' %}{% endif %}{{ text }};{% endfor %}
----
{% set text = 'root' %}{% for i in range(2) %}{% if i == 0 %}{% set text = 'changed' %}{% endif %}{{ text }};{% endfor %}
----
{% filter trim %}
   {% for x in [1, 2] %}
   {{ x }}
   {% endfor %}
{% endfilter %}
----
{% block content %}x{% endblock_x %}
----
{% include 5 5 %}
----
{{ 'a' 'b' ~ 'c' 'd' }}
----
{{ -1 | abs }}{{ (-1) | abs }}{{ - 1 | abs }}
----
{{ 1 if true }}{{ 1 if false }}{{ (1 if false) is undefined }}
----
{{ loop is defined }}{% for x in [1] %}{{ loop is defined }}{% endfor %}
----
{% set self = 1 %}{{ self }}
----
é日👋 {{ 'é日👋' }} {% if true %}ü{% endif %}
----
{% set größe = 1 %}{{ größe }}
----
{% for x in [1, 2, 3] %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}{{ x }}
----
{% for x in messages %}{% with c = x.content %}{% if c %}{% break %}{% endif %}{% endwith %}never{% endfor %}ok
----
{% for x in [1, 2] %}{% set v %}{% if x == 1 %}{% continue %}{% endif %}v{{ x }}{% endset %}{{ v }}{% endfor %}
----
{% for x in [1, 2] %}{% filter upper %}a{{ x }}{% if x == 1 %}{% continue %}{% endif %}b{% endfilter %}{% endfor %}
----
{% macro a() %}{{ caller() }}{% endmacro %}{% macro b() %}{% call a() %}[{{ caller() }}]{% endcall %}{% endmacro %}{% call b() %}x{% endcall %}
----
{% macro m(x, y='d') %}{{ x }}{{ y }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'x': 3}) }}{{ m(1, **{'y': 2}) }}
----
{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(3) }}
----
{% set f = dict %}{{ f(a=1) }}{% set up = 'abc'.upper %}{{ up() }}
----
{% set get = d.get %}{{ get('a') }}{{ get('zz', 0) }}
----
{{ (messages | selectattr('role', 'equalto', 'user') | list | last).content }}
----
{% if (messages | selectattr('role', 'equalto', 'system') | list) %}s{% else %}n{% endif %}
----
{% set loop_messages = messages[1:] %}{{ loop_messages }}{{ loop_messages | length }}
----
{%- macro json_to_python_type(spec) %}
    {%- set basic = {'string': 'str', 'number': 'float', 'integer': 'int', 'boolean': 'bool'} %}
    {%- if basic[spec.type] is defined %}
        {{- basic[spec.type] }}
    {%- elif spec.type == 'array' %}
        {{- 'list[' + json_to_python_type(spec['items']) + ']' }}
    {%- elif spec.type == 'object' %}
        {{- 'dict[str, ' ~ json_to_python_type(spec.additionalProperties) ~ ']' if spec.additionalProperties else 'dict' }}
    {%- elif spec.type is iterable %}
        {%- for t in spec.type %}{{ json_to_python_type({'type': t}) }}{% if not loop.last %} | {% endif %}{% endfor %}
    {%- endif %}
{%- endmacro %}
{{ json_to_python_type({'type': 'array', 'items': {'type': 'object', 'additionalProperties': {'type': 'integer'}}}) }}
{{ json_to_python_type({'type': ['string', 'number']}) }}
""".strip("\n").split("\n----\n")
