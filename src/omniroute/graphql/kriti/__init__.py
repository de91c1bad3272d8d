"""Kriti: JSON with lookups, conditions and loops in double braces, as Hasura's transforms are written in.

    {"name": {{$body.input.name}}, "tags": [{{ range _, x := $body.input.tags }} {"tag": "{{x.name}}"} {{ end }}]}

Our own reader and evaluator. A template can only look at what it is given; it is bounded in size, depth and steps.
"""

from omniroute.graphql.kriti.evaluating import evaluate, scalar_text
from omniroute.graphql.kriti.functions import KritiFailed
from omniroute.graphql.kriti.reading import KritiUnreadable, read_template, read_text_template
from omniroute.graphql.kriti.tree import Node

__all__ = [
    "KritiFailed",
    "KritiUnreadable",
    "Node",
    "evaluate",
    "read_template",
    "read_text_template",
    "scalar_text",
]
