"""Figures with goals, and the pictures of every operation in docs/quality.md: `make quality`."""

import sys
from pathlib import Path

from rich.console import Console

from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from tests.bench.goals import Goal, conclude
from tests.quality.figures import measure
from tests.quality.pictures import save, show_all

DOCS = Path(__file__).parents[2] / "docs"
_HEAD = """# Picture quality of the operations

Written by `make quality`, which exits 1 where a figure misses its goal. Photographs: scikit-image's
astronaut and coffee. All models are those that `make install` installs. swatch is trained on small
pictures of garments, 64 × 64 pixels: its edits of photographs show how regions are cropped, checked
and blended, not the quality of a large model.

| figure | goal | value | verdict |
|---|---|---|---|
"""
_SECOND = """
Each picture: before, after, and their difference × 4 where both have the same size.
"""


def _row(goal: Goal) -> str:
    verdict = "met" if goal.is_met else "MISSED"
    value = f"{goal.value:.2f} {goal.unit}".strip()
    return f"| {goal.name} | {goal.stated.strip()} | {value} | {verdict} |\n"


def main() -> int:
    """Measure, draw, write the page, and return the exit status."""
    models = VisionModels(VisionSettings())
    goals = measure(models)
    page = _HEAD + "".join(map(_row, goals)) + _SECOND
    for shown in show_all(models):
        path = save(shown, DOCS / "images" / "quality")
        page += f"\n**{shown.note}**\n\n![{shown.name}]({path.relative_to(DOCS)})\n"
    (DOCS / "quality.md").write_text(page)
    return conclude(Console(), goals)


if __name__ == "__main__":
    sys.exit(main())
