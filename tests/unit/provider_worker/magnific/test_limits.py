from collections.abc import Callable

import pytest

from provider_worker.magnific.limits import (
    CREATIVE_FACTORS,
    PRECISION_FACTORS,
    check_creative_output,
    check_input,
    check_precision_output,
)
from shared.contracts.enums import ProviderType
from shared.contracts.remote_limits.magnific import FACTORS
from shared.errors import InvalidInputError


@pytest.mark.parametrize("size", [(160, 160), (160, 480), (480, 160), (4000, 3000)])
def test_an_input_within_the_limits_is_accepted(size: tuple[int, int]) -> None:
    check_input(*size)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((159, 400), "159 × 400 pixels; Magnific needs 160"),
        ((400, 159), "needs 160"),
        ((481, 160), "ratios from 1:3 to 3:1"),
        ((160, 481), "ratios from 1:3 to 3:1"),
    ],
)
def test_an_input_beyond_the_limits_is_refused(size: tuple[int, int], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        check_input(*size)


@pytest.mark.parametrize(
    ("check", "size", "largest"),
    [
        (check_creative_output, (1257, 1257), 4),
        (check_creative_output, (2514, 2515), 2),
        (check_precision_output, (2515, 400), 4),
        (check_precision_output, (400, 628), 16),
        (check_precision_output, (629, 400), 15),
    ],
)
def test_the_largest_factor_that_fits_is_named(
    check: Callable[[int, int, int], None], size: tuple[int, int], largest: int
) -> None:
    check(*size, largest)
    if largest < 16:
        with pytest.raises(InvalidInputError, match=f"factor for this picture is {largest}$"):
            check(*size, 16)


@pytest.mark.parametrize(
    ("check", "size", "told"),
    [
        (check_creative_output, (2600, 2600), "27.0 megapixels; .* 25.3 megapixels: send a"),
        (check_precision_output, (5031, 4000), "10062 × 8000 pixels; .* 10060 pixels on a side"),
    ],
)
def test_without_such_a_factor_a_smaller_picture_is_asked_for(
    check: Callable[[int, int, int], None], size: tuple[int, int], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told) as caught:
        check(*size, 2)
    assert "send a smaller one" in str(caught.value)


def test_the_gateway_admits_the_same_factors() -> None:
    for provider, factors in (
        (ProviderType.FREEPIK_MAGNIFIC, CREATIVE_FACTORS),
        (ProviderType.FREEPIK_MAGNIFIC_PRECISION, PRECISION_FACTORS),
    ):
        assert [n for n in range(40) if FACTORS[provider].fault(n) is None] == list(factors)
