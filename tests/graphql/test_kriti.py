"""Kriti: what templates give, what cannot be read, what cannot be evaluated."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.graphql.encoding import encode
from omniroute.graphql.kriti import (
    KritiFailed,
    KritiUnreadable,
    evaluate,
    read_template,
    read_text_template,
    scalar_text,
)

SCOPE: dict[str, Any] = {
    "$body": {
        "input": {"name": 'A "B" \\ é', "n": 9007199254740993, "rate": Decimal("1.50"), "yes": True, "none": None},
        "list": [{"id": 1, "ok": True}, {"id": 2, "ok": False}],
        "a key": {"b-c": [10, 20]},
    },
    "$base_url": "https://api.example/v1",
    "$session_variables": {"x-hasura-user-id": "u1"},
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        # JSON is itself.
        ('{"a": [1, -2.50, 1e3, true, null, "x\\n\\u00e9"], "b": {}}', '{"a":[1,-2.50,1E+3,true,null,"x\\né"],"b":{}}'),
        ("# a comment\n[]", "[]"),
        # Lookups keep every digit, and are values, not text.
        ("{{$body.input.n}}", "9007199254740993"),
        ('{"r": {{ $body.input.rate }}, "n": {{$body.input.name}}}', '{"r":1.50,"n":"A \\"B\\" \\\\ é"}'),
        ("{{$body['a key']['b-c'][1]}}", "20"),
        ("{{$body?.nothing.more}}", "null"),
        ("{{$body?['nothing']}}", "null"),
        ("{{$body.list?[7].id}}", "null"),
        ("{{$body?.nothing ?? $body.input.n}}", "9007199254740993"),
        # Strings.
        ('"{{$body.input.n}}/{{$body.input.yes}}/{{$base_url}}{"', '"9007199254740993/true/https://api.example/v1{"'),
        ('"{{ $session_variables[\'x-hasura-user-id\'] }}"', '"u1"'),
        # Choices.
        ('{{ if $body.input.yes && ($body.input.n > 5) }} {"a": 1} {{ else }} null {{ end }}', '{"a":1}'),
        ("{{ if not $body.input.yes }} 1 {{ elif 2 < 1 }} 2 {{ else }} 3 {{ end }}", "3"),
        ("{{ if $body.input.yes || $body.absent }} 1 {{ else }} 2 {{ end }}", "1"),
        ("[{{1 == 1}}, {{true == 1}}, {{'a' != \"b\"}}, {{1 >= 2}}, {{2 in [1, 2]}}, {{'n' in $body.input}}]",
         "[true,false,true,false,true,true]"),
        # Loops.
        ('{{ range i, x := $body.list }} {"at": {{i}}, "id": {{x.id}}} {{ end }}', '[{"at":0,"id":1},{"at":1,"id":2}]'),
        ("{{ range _, x := $body.list }} {{ if x.ok }} {{x.id}} {{ else }} null {{ end }} {{ end }}", "[1,null]"),
        ("{{ removeNulls {{ range _, x := $body.list }} {{ if x.ok }} 1 {{ else }} null {{ end }} {{ end }} }}", "[1]"),
        # Functions.
        ('{{ concat(["a", $base_url]) }}', '"ahttps://api.example/v1"'),
        ('{{ concat [["a"], [1]] }}', '["a",1]'),
        ("{{ not (empty $body.list) }}", "true"),
        ("[{{size($body.list)}}, {{head 'xyz'}}, {{tail 'xyz'}}, {{inverse 'xyz'}}]", '[2,"x","yz","zyx"]'),
        ('{{ escapeUri("a b/é&") }}', '"a%20b%2F%C3%A9%26"'),
        ("{{ toUpper(toLower('aB')) }}", '"AB"'),
        ('{{ fromPairs(toPairs({"a": 1})) }}', '{"a":1}'),
        ("{{ getSessionVariable('X-Hasura-User-Id') }}", '"u1"'),
    ],
)  # fmt: skip
def test_templates_give_json(template: str, value: str) -> None:
    assert json.loads(encode(evaluate(read_template(template), SCOPE))) == json.loads(value)


def test_digits_stay() -> None:
    made = encode(evaluate(read_template('{"a": {{$body.input.rate}}, "b": 0.10, "c": {{$body.input.n}}}'), SCOPE))
    assert made == '{"a":1.50,"b":0.10,"c":9007199254740993}'


def test_the_inside_of_a_string() -> None:
    node = read_text_template('{{$base_url}}/users/{{escapeUri $body.input.name}}?a="b"')
    assert scalar_text(evaluate(node, SCOPE)) == 'https://api.example/v1/users/A%20%22B%22%20%5C%20%C3%A9?a="b"'


@pytest.mark.parametrize(
    "template",
    ["", "{", '{"a": 1,}', "{{$body", "{{ if true }} 1 {{ end }}", "{{ range x := $body }} 1 {{ end }}", "{{$body.}}",
     "[1 2]", '"a', "{{ 1 + 2 }}", "{{ __import__('os') }}", "1 2", "{{$body[x]}}", "[" * 200 + "]" * 200,
     "{{" + "(" * 500 + "1" + ")" * 500 + "}}", '"' + "x" * 100_001 + '"'],
)  # fmt: skip
def test_what_is_not_of_the_language_cannot_be_read(template: str) -> None:
    with pytest.raises(KritiUnreadable):
        read_template(template)


@pytest.mark.parametrize(
    "template",
    ["{{$nothing}}", "{{$body.nothing}}", "{{$body.list[9]}}", "{{$body.input.name.x}}", '"{{$body.list}}"',
     "{{ if $body.input.n }} 1 {{ else }} 2 {{ end }}", "{{ range _, x := $body.input }} 1 {{ end }}", "{{ not 1 }}",
     "{{ head [] }}", "{{ toUpper 1 }}", "{{ concat [1] }}", "{{ 1 in 2 }}", "{{ getSessionVariable 'x' }}",
     "{{ inverse 0 }}", "{{ fromPairs [1] }}", "{{ empty true }}", "{{ [1] < [2] }}", "{{$body.__class__}}"],
)  # fmt: skip
def test_what_cannot_be_evaluated_says_so(template: str) -> None:
    node = read_template(template)
    with pytest.raises(KritiFailed):
        evaluate(node, SCOPE)


def test_a_template_has_an_end() -> None:
    loops = "{{ range _, a := $l }} " * 4 + "1" + " {{ end }}" * 4
    with pytest.raises(KritiFailed, match="steps"):
        evaluate(read_template(loops), {"$l": [1] * 100})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@given(value=json_values)
def test_values_go_through_as_they_are(value: Any) -> None:
    """Also a value that looks like a template is only a value."""
    assert evaluate(read_template("{{$v}}"), {"$v": value}) == value
    assert evaluate(read_template('{"x": [{{$v.a}}]}'), {"$v": {"a": value}}) == {"x": [value]}


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (read_template, read_text_template):
        try:
            evaluate(read(text), SCOPE)
        except (KritiUnreadable, KritiFailed):
            continue
