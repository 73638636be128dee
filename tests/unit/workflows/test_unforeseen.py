import asyncio

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.workflow import NondeterminismError

from shared.contracts.enums import ErrorCategory
from workflows.definitions.unexpected_errors import failing_as_internal


@pytest.mark.parametrize(
    "error", [KeyError("x"), RecursionError(), OverflowError("inf"), UnicodeError("\ud800")]
)
def test_a_bug_fails_the_run_as_internal(error: Exception) -> None:
    with pytest.raises(ApplicationError) as caught, failing_as_internal():
        raise error
    assert (caught.value.type, caught.value.non_retryable) == (ErrorCategory.INTERNAL, True)
    assert type(error).__name__ in caught.value.message
    caught.value.message.encode()


@pytest.mark.parametrize(
    "error",
    [NondeterminismError("does not fit"), asyncio.CancelledError(), ApplicationError("told")],
)
def test_intended_exceptions_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, failing_as_internal():
        raise error
    assert caught.value is error
