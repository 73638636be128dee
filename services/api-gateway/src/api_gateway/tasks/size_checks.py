"""Which sizes the local model can do."""

from api_gateway.errors import Fault
from shared.contracts.local_limits import side_fault
from shared.settings import ModelSettings


def check_size(name: str, side_px: int, model: ModelSettings) -> list[Fault]:
    """What is wrong with one side of a picture to be generated."""
    fault = side_fault(side_px, model.max_side_px)
    if fault is None:
        return []
    return [Fault((name,), f"{fault}; {model.native_side_px} is what it was trained at")]
