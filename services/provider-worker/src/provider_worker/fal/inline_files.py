"""Files inside an app's response, which are stored instead of recorded. Pure."""

from typing import Any

from shared.contracts.json_texts import replace_texts
from shared.images.inline import is_base64_url


class InlineFiles:
    """The base64 data URLs of a response, each moved out of it and replaced by a name.

    Args:
        stem: beginning of the names, which the response cannot contain by chance. Names are
            longer than the paths that replace them, so that the response does not grow.
    """

    def __init__(self, stem: str) -> None:
        self._stem = stem
        self._names: dict[str, str] = {}
        self.num_characters = 0
        """Length of everything that was moved out."""

    @property
    def sources(self) -> dict[str, str]:
        """The data URLs by name."""
        return {name: url for url, name in self._names.items()}

    def moved_out(self, data: Any) -> Any:
        """Return the response with names in place of its files."""
        return replace_texts(data, self._name)

    def _name(self, text: str) -> str:
        if not is_base64_url(text):
            return text
        self.num_characters += len(text)
        return self._names.setdefault(text, f"{self._stem}/inline_file_{len(self._names)}")
