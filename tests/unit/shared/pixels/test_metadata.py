"""Records embedded in pictures: they can be read back, and change nothing else."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from shared.contracts.enums import OutputFormat
from shared.pixels.metadata import encode_output
from tests.examples import up_to
from tests.fixtures.embedded import embedded_record

_RECORD: dict[str, Any] = {"task_id": "a", "seed": 7, "versions": {"torch": "2.13.0+cpu"}}
_FORMS = list(OutputFormat)


@pytest.mark.parametrize("form", _FORMS)
def test_picture_and_record_are_read_back(photo: Image.Image, form: OutputFormat) -> None:
    content = encode_output(photo, form, _RECORD)

    assert embedded_record(content) == _RECORD
    with Image.open(io.BytesIO(content)) as image:
        assert image.get_format_mimetype() == form.content_type
        assert (image.mode, image.size) == ("RGB", photo.size)
        difference = ImageChops.difference(image, photo)
    worst = max(high for _, high in difference.getextrema())
    assert worst < 60 if form is OutputFormat.JPEG else worst == 0


@pytest.mark.parametrize("form", _FORMS)
def test_equal_pictures_and_records_are_equal_bytes(photo: Image.Image, form: OutputFormat) -> None:
    labelled = photo.copy()
    labelled.info["comment"] = labelled.info["Software"] = "something else"
    first = encode_output(photo, form, _RECORD)

    assert encode_output(labelled, form, dict(reversed(_RECORD.items()))) == first
    assert encode_output(photo, form, _RECORD | {"seed": 8}) != first


@settings(max_examples=up_to(30))
@given(
    form=st.sampled_from(_FORMS),
    record=st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none()), max_size=4),
)
def test_every_text_survives(form: OutputFormat, record: dict[str, Any]) -> None:
    assert embedded_record(encode_output(Image.new("RGB", (8, 8)), form, record)) == record
