"""What a scope covers, as pure functions: normal form, containment, overlap, and whether something fits.

A scope is a conjunction: of each kind of thing it is narrowed by, what is collected for must be one of the values. What
it is not narrowed by does not matter.
"""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from omniroute.kit import ids
from omniroute.money.atc.errors import MalformedGrant
from omniroute.money.atc.model import SCOPE_VALUES_MAX, CollectionType, ScopeConfig, ScopeKind, ScopeType

VALUE_LENGTH_MAX = 200
NEEDED: Mapping[ScopeKind, ScopeType] = {
    ScopeKind.PRODUCT_CATEGORY: ScopeType.PRODUCT_CATEGORY,
    ScopeKind.SPECIFIC_PRODUCTS: ScopeType.PRODUCT_ID,
    ScopeKind.SPECIFIC_CUSTOMERS: ScopeType.CUSTOMER_ID,
    ScopeKind.GEOGRAPHIC_AREA: ScopeType.GEOGRAPHIC_ZONE,
}
"""By what a scope of this kind must be narrowed, whatever else narrows it."""
_OF_PRODUCTS = frozenset({ScopeType.PRODUCT_ID, ScopeType.PRODUCT_CATEGORY})
Scopes = Collection[ScopeConfig]


def clean_scopes(kind: ScopeKind, scopes: Iterable[ScopeConfig]) -> tuple[ScopeConfig, ...]:
    """The scope in its normal form: each type once, values without blanks around them, sorted, each once.

    Raises: MalformedGrant.
    """
    clean = tuple(sorted((_clean(one) for one in scopes), key=lambda one: one.scope_type))
    types = [one.scope_type for one in clean]
    if len(set(types)) < len(types):
        raise MalformedGrant("scope_config: each scope_type once, with all its values", field="scope_config")
    needed = NEEDED.get(kind)
    if needed is not None and needed not in types:
        raise MalformedGrant(f"scope_config: {kind} needs a scope_type {needed}", field="scope_config")
    if kind is ScopeKind.ALL_PRODUCTS and _OF_PRODUCTS & set(types):
        raise MalformedGrant("scope_config: ALL_PRODUCTS is not narrowed by products", field="scope_config")
    return clean


def _clean(one: ScopeConfig) -> ScopeConfig:
    values = {value.strip() for value in one.scope_values}
    if one.scope_type is ScopeType.CUSTOMER_ID:
        values = {str(customer_of(value)) for value in values}
    if not 1 <= len(values) <= SCOPE_VALUES_MAX:
        raise MalformedGrant(f"scope_values: 1 to {SCOPE_VALUES_MAX} of them", field="scope_config")
    if not all(1 <= len(value) <= VALUE_LENGTH_MAX and value.isprintable() for value in values):
        raise MalformedGrant(f"scope_values: 1 to {VALUE_LENGTH_MAX} printable characters each", field="scope_config")
    return ScopeConfig(one.scope_type, tuple(sorted(values)))


def customer_of(text: str) -> UUID:
    """The partner that a value of CUSTOMER_ID names, as a UUID or as doors show it.

    Raises: MalformedGrant, MalformedId.
    """
    try:
        return ids.parse("ptn", text) if text.startswith("ptn_") else UUID(text)
    except ValueError:
        raise MalformedGrant("scope_values: a CUSTOMER_ID is a UUID or ptn_...", field="scope_config") from None


def is_within(child: Scopes, parent: Scopes) -> bool:
    """Whether all that fits the child fits the parent: narrowed by at least the same, to values among the parent's."""
    inner = {one.scope_type: set(one.scope_values) for one in child}
    return all(one.scope_type in inner and inner[one.scope_type] <= set(one.scope_values) for one in parent)


def overlap(one: Scopes, other: Scopes) -> bool:
    """Whether something may fit both: nothing keeps them apart but disjoint values of one type."""
    values = {each.scope_type: set(each.scope_values) for each in one}
    return not any(
        each.scope_type in values and values[each.scope_type].isdisjoint(each.scope_values) for each in other
    )


def fits(scopes: Scopes, facts: Mapping[ScopeType, Collection[str]]) -> bool:
    """Whether something is covered: `facts` tell, by type, all that it is. What is not told does not fit."""
    return all(facts.get(one.scope_type) and set(facts[one.scope_type]) <= set(one.scope_values) for one in scopes)


def covers_method(granted: CollectionType, asked: CollectionType) -> bool:
    """Whether authority over these means includes those."""
    return granted in (CollectionType.ALL_METHODS, asked)


def methods_overlap(one: CollectionType, other: CollectionType) -> bool:
    """Whether a collection may be by both."""
    return covers_method(one, other) or covers_method(other, one)
