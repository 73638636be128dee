import pytest

from provider_worker.ratios import nearest_ratio


@pytest.mark.parametrize(
    ("size", "ratio"),
    [((1024, 1024), "1:1"), ((800, 1200), "2:3"), ((3000, 1000), "21:9"), ((1, 9), "9:16"),
     ((864, 1081), "4:5"), ((1150, 1000), "1:1"), ((1160, 1000), "4:3")],
)  # fmt: skip
def test_the_nearest_ratio_is_chosen(size: tuple[int, int], ratio: str) -> None:
    ratios = ("21:9", "16:9", "4:3", "1:1", "4:5", "2:3", "9:16")
    assert nearest_ratio(*size, ratios) == ratio
