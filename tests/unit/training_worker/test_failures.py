"""Errors of a training as its client reads them: without paths and texts of libraries."""

import errno

import pytest
import torch

from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError, ResourceError
from shared.flux.errors import ModelLoadError
from training_worker.failures import client_error

_PATH = "/srv/models/flux"


@pytest.mark.parametrize(
    ("error", "category", "words"),
    [
        (ModelLoadError(f"cannot load {_PATH!r}"), ErrorCategory.INTERNAL, "base_model_path"),
        (
            torch.OutOfMemoryError(f"CUDA out of memory. See {_PATH}"),
            ErrorCategory.RESOURCE,
            "ran out of memory",
        ),
        (MemoryError(), ErrorCategory.RESOURCE, "ran out of memory"),
        (
            OSError(errno.ENOSPC, "No space left on device", _PATH),
            ErrorCategory.RESOURCE,
            "No space left on device",
        ),
    ],
)
def test_a_client_reads_no_path(error: Exception, category: ErrorCategory, words: str) -> None:
    told = client_error(error)
    assert words in str(told)
    assert _PATH not in str(told)
    assert "CUDA" not in str(told)
    assert getattr(told, "category", None) is category


@pytest.mark.parametrize(
    "error", [InvalidInputError("rank"), ResourceError("disk"), ValueError("a fault of ours")]
)
def test_other_errors_stay(error: Exception) -> None:
    assert client_error(error) is error
