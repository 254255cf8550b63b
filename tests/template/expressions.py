"""Expressions that weft and Jinja2 must agree on: the same text, or an error from both."""

VARIABLES = {
    "text": "Hello, World",
    "spaced": "  two  words \n",
    "empty": "",
    "lines": "one\ntwo\r\nthree\x0bfour\n",
    "unicode": "Grüße, Ω! straße ΑΣ ß İ ǆ 日本 👋🏽",
    "n": 42,
    "zero": 0,
    "one": 1,
    "two": 2,
    "letter": "l",
    "pair": [1, "x,y"],
    "pairs": [["a", 1], ["b", 2]],
    "neg": -7,
    "pi": 3.14159,
    "big": 1e20,
    "yes": True,
    "no": False,
    "nothing": None,
    "items_": [3, 1, 2],
    "words": ["banana", "Apple", "cherry", "apple"],
    "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}],
    "d": {"b": 2, "a": 1, "C": 3},
    "nested": {"x": {"y": [10, 20, {"z": "deep"}]}, "items": "shadow", "get": 5, "name": "n"},
    "people": [
        {"name": "Ann", "age": 30, "city": "Rome", "tags": ["x", "y"]},
        {"name": "bob", "age": 25, "city": "rome", "tags": []},
        {"name": "Cid", "age": 30, "city": "Oslo"},
    ],
    "html": "<a href=\"x\">T&C's</a> <!-- no --> &amp; more",
    "quotes": "it's \"both\" \\ and \t tab",
    "percent": "100%",
}

