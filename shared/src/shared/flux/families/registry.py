"""The known families, and the one that a folder belongs to."""

import json
from pathlib import Path

from shared.contracts.error_text import one_line
from shared.flux.errors import ModelLoadError
from shared.flux.families.family import Family
from shared.flux.families.flux import FLUX, FLUX_KONTEXT

FAMILIES = (FLUX, FLUX_KONTEXT)


def family_of(folder: Path) -> Family:
    """Return the family that a folder in diffusers format belongs to.

    Raises:
        ModelLoadError: it is no such folder, is incomplete, or is of an unknown family.
    """
    try:
        index = json.loads((folder / "model_index.json").read_text())
        pipeline_class = index["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(
            f"{str(folder)!r} is not a model folder in diffusers format: {one_line(error)}"
        ) from error
    for family in FAMILIES:
        if family.pipeline_class == pipeline_class:
            missing = [part for part in family.part_classes if not (folder / part).is_dir()]
            if missing:
                raise ModelLoadError(
                    f"the model in {str(folder)!r} is incomplete: {', '.join(missing)} is missing"
                )
            return family
    known = ", ".join(family.pipeline_class for family in FAMILIES)
    raise ModelLoadError(f"the model in {str(folder)!r} is a {pipeline_class}; known are {known}")
