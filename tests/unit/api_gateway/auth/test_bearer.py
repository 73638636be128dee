import pytest

from api_gateway.auth.bearer import LONGEST_TOKEN, bearer_token
from api_gateway.errors import Problem


@pytest.mark.parametrize(
    "header", ["Bearer sk_x", "bearer sk_x", "BEARER sk_x", "Bearer   sk_x", " Bearer sk_x "]
)
def test_scheme_is_read_whatever_its_case(header: str) -> None:
    assert bearer_token([header]) == "sk_x"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["sk_x"],
        ["Basic c2s6eA=="],
        ["Bearersk_x"],
        ["Bearer sk_x sk_y"],
        ["Bearer sk_x, Bearer sk_y"],
        ["Bearer\tsk_x"],
        ["Bearer sk_\u00e9"],
        ["Bearer sk_\u00a0x"],
        ["Bearer sk_x\0"],
        ["Bearer sk_x", "Bearer sk_x"],
        ["Bearer " + "x" * (LONGEST_TOKEN + 1)],
    ],
)
def test_anything_else_is_401(headers: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        bearer_token(headers)
    assert caught.value.status == 401
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}
    assert "sk_" not in caught.value.detail