EXPRESSIONS = """
1
-1
+1
1.5
.5
1.
1e3
1E-7
1_000
0x1f
0b101
0o17
007
'a' 'b'
"a\\nb"
'\\x41\\u00e9\\U0001F600'
'\\101'
'\\d\\q'
'a\\
b'
'unterminated
true
True
TRUE
none
None
null
false or true
[]
[1, 2, 3]
[1, 2, 3,]
(1,)
(1, 2)
()
1, 2
{}
{'a': 1}
{'a': 1, 'a': 2}
{1: 'a', 1.0: 'b', true: 'c'}
{[1]: 2}
{(1, 2): 3}
[[], {}, ()]
{'a': {'b': [1, {'c': none}]}}
1 + 2
1 + 2.0
1 + true
'a' + 'b'
'a' + 1
1 + 'a'
[1] + [2]
[1] + (2,)
(1,) + (2,)
{} + {}
none + 1
5 - 3
5 - 3.5
'a' - 'b'
2 * 3
2 * 'ab'
'ab' * 3
'ab' * 0
'ab' * -1
'ab' * 1.5
[1, 2] * 2
2 * (1,)
'a' * 'b'
7 / 2
6 / 2
1 / 0
1.0 / 0
7 // 2
-7 // 2
7 // -2
7.5 // 2
-7.5 // 2
1 // 0
7 % 3
-7 % 3
7 % -3
7.5 % 2
-7.5 % 2
7 % 0
2 ** 10
2 ** -1
2 ** 0.5
2 ** 3 ** 2
-2 ** 2
0 ** 0
0 ** -1
(-8) ** 0.5
10 ** 18
10 ** 18 * 9
9223372036854775807
-9223372036854775807 - 1
1 + 2 * 3
(1 + 2) * 3
1 - 2 - 3
2 * 3 % 4
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1]
1 ~ 2 + 3
1 + 2 ~ 3
not true
not not 1
not 1 == 2
-n
+neg
-'a'
+'a'
-none
-true
- - 3
1 < 2
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 == 2 != 1
1 == 1.0
1 == true
'a' == 'a'
'a' == 1
'a' < 'b'
'a' < 1
none < none
none == none
[1, 2] == [1, 2]
[1, 2] == (1, 2)
[1, 2] < [1, 3]
[1] < [1, 2]
(1, 'a') < (1, 'b')
[1, 'a'] < [1, 2]
{} == {}
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
{} < {}
missing == missing
missing == none
missing < 1
1 in [1, 2]
1 in (1, 2)
1.0 in [1]
'a' in 'abc'
'' in ''
1 in 'abc'
'a' in {'a': 1}
[1] in {'a': 1}
1 in 5
1 in none
1 in missing
missing in [1]
missing in 'abc'
1 not in [1, 2]
'x' not in 'abc'
not 'x' in 'abc'
3 in range(5)
3.0 in range(5)
'3' in range(5)
1 and 2
0 and 2
1 or 2
0 or ''
'' or none or 'x'
1 and 0 or 3
true and not false
missing or 'default'
missing and 1
'a' if true else 'b'
'a' if false else 'b'
'a' if false
('a' if false) is defined
('a' if false).x
'a' if missing else 'b'
'a' if no else 'b' if no else 'c'
1 if true else 2 if true else 3
(1 if yes) + 1
missing
missing.x
missing['x']
missing[0]
missing()
missing + 1
'a' + missing
'a' ~ missing
missing * 2
-missing
not missing
missing | length
missing | list
missing | first
missing | last
missing | join(',')
missing | upper
missing | trim
missing | int
missing | float
missing | string
missing | tojson
missing | default('d')
missing | d('d')
missing | default
missing | default(value='x')
missing | default(default_value='x')
missing.x | default('d')
nested.nope | default('d')
nested.nope.x | default('d')
'' | default('d')
'' | default('d', true)
none | default('d')
none | default('d', true)
0 | default('d', boolean=true)
missing is defined
missing is undefined
nested.x is defined
nested.nope is defined
nested.nope.x is defined
none is defined
n.x
n.real
none.x
none.x.y
'abc'.x
'abc'['x']
text[0]
text[-1]
text[100]
text['0']
text[1.0]
text[true]
text[none]
text[1:4]
text[:5]
text[-5:]
text[::2]
text[::-1]
text[5:1:-2]
text[1:1]
text[100:]
text[:-100]
text[::0]
text['a':]
text[none:2]
text[:missing]
unicode[2:4]
unicode[-2:]
unicode[::-1]
unicode[5]
items_[0]
items_[-1]
items_[3]
items_[1:]
items_[::-1]
items_[:-1]
items_[5:]
items_[0:2:5]
items_['0']
items_.0
items_.1
items_.5
(1, 2, 3)[1:]
(1, 2, 3)[-1]
d['a']
d.a
d.b
d['zzz']
d.zzz
d.zzz.y
d[1]
d[1:2]
d[[1]]
nested.x.y[2].z
nested['x']['y'][0]
nested.x['y'].2.z
nested.items
nested['items']
nested.get
nested.name
nested.keys
d.items()
d.keys()
d.values()
d.items() | list
d.keys() | list
d.values() | list
d.items() | length
d.keys() | first
d.keys()[0]
d.get('a')
d.get('zz')
d.get('zz', 'q')
d.get()
d.get([1])
d.copy()
d.pop('a')
d.update({'x': 1})
d.clear()
d.popitem()
d.setdefault('x', 1)
d.setdefault
d.__class__
d['__class__']
''.__class__.__mro__
d.fromkeys(['a', 'b'])
d.fromkeys(['a'], 1)
dict.fromkeys(['a'])
dict(a=1, b=2)
dict([('a', 1), ('b', 2)])
dict({'a': 1}, b=2)
dict(d)
dict(1)
dict([1])
dict([(1, 2, 3)])
dict(d, d)
items_.append(4)
items_.append
items_.append is defined
items_.pop()
items_.sort()
items_.index(1)
items_.index(9)
items_.index(2, 1)
items_.index(3, 1)
items_.count(1)
items_.copy()
(1, 2, 1).count(1)
(1, 2).index(2)
range(5)
range(5) | list
range(2, 5) | list
range(10, 0, -3) | list
range(0) | list
range(1, 2, 0)
range('a')
range()
range(1.5)
range(100001)
range(100000) | length
range(5)[1:]
range(10)[2:8:3] | list
range(10)[::-1] | list
range(5)[-1]
range(5)[9]
range(5) | last
range(5) | sum
range(3) == range(3)
range(5) | reverse | list
range(2, 5).count(3)
range(2, 5).index(4)
text.upper()
text.lower()
text.title()
text.capitalize()
text.swapcase()
text.casefold()
unicode.upper()
unicode.lower()
unicode.title()
unicode.capitalize()
unicode.swapcase()
unicode.casefold()
'ΑΣ'.lower()
'ΑΣΑ'.lower()
'Σ'.lower()
"o'neil's".title()
'ǆ'.title()
'ﬁ'.upper()
'ŉ'.upper()
'hello world'.capitalize()
''.capitalize()
spaced.strip()
spaced.lstrip()
spaced.rstrip()
'xxhixx'.strip('x')
'xyhixy'.strip('yx')
'xxhixx'.lstrip('x')
'xxhixx'.rstrip('x')
'xhix'.strip('')
'hi'.strip(1)
'hi'.strip(none)
'\u2003hi\u3000\x1c'.strip()
'a,b,,c'.split(',')
'a,b,c'.split(',', 1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.split(sep=',')
'a b  c'.split()
'  a b  '.split()
' a  b  c '.split(none, 1)
' a  b  c '.split(maxsplit=1)
''.split()
''.split(',')
'abc'.split('')
'abc'.split(1)
'a,b,c'.rsplit(',', 1)
' a  b  c '.rsplit(none, 1)
'a,b,c'.rsplit(',')
'aaa'.rsplit('aa')
'aaa'.split('aa')
'a</think>b</think>c'.split('</think>')[-1]
lines.splitlines()
lines.splitlines(true)
lines.splitlines(keepends=true)
''.splitlines()
'a\n\nb'.splitlines()
'abc'.startswith('a')
'abc'.startswith(('x', 'a'))
'abc'.startswith('b', 1)
'abc'.startswith('', 3)
'abc'.startswith('', 4)
'abc'.startswith(['a'])
'abc'.startswith(1)
'abc'.startswith('c', -1)
'abc'.endswith('c')
'abc'.endswith(('x', 'bc'))
'abc'.endswith('b', 0, 2)
'abcabc'.find('c')
'abcabc'.find('c', 3)
'abcabc'.find('x')
'abcabc'.rfind('b')
'abcabc'.index('b')
'abcabc'.index('x')
'abcabc'.rindex('c')
unicode.find('日')
'abcabc'.count('b')
'aaaa'.count('aa')
'abc'.count('')
'abcabc'.count('b', 2)
'a-b-c'.replace('-', '+')
'a-b-c'.replace('-', '+', 1)
'a-b-c'.replace('', '.')
'abc'.replace('', '.', 2)
''.replace('', 'x')
'aaa'.replace('aa', 'b')
'abc'.replace('b')
','.join(['a', 'b'])
','.join('abc')
','.join([1, 2])
','.join([])
','.join(d)
', '.join(words | map('lower'))
','.join(1)
'a{}b{}'.format(1, 'x')
'{0}{1}{0}'.format('a', 'b')
'{x}-{y}'.format(x=1, y=2)
'{{}}'.format()
'{'.format()
'}'.format()
'{}'.format()
'{0}{}'.format(1, 2)
'{a.b}'.format(a={'b': 3})
'{a[b]}'.format(a={'b': 3})
'{a[0]}'.format(a=[7])
'{0.__class__}'.format(1)
'{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c')
'{:*^7}'.format('ab')
'{:05d}'.format(42)
'{:+d}'.format(42)
'{:x} {:X} {:o} {:b} {:#x}'.format(255, 255, 8, 5, 255)
'{:,}'.format(1234567)
'{:_}'.format(1234567)
'{:,.2f}'.format(1234567.891)
'{:.3f}'.format(3.14159)
'{:.2e}'.format(12345.678)
'{:g}'.format(0.00001)
'{:.3}'.format(3.14159)
'{:.3}'.format('abcdef')
'{:%}'.format(0.25)
'{:.1%}'.format(0.256)
'{:d}'.format('a')
'{:d}'.format(1.5)
'{:s}'.format(1)
'{!r}'.format('a')
'{!s:>4}'.format(1)
'{!x}'.format(1)
'{:{}}'.format('a', 5)
'{:08.3f}'.format(-3.14159)
'{:010,}'.format(1234)
'{:09,} {:08,} {:07,} {:04,} {:03,} {:01,}'.format(1234, 1234, 1, 1, 1, 1)
'{:012,.2f} {:011,.2f} {:010_x} {:+09,}'.format(1234.5, 1234.5, 255, 1234)
'{:0=10,} {:*=10,} {:>10,}'.format(1234, 1234, 1234)
'{:c}'.format(65)
'{}'.format(none)
'{:5}'.format(none)
'{}'.format([1, 'a'])
'{:5}'.format(true)
'{:5}'.format(1.0)
'{:^10}'.format('abc')
'{:=^9}'.format('abc')
'{x}'.format_map({'x': 1})
'%s' % 'a'
'%s and %s' % ('a', 1)
'%s' % (1,)
'%s' % [1, 2]
'%d' % 42
'%d' % 3.99
'%d' % -3.99
'%d' % 'a'
'%5d|%-5d|%05d|%+d|% d' % (1, 2, 3, 4, 5)
'%x %X %o %#x %#o' % (255, 255, 8, 255, 8)
'%x' % 1.5
'%f %.2f %e %g' % (1.5, 2.345, 12345.678, 0.0001)
'%10.3f|%-10.2f|%010.2f' % (3.14159, 2.5, -1.5)
'%r' % 'it'
'%s %s' % 'a'
'%s' % ()
'%s %%' % 1
'%(a)s %(b)d' % {'a': 'x', 'b': 2}
'%(zz)s' % {'a': 1}
'%(a)s' % 1
'abc' % 1
'abc' % ()
'abc' % {}
'abc' % []
'%c%c' % ('a', 66)
'%c' % 'ab'
'%5s|%-5s|%.2s' % ('a', 'b', 'cdef')
'%*d' % (5, 42)
'%.*f' % (2, 3.14159)
'%z' % 1
'%' % 1
'%i %u' % (1, 2)
'%s' % missing
'%d' % missing
'%s' % none
'%d' % true
'%a' % 'é'
'%5%' % ()
'a|b|c'.partition('|')
'abc'.partition('|')
'a|b|c'.rpartition('|')
'abc'.rpartition('|')
'abc'.partition('')
'prefix-x'.removeprefix('prefix-')
'abc'.removeprefix('x')
'x-suffix'.removesuffix('-suffix')
'abc'.removesuffix('')
'a'.center(5)
'ab'.center(5)
'ab'.center(6, '*')
'ab'.center(6, '**')
'a'.ljust(3) ~ '|'
'a'.rjust(3, '.')
'42'.zfill(5)
'-42'.zfill(5)
'+4'.zfill(4)
'a\tb\tc'.expandtabs()
'a\tb'.expandtabs(4)
'a\tb'.expandtabs(tabsize=2)
'a\tb'.expandtabs(0)
'abc'.isalpha()
'abc1'.isalpha()
'abc1'.isalnum()
''.isalpha()
'12'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
'½'.isdigit()
'١'.isdecimal()
' \t'.isspace()
''.isspace()
'ab'.islower()
'aB'.islower()
'12'.islower()
'AB1'.isupper()
'Ab Cd'.istitle()
'Ab cd'.istitle()
'abc'.isascii()
'é'.isascii()
''.isascii()
'abc'.isidentifier()
'1abc'.isidentifier()
'a\n'.isprintable()
'日本'.isalpha()
'abc'.encode()
'abc'.nope()
'abc'.upper
'abc'.upper is callable
'abc'.join is string
'abc'.upper(1)
'abc'.split(bad=1)
'ab'.translate({97: 'x'})
-5 | abs
-5.5 | abs
'a' | abs
true | abs
-n | abs
d | attr('items') is callable
d | attr('a')
d | attr('a') is defined
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3, 4, 5] | batch(2, 'x') | list
[1, 2, 3] | batch(0) | list
[] | batch(2) | list
[1, 2] | batch
'hello WORLD' | capitalize
'ß' | capitalize
5 | capitalize
'ab' | center(6) ~ '|'
'ab' | center
d | dictsort
d | dictsort(true)
d | dictsort(false, 'value')
d | dictsort(reverse=true)
d | dictsort(by='nope')
[1] | dictsort
missing | dictsort
html | escape
html | e
html | e | e
html | forceescape
(html | e) ~ '<'
(html | e) + '<'
'<' + (html | e)
(html | safe) + '<b>'
('<' | safe) * 2
('%s' | safe) % '<'
('%s' | safe) % ('<' | safe)
('<b>' | safe).upper()
('a<b' | e).split('&')
('<' | safe).join(['<', '>'])
('<{}>' | safe).format('<')
[html | e]
('<' | safe) | tojson
('<' | safe) is escaped
'<' is escaped
5 | e
none | e
('<a>' | safe)[0] + '>'
('<x>' | safe).replace('x', '<')
('x' | safe) | upper is escaped
('x' | safe) | string is escaped
('x' | safe) ~ 'y' is escaped
'<' | replace('<', '&')
('a' | safe) | join is escaped
1 | filesizeformat
100 | filesizeformat
1000 | filesizeformat
1234567 | filesizeformat
1234567 | filesizeformat(true)
1e27 | filesizeformat
'abc' | filesizeformat
'2048' | filesizeformat(binary=true)
[1, 2] | first
[] | first
'abc' | first
'' | first
d | first
5 | first
none | first
'3.7' | float
'abc' | float
'abc' | float(1.5)
'  1e3 ' | float
'inf' | float
'nan' | float
'-Infinity' | float
'1_0.5' | float
none | float
[] | float
true | float
'%s-%s' | format('a', 'b')
'%(x)s' | format(x=1)
'%s' | format(1, x=2)
'abc' | format
people | groupby('city')
people | groupby('city') | map(attribute='grouper') | list
people | groupby('city', case_sensitive=true) | map('first') | list
people | groupby('age') | map('last') | map('length') | list
people | groupby('nope')
people | groupby('nope', default='x') | map('first') | list
people | groupby('tags.0', default='none') | map('first') | list
(people | groupby('age'))[0].list | length
(people | groupby('age'))[0].grouper
(people | groupby('age'))[0][0]
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2)
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(2, true, true)
'a\nb' | indent('>> ')
'a\nb' | indent(width=1, first=true)
'a\nb\n' | indent(2)
'' | indent
'' | indent(first=true)
'a' | indent(0)
5 | indent
'42' | int
'42.9' | int
'abc' | int
'abc' | int(7)
'abc' | int(default=7)
'0x1f' | int(base=16)
'1f' | int(0, 16)
'0b11' | int(0, 2)
'0o17' | int(0, 0)
'017' | int(0, 0)
'z' | int(0, 36)
' 12 ' | int
'1_000' | int
'_1' | int
'1__0' | int
'+5' | int
'- 5' | int
'' | int
none | int
[] | int
[] | int(3)
3.99 | int
-3.99 | int
1e5 | int
'1e5' | int
('inf' | float) | int
('nan' | float) | int
true | int
d | items | list
d | items
missing | items | list
[1] | items | list
5 | items
[1, 2, 3] | join
[1, 2, 3] | join(', ')
[1, none, 'a', 1.0, true] | join('|')
'abc' | join('-')
people | join(', ', attribute='name')
people | join(', ', 'name')
people | map(attribute='nope') | join(',')
d | join(',')
5 | join
none | join(',')
[1, 2] | join(5)
[1, 2] | join(none)
[1, 2] | last
[] | last
'abc' | last
d | last
(1, 2) | last
(words | map('upper')) | last
(d | items) | last
d.items() | last
5 | last
'abc' | length
unicode | length
[1, 2] | count
d | length
5 | length
none | length
(words | map('upper')) | length
'abc' | list
d | list
(1, 2) | list
5 | list
none | list
'ABC' | lower
5 | lower
none | lower
words | map('upper') | list
words | map('upper')
words | map('replace', 'a', 'o') | list
words | map('default', 'x') | join(',')
people | map(attribute='name') | list
people | map(attribute='tags.0') | list
people | map(attribute='tags', default='-') | list
people | map(attribute='age') | sum
people | map(attribute='nope', default='?') | list
people | map('nope') | list
people | map() | list
people | map(5) | list
people | map(upper) | list
people | map(attribute='a', other=1) | list
[] | map('nope') | list
missing | map('upper') | list
5 | map('upper') | list
0 | map('upper') | list
'ab' | map('upper') | list
[[1, 2], [3]] | map('sum') | list
[[1, 2], [3]] | map('first') | list
['a', 'b'] | map('tojson') | join(',')
[1, 2] | map('string') | list
['1', '2'] | map('int') | sum
[[3, 1], [2]] | map('sort') | list
[{'a': 1}] | map('items') | map('list') | list
people | map('attr', 'name') | list
[3, 1, 2] | max
[3, 1, 2] | min
[] | max
[] | min
words | max
words | min
words | min(true)
words | max(case_sensitive=true)
people | max(attribute='age')
people | min(attribute='age')
[1, 'a'] | max
['a', 'B'] | max
5 | max
[1, 2.5, true] | max
words | reject('equalto', 'apple') | list
[1, 2, 3, 4] | reject('odd') | list
[0, 1, '', 'a', none] | reject | list
[0, 1, '', 'a', none] | select | list
[1, 2, 3, 4] | select('even') | list
[1, 2, 3, 4] | select('divisibleby', 3) | list
[1, 2, 3, 4] | select('>', 2) | list
[1, 2, 3, 4] | select('in', [2, 3]) | list
mixed | select('string') | list
mixed | select('number') | list
mixed | reject('none') | list
mixed | select('mapping') | list
mixed | select('sequence') | list
mixed | select('nope') | list
[] | select('nope') | list
people | selectattr('age', 'equalto', 30) | map(attribute='name') | list
people | selectattr('age', 'gt', 26) | list | length
people | selectattr('tags') | map(attribute='name') | list
people | selectattr('tags', 'defined') | map(attribute='name') | list
people | rejectattr('tags', 'defined') | map(attribute='name') | list
people | rejectattr('age', '==', 30) | map(attribute='name') | list
people | selectattr | list
people | selectattr('tags.0', 'undefined') | map(attribute='name') | list
people | selectattr('nope.x') | list
(people | selectattr('age', 'eq', 99)) is defined
'yes' if people | selectattr('age', 'eq', 99) else 'no'
'yes' if people | selectattr('age', 'eq', 99) | list else 'no'
people | selectattr('age', 'eq', 99) | first
people | selectattr('age', 'eq', 99) | first is defined
(people | selectattr('age', 'eq', 30) | list)[0].name
(people | selectattr('age', 'eq', 30))[0]
'a-b-c' | replace('-', '+')
'a-b-c' | replace('-', '+', 1)
'a-b-c' | replace('-', '+', count=1)
'aaa' | replace('a', none)
12321 | replace(2, 'x')
'abc' | replace('b')
'abc' | reverse
unicode | reverse
[1, 2, 3] | reverse | list
[1, 2, 3] | reverse
(1, 2) | reverse | list
d | reverse | list
(words | map('upper')) | reverse
(words | map('upper')) | reverse | first
5 | reverse
none | reverse
missing | reverse | list
42.55 | round
42.55 | round(1)
42.55 | round(1, 'floor')
42.55 | round(1, 'ceil')
42.5 | round
43.5 | round
2.675 | round(2)
-42.55 | round(1)
1234 | round(-2)
1250 | round(-2)
1350 | round(-2)
1234.5 | round(-2)
1250.0 | round(-2)
42 | round
42 | round(1)
42 | round(method='floor')
42.55 | round(method='nope')
'a' | round
true | round
1e300 | round(5)
0.5 | round
1.5 | round(precision=0)
[1, 2, 3, 4, 5] | slice(2) | list
[1, 2, 3, 4, 5] | slice(3, 'x') | list
[1, 2] | slice(5) | list
[1, 2] | slice(0) | list
[1, 2] | slice(-1) | list
[3, 1, 2] | sort
[3, 1, 2] | sort(reverse=true)
[3, 1, 2] | sort(true)
words | sort
words | sort(case_sensitive=true)
words | sort(false, true)
people | sort(attribute='name') | map(attribute='name') | list
people | sort(attribute='age,name') | map(attribute='name') | list
people | sort(attribute='age', reverse=true) | map(attribute='name') | list
people | sort(attribute='nope') | length
[1, 'a'] | sort
[1, none] | sort
[[2, 1], [1, 2]] | sort
[{'a': 1}, {'a': 0}] | sort
'banana' | sort | join
d | sort
5 | sort
[1.5, 1, true] | sort
5 | string
none | string
[1, 'a'] | string
missing | string
html | striptags
'a <b>bold</b>  c' | striptags
'a &lt; b &#65; &amp;' | striptags
'a < b' | striptags
[1, 2, 3] | sum
[1, 2.5] | sum
[] | sum
[] | sum(start=5)
[[1], [2]] | sum(start=[])
['a'] | sum
['a'] | sum(start='')
people | sum(attribute='age')
people | sum('age', 10)
missing | sum
'hello world' | title
"it's a-b (c) [d]" | title
'HELLO wORLD' | title
5 | title
'ǆx' | title
{'a': 1} | tojson
{'a': [1, 2.5, true, none, 'x']} | tojson
{'a': {'b': [1, {'c': []}]}} | tojson(indent=2)
{'a': [], 'b': {}} | tojson(indent=2)
[1, [2, []]] | tojson(indent=0)
{'a': 1} | tojson(indent='\t')
{'b': 1, 'a': 2} | tojson(sort_keys=true)
{'b': 1, 'a': 2} | tojson(separators=(',', ':'))
{'b': [1], 'a': 2} | tojson(indent=1, separators=(',', ':'))
{'a': 'é日👋'} | tojson
{'a': 'é日👋'} | tojson(ensure_ascii=true)
{'a': '</script> & "q" \\ \n \t \x01 \x7f \u2028'} | tojson
{1: 'a', true: 'b', none: 'c', 1.5: 'd'} | tojson
{(1, 2): 'a'} | tojson
[1e20, 1e16, 1e15, 0.1, 1e-5, 1.0, -0.0] | tojson
('nan' | float) | tojson
[('inf' | float), -('inf' | float)] | tojson
(1, 2) | tojson
range(3) | tojson
'a' | tojson
none | tojson
true | tojson
d.items() | tojson
(words | map('upper')) | tojson
nested | tojson
d | tojson(4)
d | tojson(false, 4)
d | tojson(nope=1)
d | tojson(indent=none)
{1: 'a', 'b': 2} | tojson(sort_keys=true)
unicode | tojson
quotes | tojson
spaced | trim
'xxhixx' | trim('x')
5 | trim
none | trim
'  a ' | trim ~ '|'
'  a ' | trim(chars=' ')
'foo bar baz qux' | truncate(9)
'foo bar baz qux' | truncate(9, true)
'foo bar baz qux' | truncate(11)
'foo bar baz qux' | truncate(11, false, '...', 0)
'foo bar baz qux' | truncate(9, end='!')
'foobarbazqux' | truncate(5, leeway=0)
'foo' | truncate(2)
'foo' | truncate(-1)
5 | truncate
[1, 2, 3] | unique | list
words | unique | list
words | unique(true) | list
people | unique(attribute='age') | map(attribute='name') | list
[[1], [1]] | unique | list
[1, 1.0, true, '1'] | unique | list
'abc' | upper
5 | upper
'ß' | upper
'a b/c?d=é&f' | urlencode
{'a b': 'c/d', 'e': 1} | urlencode
[('a', 1), ('b', '&')] | urlencode
5 | urlencode
none | urlencode
'one two-three four_five' | wordcount
unicode | wordcount
5 | wordcount
'the quick brown fox jumps over the lazy dog' | wordwrap(10)
'the quick brown fox-trot jumps' | wordwrap(12)
'averyveryverylongword and more' | wordwrap(8)
'averyveryverylongword and more' | wordwrap(8, false)
'a b c d e f' | wordwrap(3, wrapstring='|')
'para one\n\npara two is longer' | wordwrap(8)
'well-known facts--and others' | wordwrap(7)
'well-known facts' | wordwrap(7, break_on_hyphens=false)
'  leading and   inner   spaces  ' | wordwrap(9)
'a' | wordwrap(0)
'x-y-z-longer-hyphen-chain' | wordwrap(6)
{'class': 'a b', 'id': none, 'x': 1, 'y': '<"'} | xmlattr
{'class': 'a'} | xmlattr(false)
{'a b': 1} | xmlattr
{} | xmlattr
text | pprint | length
text | nope
text is nope
'nope' is filter
'upper' is filter
'odd' is test
'nope' is test
1 is odd
2 is even
3 is odd()
'a' is odd
1.0 is odd
6 is divisibleby 3
6 is divisibleby(4)
6 is divisibleby 0
n is number
'1' is number
true is number
true is integer
1 is integer
1.0 is integer
1.0 is float
true is boolean
1 is boolean
true is true
1 is true
false is false
none is none
0 is none
not none is none
none is not none
'a' is string
1 is string
[] is sequence
'a' is sequence
{} is sequence
5 is sequence
missing is sequence
range(3) is sequence
d.items() is sequence
(words | map('upper')) is sequence
{} is mapping
[] is mapping
[] is iterable
'a' is iterable
5 is iterable
none is iterable
missing is iterable
d.items() is iterable
(words | map('upper')) is iterable
range is callable
text is callable
missing is callable
namespace is callable
namespace(a=1) is mapping
'abc' is lower
'ABC' is upper
'Abc' is lower
1 is lower
n is sameas n
none is sameas none
true is sameas true
1 is sameas true
[] is sameas []
d is sameas d
1 is eq 1
1 is equalto 1
1 is ne 2
1 is lt 2
1 is le 1
1 is gt 0
1 is ge 2
1 is greaterthan 0
1 is lessthan 2
1 is == 1
2 is in [1, 2]
'a' is in 'abc'
'a' is not in 'abc'
1 is in 5
1 is not odd
n is defined and n is number
n is divisibleby 2 and n is even
text is string or text is mapping
'a' if n is defined else 'b'
n is odd is even
namespace(a=1).a
namespace(a=1)['a']
namespace(a=1).b
namespace(a=1).b.c
namespace({'a': 1}, b=2).b
namespace()
namespace(a=1, b='x')
namespace(_a=1)
namespace([('a', 1)]).a
namespace(items=3).items
namespace(a=1) is defined
namespace() == namespace()
cycler('a', 'b').next()
cycler('a', 'b').current
cycler()
joiner()()
joiner('|')()
raise_exception('stop')
raise_exception()
strftime_now('%Y-%m-%d')
strftime_now('%d %b %Y')
strftime_now('%A, %B %d, %Y %H:%M:%S %p %I %j %y %a %e %U %W %w %u %%')
strftime_now('%-d/%-m/%y')
strftime_now('plain')
strftime_now()
strftime_now(5)
strftime_now('%F %T %D %R')
range(3) | map('string') | join('-')
[1, 2, 3] | map('float') | list
(1, 2) | tojson
1 | tojson | length
[n, pi, yes, nothing, text]
mixed
people[0]
[quotes]
[html, "it's", 'say "hi"', 'new\nline', 'tab\t', '\x00\x7f\x80é\u200b😀']
{'k': (1,)}
[1.0, 1e16, 1e15, 123456789012345678, 0.1, 1e-5, 0.0001, 1e22, 1.5e300, -0.0]
[1/3, 2/3, 10/3, 1e100]
0.1 + 0.2
1e16
1e15
123456789.123456789
100.0
1e400
5 % 2.5
true + true
true * 3
'a' * true
[1, 2][true]
n // 5 ~ ' ' ~ n % 5
text.split(', ')[1][::-1].upper() | lower | title
text | replace('o', '0') | upper | reverse | trim
(text | length) * 2
text|length > 5 and text[0] == 'H'
d | length == 3
not d
not items_
'%s: %s' % ('a', d)
people | map(attribute='name') | map('lower') | sort | join(', ')
loop
loop.index
self
varargs
caller
[1, 2, 3][1:] | first
{'a': 1}.a
{'a': 1}['a']
{'a': {'b': 2}}.a.b
(1, 2)[0]
[[1, 2], [3, 4]][1][0]
'abc'[1]
'abc'.upper()[1:]
('a' ~ 'b').upper()
d.items() | sort
d | dictsort | map('first') | join
text(1)
n()
5()
d()
[1]()
range(3)()
f(1)
text.upper()()
d.a.b.c
a b
1 +
(1
[1
{'a'
{'a': }
x if
x is
x |
x | 5
x.
x[
'a' 5
1 2
@
$x
a!b
a ? b
a && b
!a
a = 1
lambda: 1
*a
**a
f(a=1, 2)
f(*[1], *[2])
dict(**{'a': 1})
dict(a=1, **{'a': 2})
dict(**1)
range(*[1, 4]) | list
range(*5)
'{}{}'.format(*['a', 'b'])
'{a}'.format(**{'a': 1})
'{a}'.format(**{1: 1})
text | default(*['x'])
text.replace(*['l', 'L'])
[1, 2, 3] | sum + 1
-1 | abs
-1 ** 2 | abs
2 ** 3 | string ~ 'x'
1 if 2 in [2] else 3
[1, 2, 3,][-1]
{'a': 1,}
f(1,)
dict(a=1,)
'a' in ['a', 'b'] and 'c' not in 'ab'
1 < 2 and 2 < 3 or false
(1 < 2) == true
1 == 1 == 1
not (1 > 2)
'x' * 3 ~ 'y' * 2
1.5 is number
'1.5' | float * 2
text | first | lower
[text, n] | map('string') | map('length') | list
missing | default([]) | length
(missing | default({})).x is defined
(nothing or {}).x is defined
nothing.x is defined
nothing is defined and nothing is not none
"a\\tb"
'\\''
"\\""
'é'
'日本' ~ '👋'
'日本'[1]
'a👋b'[1]
'👋'|length
""
''
'{{ not a tag }}'
'%}'
"#}"
[1,2,3]|map('odd')|list
['a','b']|map('is')|list
x.y.z
d['a']['b']
people[0]['tags'][5]
people[9]
people[9].name
people[-1].name
people[0].name[0]
(people|first).name
(people|last)['age']
people|map(attribute='tags')|map('length')|list
people|map(attribute=0)|list
[[1,2],[3,4]]|map(attribute=0)|list
[[1,2],[3,4]]|map(attribute='1')|list
[[1,2],[3,4]]|sum(attribute=0)
'a,b'|map('upper')|join
1|string|int + 1
'5'|int is odd
'abc'|batch(2)|map('join')|list
'abc'|list|sort(reverse=true)|join
words|map('title')|unique|sort|join(' ')
words|map('length')|max
{'a':1}|items|list|first
d|dictsort(by='value')|last
d.items()|map('last')|list
d.items()|selectattr(1, 'gt', 1)|list
d.items()|selectattr('1', 'gt', 1)|list
d.values()|sum
d.values()|max
d.keys()|sort|join
('a','b')|join
{'x': [1,2,{'y': 'z'}]}.x[2].y
range(1, 4)|batch(2)|map('sum')|list
namespace(x=[1,2]).x|sum
'abc'.split('b')|join('-')|upper
''.join(['a', 'b'])|length
[0]*3
[[0]*2]*2
(1,2)+(3,)
'%02d:%02d'|format(5, 7)
'%.1f'|format(2.25)
'%.0f'|format(0.5)
'%.0f'|format(1.5)
'%s'|format([1,2])
'%s %s'|format(*['a','b'])
3|round(2)
3.0|round|int
7/7
7//7
-0.0
0.0 == -0.0
1e3|int
'1e3'|float
'٣'|int
"tab\\there"
'A' < 'a'
'a' < 'é'
[] or 'empty'
{} or 'empty'
() or 'empty'
0.0 or 'zero'
range(0) or 'none'
'0' or 'x'
none or none
(missing or none) is none
[none]|first is none
[missing]|first is defined
[missing]
{'a': missing}
(missing,)
missing ~ ''
missing == ''
missing is none
missing is string
missing is mapping
missing is iterable and missing is sequence
missing|upper|length
missing|default(none) is none
missing|d|length
missing if missing is defined else 'x'
""".strip("\n").replace("\\\n", "\0").split("\n")
EXPRESSIONS = [expression.replace("\0", "\\\n") for expression in EXPRESSIONS]
