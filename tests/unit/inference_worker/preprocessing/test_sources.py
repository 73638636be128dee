"""Source images, and the share of bad ones."""

from typing import Any
from uuid import UUID

import pytest

from inference_worker.preprocessing.sources import Source, locate_sources, require_enough
from shared.contracts.datasets import Captioning, PreprocessDataset, SkippedImage
from shared.contracts.owners import Owner
from shared.errors import InvalidInputError

URL = "https://images.example/red%20dress.jpg?signature=secret"


def located(*images: str, **fields: Any) -> list[Source]:
    request = PreprocessDataset(
        training_id=UUID(int=7),
        source_images=list(images),
        captioning=Captioning(trigger_word="zqx"),
        owner=Owner(origin_instance="test"),
        **fields,
    )
    return locate_sources(request)


def bad(sources: list[Source], count: int) -> list[SkippedImage]:
    return [source.skipped("it is damaged") for source in sources[:count]]


def test_keys_and_fetched_urls_have_objects() -> None:
    first, second = located("a.png", URL, fetched={URL: "inputs/1.jpg"})
    assert (first.key, second.key) == ("a.png", "inputs/1.jpg")


def test_url_that_could_not_be_fetched_has_that_reason() -> None:
    [source] = located(URL, faults_at={0: "404 Not Found"})
    assert (source.key, source.fault) == (None, "404 Not Found")


def test_url_that_nobody_fetched_is_bad() -> None:
    [source] = located(URL)
    assert (source.key, source.fault) == (None, "was not fetched: start the training again")


def test_label_has_the_file_name_and_no_query() -> None:
    assert [source.label for source in located(URL, "x/y.png")] == [
        "image 0 (red dress.jpg)",
        "image 1 (y.png)",
    ]


def is_enough(count: int, faulty: int) -> bool:
    sources = located(*(f"{index}.png" for index in range(count)))
    try:
        require_enough(sources, bad(sources, faulty))
    except InvalidInputError:
        return False
    return True


@pytest.mark.parametrize(
    ("count", "most"), [(1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (9, 1), (10, 2), (20, 4)]
)
def test_a_fifth_of_the_images_but_always_one_may_be_bad(count: int, most: int) -> None:
    accepted = [faulty for faulty in range(count + 1) if is_enough(count, faulty)]
    assert accepted == list(range(most + 1))


@pytest.mark.parametrize(("count", "faulty"), [(3, 2), (9, 2), (10, 3), (20, 5)])
def test_more_bad_images_are_refused(count: int, faulty: int) -> None:
    sources = located(*(f"{index}.png" for index in range(count)))
    with pytest.raises(InvalidInputError, match=f"{faulty} of {count} source images cannot be"):
        require_enough(sources, bad(sources, faulty))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_one_usable_image_is_needed(count: int) -> None:
    sources = located(*(f"{index}.png" for index in range(count)))
    with pytest.raises(InvalidInputError, match="none of the source images can be used"):
        require_enough(sources, bad(sources, count))


def test_no_image_at_all_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="give at least one"):
        require_enough([], [])


def test_refusal_names_images_in_order_within_bounds() -> None:
    sources = located(*(f"{index}{'x' * 1000}.png" for index in range(1000)))
    faulty = [source.skipped("y" * 5000) for source in reversed(sources)]
    with pytest.raises(InvalidInputError) as caught:
        require_enough(sources, faulty)
    message = str(caught.value)
    assert len(message) < 2000
    assert message.index("image 0 (0xx") < message.index("image 1 (1xx")
    assert message.endswith("and 995 more")
