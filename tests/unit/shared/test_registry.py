"""The registries of providers and error categories are complete."""

from typing import Any

import pytest

from shared.contracts.enums import ErrorCategory, ProviderCapability, ProviderType, TaskType
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.providers import PROVIDERS
from shared.contracts.task_types.table import TASK_TYPES
from shared.temporal.fairness import fairness_key


def test_every_enum_member_has_its_row() -> None:
    assert set(CONSEQUENCES) == set(ErrorCategory)
    assert set(PROVIDERS) == set(ProviderType)


def test_multi_capabilities_imply_single_ones() -> None:
    for provider in PROVIDERS.values():
        for multi, single in (
            (ProviderCapability.MULTI_LORA, ProviderCapability.LORA),
            (ProviderCapability.MULTI_REFERENCE, ProviderCapability.REFERENCE_IMAGE),
        ):
            assert multi not in provider.capabilities or single in provider.capabilities


@pytest.mark.parametrize(
    ("task_type", "fields", "needs"),
    [
        ("GENERATION", {}, []),
        ("GENERATION", {"subject_model_path": "a"}, [{"LORA"}]),
        (
            "GENERATION",
            {"subject_model_path": "a", "style_model_path": "b"},
            [{"LORA"}, {"MULTI_LORA"}],
        ),
        ("GENERATION", {"config": {"negative_prompt": "a"}}, [{"NEGATIVE_PROMPT"}]),
        ("GENERATION", {"reference_image_url": "a", "seed": 0}, [{"REFERENCE_IMAGE"}, {"SEED"}]),
        ("REFINE", {"upscale_factor": 2}, [{"UPSCALE_2X", "UPSCALE_FLOAT"}]),
        ("REFINE", {"upscale_factor": 2.5}, [{"UPSCALE_FLOAT"}]),
        ("REFINE", {"target_width": 9, "target_height": 9}, [{"OUTPUT_SIZE"}]),
        ("REFINE", {"upscale_enabled": False, "upscale_factor": 16}, []),
        ("REFINE", {"upscale_enabled": False, "face_detail_enabled": True}, [{"FACE_DETAIL"}]),
    ],
)
def test_fields_need_capabilities(
    task_type: str, fields: dict[str, Any], needs: list[set[str]]
) -> None:
    found = TASK_TYPES[TaskType(task_type)].needs(fields)
    assert [set(need.any_of) for need in found] == needs


def test_fairness_key_is_the_tenant_and_never_too_long() -> None:
    assert fairness_key("shop", "acme") == "acme"
    assert fairness_key("shop", None) == "shop"
    assert len(fairness_key("é" * 60, None).encode()) == 64
    assert fairness_key("é" * 60, None) != fairness_key("é" * 61, None)
