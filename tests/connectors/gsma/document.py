"""The OpenAPI document of the GSMA Mobile Money API, as a judge of requests and replies."""

import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from openapi_schema_validator import OAS30Validator

from omniroute.infra.http import Request
from tests.connectors.outside import spec

ANYBODYS = frozenset({"accept", "content-type", "authorization"})
"""Headers that belong to HTTP and not to the API."""


class Document:
    """Says which operation a request is, and refuses one that is none or is not as written there."""

    def __init__(self) -> None:
        self.data: Any = json.loads(
            gzip.decompress(spec("gsma-mobile-money/mobile-money-api-1.2.0.json.gz").read_bytes())
        )

    def check_value(self, schema: Any, value: Any) -> None:
        """Raises: jsonschema.ValidationError."""
        whole = {"allOf": [schema], "components": self.data["components"]}
        OAS30Validator(whole, format_checker=OAS30Validator.FORMAT_CHECKER).validate(value)

    def check_schema(self, name: str, value: Any) -> None:
        self.check_value({"$ref": f"#/components/schemas/{name}"}, value)

    def resolve(self, node: Any) -> Any:
        while "$ref" in node:
            found = self.data
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def check_request(self, request: Request, endpoint: str) -> str:
        """The operation of a request, every parameter and field of it valid."""
        assert request.url.startswith(f"{endpoint}/"), request.url
        address = urlsplit(request.url.removeprefix(endpoint))
        template, names = self._find(request.method, address.path)
        path = self.data["paths"][template]
        operation = path[request.method.lower()]
        parameters = [self.resolve(one) for one in [*path.get("parameters", []), *operation.get("parameters", [])]]
        query = dict(parse_qsl(address.query))
        headers = {name.lower(): value for name, value in request.headers.items()}
        given: dict[str, Mapping[str, str]] = {"path": names, "query": query, "header": headers}
        known = {place: {one["name"].lower() for one in parameters if one["in"] == place} for place in given}
        assert set(map(str.lower, query)) <= known["query"], query
        assert set(headers) - ANYBODYS <= known["header"], headers
        for one in parameters:
            value: Any = given[one["in"]].get(one["name"] if one["in"] != "header" else one["name"].lower())
            assert value is not None or not one.get("required"), one["name"]
            if value is not None:
                schema = self.resolve(one["schema"])
                self.check_value(schema, int(value) if schema.get("type") == "integer" else value)
        body = operation.get("requestBody")
        assert bool(request.body) == (body is not None)
        if body is not None:
            self.check_value(self.resolve(body)["content"]["application/json"]["schema"], json.loads(request.body))
        return f"{request.method} {template}"

    def check_reply(self, operation: str, status: int, body: bytes) -> None:
        """A reply is one of those the operation has."""
        method, template = operation.split(" ")
        responses = self.data["paths"][template][method.lower()]["responses"]
        assert str(status) in responses, f"{operation} never answers {status}"
        content = self.resolve(responses[str(status)]).get("content")
        if content is not None:
            self.check_value(content["application/json"]["schema"], json.loads(body))

    def find(self, method: str, path: str) -> str:
        return f"{method} {self._find(method, path)[0]}"

    def _find(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        for template in sorted(self.data["paths"], key=lambda one: one.count("{")):
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            found = re.fullmatch(pattern, path)
            if found is not None and method.lower() in self.data["paths"][template]:
                return template, {name: unquote(value) for name, value in found.groupdict().items()}
        raise AssertionError(f"the API has no {method} {path}")


@cache
def document() -> Document:
    return Document()
