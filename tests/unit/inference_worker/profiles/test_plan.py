"""The table of profiles, and the order of the memory levels."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from inference_worker.profiles.plan import PROFILES, ExecutionPlan, next_level
from inference_worker.settings import OffloadKind, ProfileKind

_PLANS = st.builds(
    ExecutionPlan,
    fuses_qkv=st.booleans(),
    compiles=st.booleans(),
    uses_fp8=st.booleans(),
    cache_threshold=st.floats(0, 1),
    vae_tile_px=st.sampled_from([0, 256, 512, 576, 1024, 4096]),
    offload=st.sampled_from(OffloadKind),
)


def test_every_profile_has_a_plan_and_quality_changes_nothing() -> None:
    assert set(PROFILES) == set(ProfileKind)
    assert PROFILES[ProfileKind.QUALITY] == ExecutionPlan()


def test_compiled_profiles_keep_slots_for_loras() -> None:
    slots = {kind: plan.has_lora_slots for kind, plan in PROFILES.items()}
    assert slots == {ProfileKind.QUALITY: False, ProfileKind.BALANCED: True, ProfileKind.FAST: True}


def test_memory_levels_are_ordered() -> None:
    first = next_level(ExecutionPlan())
    assert first == ExecutionPlan(vae_tile_px=512)
    second = next_level(first)
    assert second == ExecutionPlan(vae_tile_px=512, offload=OffloadKind.GROUP)
    assert next_level(second) is None


@given(_PLANS)
def test_levels_end_and_change_only_memory(plan: ExecutionPlan) -> None:
    level: ExecutionPlan | None = plan
    seen: list[ExecutionPlan] = []
    while level is not None:
        seen.append(level)
        unchanged = replace(level, vae_tile_px=plan.vae_tile_px, offload=plan.offload)
        assert unchanged == plan
        level = next_level(level)
    assert len(seen) == len(set(seen)) <= 3
    assert 0 < seen[-1].vae_tile_px <= 512
    assert seen[-1].offload is OffloadKind.GROUP


@given(_PLANS, _PLANS)
def test_pixel_traits_tell_plans_apart_but_for_offloading(
    one: ExecutionPlan, other: ExecutionPlan
) -> None:
    one = replace(one, cache_threshold=round(one.cache_threshold, 2))
    other = replace(other, cache_threshold=round(other.cache_threshold, 2))
    is_equal = replace(one, offload=other.offload) == other
    compiled_alike = one.pixel_traits == other.pixel_traits
    assert compiled_alike == is_equal
