"""The file name of a trained LoRA."""

from uuid import UUID

from shared.lora.errors import LoraNameError
from shared.lora.names import STORED_SUFFIX, split_filename

_NUM_HEX = 8


def file_stem(trigger_word: str, training_id: UUID) -> str:
    """Return a file name without suffix: of the trigger word if that can be one.

    Trigger words with nothing but other letters than Latin ones, with slashes, too long ones and
    the like become `training-` with the first eight digits of the training's id.
    """
    try:
        stem, _ = split_filename(f"{trigger_word}{STORED_SUFFIX}", is_made_safe=True)
    except LoraNameError:
        return f"training-{training_id.hex[:_NUM_HEX]}"
    return stem
