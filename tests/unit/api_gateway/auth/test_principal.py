from itertools import product

from api_gateway.auth.principal import Principal
from shared.db.repositories.scope import Scope


def test_owners_of_different_tenants_never_read_alike() -> None:
    names = [None, "a", "b", "a/b", "*", '","', '"', "null", 'a", "b', "i" * 100, "é" * 100]
    owners = {Principal("key:1", Scope(i, t)).owner for i, t in product(names, names)}
    assert len(owners) == len(names) ** 2
    assert all(len(owner) <= 255 for owner in owners)


def test_owner_of_an_unbound_credential_is_itself_and_fits_its_column() -> None:
    assert Principal("key:1", Scope()).owner == "key:1"
    long = [Principal(f"jwt:{'i' * 300}:{subject}", Scope()).owner for subject in "ab"]
    assert len(set(long)) == 2
    assert all(len(owner) <= 255 for owner in long)


def test_credentials_of_one_tenant_share_its_idempotency_keys() -> None:
    bound = Scope("shop", "acme")
    assert Principal("key:1", bound).owner == Principal("jwt:i:s", bound).owner
