"""Tokens taken apart: whatever is sent, the answer is a refusal and never a crash."""

import base64
import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from omniroute.parties.access import Unauthenticated, jwtokens
from omniroute.parties.access.jwks import read_jwks
from tests.parties.makers import NOW

KEY = ECKey.generate_key("P-256", {"kid": "one"})
KEYS = read_jwks({"keys": [KEY.as_dict(private=False)]})

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
headers = st.fixed_dictionaries(
    {"alg": st.sampled_from(["ES256", "none", "HS256"]) | values},
    optional={
        "kid": st.just("one") | values,
        "typ": values,
        "crit": values,
        "b64": values,
        "jwk": values,
        "zip": values,
    },
)
claims = st.fixed_dictionaries(
    {"iss": st.just("a") | values, "aud": st.just("b") | values}, optional={"exp": values, "nbf": values, "sub": values}
)


def part(value: object) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(headers, claims, st.binary(max_size=80))
def test_no_made_up_token_is_believed(header: object, claim: object, signature: bytes) -> None:
    mac = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    believed = None
    try:
        token = jwtokens.read(f"{part(header)}.{part(claim)}.{mac}")
        believed = jwtokens.verify(
            token, KEYS, algorithms=["ES256"], issuer="a", audience="b", skew_s=0, now=NOW + timedelta(0)
        )
    except Unauthenticated:
        pass
    assert believed is None


@given(st.text(st.characters(max_codepoint=127), max_size=200))
def test_no_text_upsets_the_reader(text: str) -> None:
    try:
        jwtokens.read(text)
    except Unauthenticated:
        return
    raise AssertionError("it was taken for a token")
