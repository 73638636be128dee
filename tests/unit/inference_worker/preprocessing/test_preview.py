"""The preview."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.preprocessing.preview import draw_preview


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("preview") / "red.png"
    Image.new("RGB", (64, 32), "red").save(path)
    return path


def drawn(cells: list[tuple[Path, str]]) -> Image.Image:
    return Image.open(io.BytesIO(draw_preview(cells))).convert("RGB")


def test_sheet_grows_to_36_pictures(red: Path) -> None:
    sizes = [drawn([(red, "zqx")] * count).size for count in (1, 6, 7, 36, 40)]
    assert sizes[0][0] < sizes[1][0]
    assert sizes[1][1] < sizes[2][1]
    assert sizes[3] == sizes[4] == (6 * 200 + 8, 6 * 232 + 8)


def test_picture_and_caption_are_drawn(red: Path) -> None:
    with_caption, without = (np.asarray(drawn([(red, text)])) for text in ("a dress", ""))
    assert abs(without[8 + 96, 8 + 96].astype(int) - (255, 0, 0)).max() < 10
    assert without[8 + 192 :].min() > 200
    assert with_caption[8 + 192 :].min() < 100


@given(caption=st.text() | st.just("赤い服 👗 ثوب أحمر"))
def test_any_caption_can_be_drawn(red: Path, caption: str) -> None:
    assert np.asarray(drawn([(red, caption)])).shape == np.asarray(drawn([(red, "")])).shape
