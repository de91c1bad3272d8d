"""An example of a reply, made from its schema, for the operations that give none of their own."""

from typing import Any

from omniroute.api.call import PREFIXES

# What a text of this name looks like.
TEXTS = {
    "email": "amina@example.com", "slug": "kano-foods", "peer_slug": "lagos-mills", "code": "wallet:amina",
    "name": "Amina Bello", "currency": "NGN", "functional": "NGN", "key": "NGN", "base": "USD", "quote": "NGN",
    "rate": "1605.25", "type": "liability", "kind": "posting", "reference": "receipt-4711", "source": "CBN",
    "issuer": "https://id.example.com", "audience": "omniroute", "jwks_uri": "https://id.example.com/keys",
    "prefix": "sk_live_ab12", "lookup": "ab12", "secret": "sk_live_...", "token": "inv_...",
    "invited_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r", "created_by": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "peer_id": "org_01jd3m8q4vv8k8x2n0c5t7yh6r", "source_id": "txn_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "permissions": "ledger.read", "scopes": "ledger.read", "asked_scopes": "ledger.read", "next_cursor": "eyJ2IjoxfQ",
}  # fmt: skip
FORMATS = {
    "date-time": "2026-11-21T08:00:00Z", "date": "2026-11-21", "uuid": "8e03978e-40d5-43e8-bc93-6894a57f9324",
}  # fmt: skip
# Whose id stands under `id`, where the name of the reply does not say it.
NOUNS = PREFIXES | {"account": "acc", "member": "usr", "group": "txn", "issued": "key"}
ID = "01jd3m8q4vv8k8x2n0c5t7yh6r"


def example_of(schema: Any, components: dict[str, Any], *, name: str = "", of: str = "") -> Any:
    """A value that fits. `name`: of the member it stands under, `of`: of the object that has this member."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components, name=name, of=of)
    for given in ("examples", "enum"):
        if given in schema:
            return schema[given][0]
    if "const" in schema:
        return schema["const"]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        found = example_of(options[0], components, name=name, of=of)
        return None if found == name and {"type": "null"} in options else found  # We know none, and there need be none.
    match schema.get("type"):
        case "object":
            return _object(schema, components)
        case "array":
            return [example_of(schema.get("items", {}), components, name=name, of=of)]
        case "string":
            return _text(schema, name, of)
        case "integer":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return None if schema else {}


def _object(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    of = schema.get("title", "")
    found = {name: example_of(one, components, name=name, of=of) for name, one in schema.get("properties", {}).items()}
    more = schema.get("additionalProperties")
    return found | {"NGN": example_of(more, components)} if isinstance(more, dict) and more else found


def _text(schema: dict[str, Any], name: str, of: str) -> str:
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    if name in TEXTS:
        return TEXTS[name]
    noun = of.removesuffix("Out").lower() if name == "id" else name.removesuffix("s").removesuffix("_id")
    if (name == "id" or name.endswith(("_id", "_ids"))) and noun in NOUNS:
        return f"{NOUNS[noun]}_{ID}"
    return name or "text"
