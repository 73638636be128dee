"""Real-ESRGAN with its packaged weights, on small pictures."""

import asyncio
import threading
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.upscaling import real_esrgan as module
from inference_worker.upscaling.real_esrgan import RealEsrgan
from inference_worker.upscaling.upscaler import LANCZOS
from shared.cancellation import Cancelled
from shared.contracts.checks import CheckedEdit
from shared.errors import InvalidInputError
from shared.flux.kinds import DeviceKind
from tests.fixtures.refining import Bench, refine_inputs


def _small(face: Image.Image, size: tuple[int, int]) -> Image.Image:
    return face.resize(size, Image.Resampling.BOX)


def test_result_is_nearer_to_the_original_than_lanczos(
    real_esrgan: RealEsrgan, face: Image.Image
) -> None:
    small = _small(face, (48, 48))
    config = CheckedEdit(ssim_threshold=0, lpips_threshold=0.1)
    (lpips,) = Metrics(None, DeviceKind.CPU).chosen(config, side_px=512)
    drawn, plain = lpips.scores(
        [np.asarray(face)] * 2,
        [np.asarray(one.upscale(small, face.size)) for one in (real_esrgan, LANCZOS)],
    )
    assert drawn < 0.7 * plain


@pytest.mark.parametrize("strip", [(0, 44, 110, 60), (54, 0, 70, 110)], ids=["across", "down"])
def test_tiles_equal_the_whole_pictures_result(
    real_esrgan: RealEsrgan,
    face: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    strip: tuple[int, int, int, int],
) -> None:
    """Tiles of a strip: each lacks a part of the strip beyond its context."""
    small = _small(face, (110, 110)).crop(strip)
    size = (small.width * 4, small.height * 4)
    whole = np.asarray(real_esrgan.upscale(small, size), int)
    monkeypatch.setattr(module, "_TILE_PX", 48)
    tiled = np.asarray(real_esrgan.upscale(small, size), int)
    off = np.abs(tiled - whole)
    assert 0 < off.mean() < 0.3
    assert (off > 2).mean() < 0.01
    border = 48 * 4
    along = off if small.width > small.height else off.transpose(1, 0, 2)
    assert along[:, border - 4 : border + 4].mean() < 1


