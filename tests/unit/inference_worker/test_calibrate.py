"""Calibration on a tiny FLUX: its measurements and its conclusion."""

from pathlib import Path

import torch

from inference_worker.calibrate import Measured, Trial, largest_within, lpips_distance, measure
from inference_worker.engine.model_store import ModelStore
from inference_worker.settings import InferenceSettings
from shared.flux.kinds import DeviceKind

_CPU = torch.device("cpu")
_TRIAL = Trial(
    prompts=("a red dress", "a blue coat on white"),
    seeds=(1,),
    side_px=64,
    num_steps=4,
    guidance_scale=3.5,
)


def test_pictures_move_where_the_cache_reuses_blocks(tiny_flux_folder: Path) -> None:
    opened = ModelStore(InferenceSettings(device=DeviceKind.CPU)).open(str(tiny_flux_folder))
    small, large = measure(opened, _TRIAL, (1e-9, 1.0), lpips_distance(_CPU))
    assert (small.threshold, large.threshold) == (1e-9, 1.0)
    assert small.worst == small.mean == 0
    assert large.worst >= large.mean > 0
    assert min(small.speed_up, large.speed_up) > 0
    assert not opened.parts["transformer"].is_cache_enabled


def _measured(threshold: float, worst: float) -> Measured:
    return Measured(threshold, worst, worst / 2, 1.0)


def test_largest_threshold_stops_where_the_budget_is_first_exceeded() -> None:
    found = [_measured(0.1, 0.05), _measured(0.02, 0.01), _measured(0.2, 0.3), _measured(0.3, 0.1)]
    assert largest_within(found, 0.1) == found[0]
    assert largest_within(found, 0.04) == found[1]
    assert largest_within(found, 0.001) is None
