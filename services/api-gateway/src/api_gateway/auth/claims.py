"""Conversion of a verified JWT's claims to a principal. Pure."""

from collections.abc import Mapping
from typing import Any

from api_gateway.auth.principal import ADMIN, SCOPES, Principal
from api_gateway.auth.settings import AuthSettings
from shared.db.repositories.scope import Scope

_LONGEST_NAME = 100
_LONGEST_SUBJECT = 255


class TokenError(Exception):
    """A JWT that is refused; the message may be shown to the client."""


def principal_of(claims: Mapping[str, Any], settings: AuthSettings) -> Principal:
    """Return the principal of a verified token.

    Raises:
        TokenError: names the claim that is missing or invalid.
    """
    subject = _name(claims, "sub", _LONGEST_SUBJECT)
    if subject is None:
        raise TokenError("the token lacks the claim `sub`")
    scopes = _scopes(claims, settings)
    instance = _name(claims, settings.jwt_instance_claim, _LONGEST_NAME)
    tenant = _name(claims, settings.jwt_tenant_claim, _LONGEST_NAME)
    needs_instance = settings.jwt_requires_instance and ADMIN not in scopes
    if instance is None and (tenant is not None or needs_instance):
        raise TokenError(f"the token lacks the claim `{settings.jwt_instance_claim}`")
    identity = f"jwt:{settings.jwt_issuer}:{subject}"
    return Principal(identity, Scope(instance, tenant), scopes)


def _name(claims: Mapping[str, Any], claim: str, longest: int) -> str | None:
    if claim not in claims:
        return None
    value = claims[claim]
    # A claim that is present but invalid must not count as absent, which means "not bound".
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise TokenError(f"the claim `{claim}` must be a string of 1 to {longest} characters")
    return value


def _scopes(claims: Mapping[str, Any], settings: AuthSettings) -> frozenset[str]:
    claim = next((name for name in settings.jwt_scope_claims if name in claims), None)
    value = claims[claim] if claim is not None else ""
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):  # pyright: ignore[reportUnknownVariableType] -- JSON
        raise TokenError(f"the claim `{claim}` must be a string or a list of strings")
    return SCOPES.intersection(words)  # pyright: ignore[reportUnknownArgumentType] -- checked above