def test_tiles_with_full_context_equal_the_whole_picture(
    real_esrgan: RealEsrgan, face: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = _small(face, (22, 19))
    whole = real_esrgan.upscale(small, (66, 57))
    monkeypatch.setattr(module, "_TILE_PX", 8)
    monkeypatch.setattr(module, "_TAIL_TILE_PX", 6)
    monkeypatch.setattr(module, "_CONTEXT_PX", 64)
    tiled = real_esrgan.upscale(small, (66, 57))
    assert np.abs(np.asarray(tiled, int) - np.asarray(whole, int)).max() <= 1


@pytest.mark.parametrize(
    ("source", "size"),
    [((1, 40), (4, 160)), ((40, 1), (64, 16)), ((17, 23), (40, 40)), ((20, 16), (26, 21))],
)
def test_size_is_exact(
    real_esrgan: RealEsrgan, face: Image.Image, source: tuple[int, int], size: tuple[int, int]
) -> None:
    assert real_esrgan.upscale(_small(face, source), size).size == size


def test_other_proportions_are_cut_not_squeezed(real_esrgan: RealEsrgan) -> None:
    striped = np.zeros((24, 48, 3), np.uint8)
    striped[:, 24:] = 255
    square = np.asarray(real_esrgan.upscale(Image.fromarray(striped), (72, 72)))
    assert (square[:, 32, 0] < 20).all()
    assert (square[:, 39, 0] > 235).all()


def test_large_factors_run_the_network_twice(real_esrgan: RealEsrgan, face: Image.Image) -> None:
    small = _small(face, (16, 12))
    large = real_esrgan.upscale(small, (160, 120))
    again = real_esrgan.upscale(real_esrgan.upscale(small, (40, 30)), (160, 120))
    assert large.tobytes() == again.tobytes()


@pytest.mark.parametrize(
    ("source", "size"),
    [((1449, 1449), (2898, 2898)), ((300, 300), (6000, 6000))],
    ids=["the picture itself", "the picture on its way"],
)
def test_too_large_pictures_are_refused_at_once(
    real_esrgan: RealEsrgan, source: tuple[int, int], size: tuple[int, int]
) -> None:
    with pytest.raises(InvalidInputError, match=r"config\.upscaler: .*choose lanczos"):
        real_esrgan.upscale(Image.new("RGB", source), size)


@pytest.mark.parametrize("size", [(192, 192), (96, 96), (192, 64)])
def test_smaller_result_uses_only_lanczos(
    real_esrgan: RealEsrgan, face: Image.Image, size: tuple[int, int]
) -> None:
    assert real_esrgan.upscale(face, size).tobytes() == LANCZOS.upscale(face, size).tobytes()


def test_same_picture_gives_the_same_pixels_from_any_thread(
    real_esrgan: RealEsrgan, face: Image.Image
) -> None:
    pictures = [_small(face, (24 + index, 20)) for index in range(4)]
    sizes = [(picture.width * 2, 40) for picture in pictures]
    alone = [real_esrgan.upscale(*one).tobytes() for one in zip(pictures, sizes, strict=True)]
    with ThreadPoolExecutor(4) as threads:
        beside = threads.map(lambda *one: real_esrgan.upscale(*one).tobytes(), pictures, sizes)
        assert list(beside) == alone


def test_cancellation_stops_before_the_next_tile(
    real_esrgan: RealEsrgan, face: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TILE_PX", 12)

    class AfterOneTile:
        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks > 1

    flag = AfterOneTile()
    with pytest.raises(Cancelled):
        real_esrgan.upscale(_small(face, (24, 24)), (48, 48), cancel=flag)
    assert flag.looks == 2


@pytest.mark.parametrize(
    ("size", "factor", "num_tiles", "version"),
    [((24, 16), 4.0, 9, "2"), ((31, 20), 1.7, 4, "1"), ((18, 33), 2.0, 1, "2")],
)
async def test_identity_editor_gives_the_upscaled_picture_exactly(
    real_esrgan: RealEsrgan,
    face: Image.Image,
    engine_executor: Executor,
    cpu: CpuThreads,
    *,
    size: tuple[int, int],
    factor: float,
    num_tiles: int,
    version: str,
) -> None:
    base = _small(face, size)
    bench = Bench(IdentityEngine(edit_side_px=64), engine_executor, cpu, upscaler=real_esrgan)
    refined = await bench.refine(
        base, refine_inputs(upscale_factor=factor), num_tiles=num_tiles, version=version
    )
    plain = real_esrgan.upscale(base, refined.image.size)
    assert refined.image.size == (round(size[0] * factor), round(size[1] * factor))
    assert np.abs(np.asarray(refined.image, int) - np.asarray(plain, int)).max() <= 1
    assert plain.tobytes() != LANCZOS.upscale(base, plain.size).tobytes()


async def test_the_event_loop_stays_free_and_a_cancelled_run_stops_at_a_tile(
    real_esrgan: RealEsrgan,
    face: Image.Image,
    engine_executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_TILE_PX", 32)
    ended: list[bool] = []
    running = threading.Event()

    class Watched(RealEsrgan):
        def __init__(self) -> None:
            self._net = real_esrgan._net

        def upscale(self, *args: object, **options: object) -> Image.Image:
            running.set()
            try:
                return super().upscale(*args, **options)
            except Cancelled:
                ended.append(True)
                raise

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as executor:
        bench = Bench(
            IdentityEngine(edit_side_px=64),
            engine_executor,
            CpuThreads(executor),
            upscaler=Watched(),
        )
        task = asyncio.create_task(bench.refine(face))
        while not running.is_set():
            await asyncio.sleep(0.001)
        turns, begun = 0, loop.time()
        while loop.time() - begun < 0.5:
            await asyncio.sleep(0.001)
            turns += 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == [True]
    assert turns > 10
    assert not bench.objects.objects


def test_progress_rises_with_the_tiles(
    real_esrgan: RealEsrgan, face: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TILE_PX", 4)
    fractions: list[float] = []
    real_esrgan.upscale(_small(face, (16, 16)), (32, 32), on_progress=fractions.append)
    assert fractions == sorted(set(fractions))
    assert (fractions[0], len(fractions)) == (0, 16)
    assert fractions[-1] < 1
