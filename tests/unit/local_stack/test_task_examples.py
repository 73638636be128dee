"""The demo of all tasks: every type of our workers has an example and a row on the sheet."""

from typing import cast

from PIL import Image

from local_stack.contact_sheet import SheetRow, draw_sheet
from local_stack.frames import first_and_last
from local_stack.provider_examples import provider_examples
from local_stack.task_examples import generation, others
from provider_worker.sandbox.video import pan
from shared.contracts.enums import AiProvider, ProviderType
from shared.contracts.providers import PROVIDERS

_WITH_REMOTE_EDITOR = {
    ProviderType.SARTIQ_ULTIMATE_REFINER,
    ProviderType.SARTIQ_ULTIMATE_FACE_FIXER,
    ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER,
    ProviderType.NANO_BANANA_UPSCALER,
}


def test_every_task_of_our_own_providers_has_an_example() -> None:
    examples = [generation(7), *others(Image.new("RGB", (64, 64), "red"), 7)]
    served = {
        (task_type, kind)
        for kind, provider in PROVIDERS.items()
        if not provider.is_remote and kind is not ProviderType.NANO_BANANA_UPSCALER
        for task_type in provider.queues
    }
    assert {(one.task_type, one.provider) for one in examples} == served
    assert len({one.name for one in examples}) == len(examples)


def test_every_task_of_an_outside_provider_has_an_example_at_the_sandbox() -> None:
    examples = provider_examples(7)
    served = {
        (task_type, kind)
        for kind, provider in PROVIDERS.items()
        if provider.is_remote or kind in _WITH_REMOTE_EDITOR
        for task_type in provider.queues
    }
    assert {(one.task_type, one.provider) for one in examples} == served
    vendors = {one.variant for one in examples if one.provider is ProviderType.AI_CORE}
    assert vendors == {vendor.value for vendor in AiProvider}
    assert all(one.label == f"{one.name} (sandbox)" for one in examples)
    without = [one.name for one in examples if not one.inputs]
    assert without == ["generation_fal_standard", "generation_vertex"]
    own = [generation(7), *others(Image.new("RGB", (64, 64), "red"), 7)]
    assert len({one.name for one in [*own, *examples]}) == len([*own, *examples])


def test_request_carries_its_pictures() -> None:
    removal = next(
        one for one in others(Image.new("RGB", (64, 64)), 7) if one.name == "background_remove"
    )
    pictures = removal.body["input_image_paths"]
    assert len(pictures) == len(removal.inputs) == 2
    assert all(one.startswith("data:image/png;base64,") for one in pictures)


def test_a_video_is_shown_by_its_first_and_last_frame() -> None:
    picture = Image.new("RGB", (160, 80), "red")
    picture.paste("blue", (80, 0, 160, 80))
    clip = pan(picture, seconds=2, ratio=None)
    first, last = first_and_last(clip.content)
    assert first.size == last.size == clip.size
    middle = (clip.size[0] // 2, clip.size[1] // 2)
    (red, _, no_blue), (no_red, _, blue) = (
        cast("tuple[int, int, int]", frame.getpixel(middle)) for frame in (first, last)
    )
    assert min(red, blue) > 200
    assert max(no_red, no_blue) < 60


def test_sheet_shows_inputs_left_and_outputs_right_of_the_line() -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    sheet = draw_sheet([SheetRow("one", [red], [blue]), SheetRow("two", [], [blue, clear])])
    middle = sheet.width // 3
    left, right = sheet.crop((0, 0, middle, sheet.height)), sheet.crop((middle, 0, *sheet.size))
    colours = [{colour for _, colour in part.getcolors(2**16) or []} for part in (left, right)]
    assert (255, 0, 0) in colours[0]
    assert (0, 0, 255) not in colours[0]
    assert (0, 0, 255) in colours[1]
    assert (0xD0, 0xD0, 0xD0) in colours[1]


def test_a_text_is_drawn_in_the_place_of_a_picture() -> None:
    red = Image.new("RGB", (8, 8), "red")
    short, long = (draw_sheet([SheetRow("one", [red], [text])]) for text in ("red", "red " * 999))
    assert short.size == long.size == draw_sheet([SheetRow("one", [red], [red])]).size
    dark = [sheet.convert("L").histogram()[:100] for sheet in (short, long)]
    assert sum(dark[0]) < sum(dark[1])


def test_many_rows_stand_in_blocks_beside_each_other() -> None:
    row = SheetRow("one", [Image.new("RGB", (8, 8), "red")], [Image.new("RGB", (8, 8), "blue")])
    one, three = draw_sheet([row] * 12), draw_sheet([row] * 34)
    assert (three.width, three.height) == (3 * one.width, one.height)
