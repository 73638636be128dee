"""Loading of the networks: classic backbones if they are given, packaged ones otherwise.

Packages are data here: their files are located and read, their code is never imported.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from inference_worker.checks.dists import CHANNELS, DistsNetwork
from inference_worker.checks.lpips import LpipsNetwork

_SHIFT_TOLERANT = "stlpips_pytorch"
_FOLDER = "weights/vST0.0"


def load_lpips(folder: Path | None, device: torch.device) -> LpipsNetwork:
    """Load LPIPS over `alexnet*` of the folder, else over the shift-tolerant AlexNet.

    The classic heads are `lpips_alex*` of the folder, else those of the package `lpips`.

    Raises:
        FileNotFoundError: a packaged file is not installed.
    """
    given = _given(folder, "alexnet")
    if given is None:
        state = _read(_packaged(_SHIFT_TOLERANT, f"{_FOLDER}/alex_shift_tolerant.pth"), device)
        heads, origin = state, "shift-tolerant AlexNet of stlpips-pytorch"
    else:
        state = _read(given, device)
        own_heads = _given(folder, "lpips_alex")
        heads = _read(own_heads or _packaged("lpips", "weights/v0.1/alex.pth"), device)
        origin = f"{given.name} with the heads of LPIPS 0.1"
    return LpipsNetwork(
        convolutions=_convolutions(state),
        heads=[heads[f"lin{depth}.model.1.weight"] for depth in range(5)],
        is_shift_tolerant=given is None,
        origin=origin,
    )


def load_dists(folder: Path | None, device: torch.device) -> DistsNetwork:
    """Load DISTS over `vgg16*` of the folder, else in its form over the shift-tolerant VGG16.

    The classic channel weights are `dists*` of the folder, else those of the package
    `DISTS_pytorch`. They apply to the channels of that network only: over the shift-tolerant one,
    every depth has the same weight, and within it every channel.

    Raises:
        FileNotFoundError: a packaged file is not installed.
    """
    given = _given(folder, "vgg16")
    if given is None:
        state = _read(_packaged(_SHIFT_TOLERANT, f"{_FOLDER}/vgg_shift_tolerant.pth"), device)
        alpha = beta = torch.cat([torch.full((1, c, 1, 1), 1 / c) for c in CHANNELS], dim=1)
        origin = "DISTS' form over the shift-tolerant VGG16 of stlpips-pytorch"
    else:
        state = _read(given, device)
        own_weights = _given(folder, "dists")
        weights = _read(own_weights or _packaged("DISTS_pytorch", "weights.pt"), device)
        alpha, beta = weights["alpha"], weights["beta"]
        origin = f"{given.name} with the channel weights of DISTS"
    total = alpha.sum() + beta.sum()
    return DistsNetwork(
        convolutions=_convolutions(state),
        alphas=_by_depth(alpha / total, device),
        betas=_by_depth(beta / total, device),
        origin=origin,
    )


def _by_depth(weights: Tensor, device: torch.device) -> list[Tensor]:
    stops = list(accumulate(CHANNELS))
    starts = [0, *stops[:-1]]
    return [weights[:, a:b].to(device) for a, b in zip(starts, stops, strict=True)]


def _given(folder: Path | None, stem: str) -> Path | None:
    if folder is None:
        return None
    files = [
        file for kind in ("safetensors", "pth", "pt") for file in folder.glob(f"{stem}*.{kind}")
    ]
    return min(files, default=None)


def _packaged(package: str, file: str) -> Path:
    spec = find_spec(package)
    for place in (spec and spec.submodule_search_locations) or ():
        if (path := Path(place) / file).is_file():
            return path
    raise FileNotFoundError(
        f"{file} of the package {package} is not installed. Install the version pinned in"
        " services/inference-worker/weights.txt (`make install` does), or set the threshold of its"
        " metric to 0"
    )


def _read(file: Path, device: torch.device) -> Mapping[str, Tensor]:
    if file.suffix == ".safetensors":
        return load_file(file, device=str(device))
    return torch.load(file, map_location=device, weights_only=True)


def _convolutions(state: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of the backbone's convolutions, ordered by the numbers in their names.

    Names are like `features.0.weight` in torchvision's files, `net.slice1.0.weight` in packages.
    """
    names = [
        name.removesuffix(".weight")
        for name, tensor in state.items()
        if name.startswith(("features.", "net.")) and name.endswith(".weight") and tensor.ndim == 4
    ]
    names.sort(key=lambda name: int(name.rpartition(".")[2]))
    return [(state[f"{name}.weight"], state[f"{name}.bias"]) for name in names]
