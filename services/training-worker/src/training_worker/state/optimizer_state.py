"""An optimizer's state by the names of its parameters: tensors, and scalars as JSON.

It reads and writes `state_dict`, not the live state: some optimizers wrap theirs in it. Slots of
nested dicts are joined by a slash.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

_SCALARS = (bool, int, float, str, type(None))
_JOIN = "/"

Scalars = dict[str, Any]


def slot_tensors(optimizer: Optimizer, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Yield `<slot>.<name>` of each parameter; nothing before the first step."""
    for name, slot, value in _slots(optimizer, names):
        if isinstance(value, Tensor):
            yield f"{slot}.{name}", value.detach()


def slot_scalars(optimizer: Optimizer, names: Sequence[str]) -> dict[str, Scalars]:
    """Return the slots that are no tensors, by parameter."""
    found: dict[str, Scalars] = {}
    for name, slot, value in _slots(optimizer, names):
        if not isinstance(value, Tensor):
            assert isinstance(value, _SCALARS), f"{slot} of {name} would be lost"
            found.setdefault(name, {})[slot] = value
    return found


def group_scalars(optimizer: Optimizer) -> list[Scalars]:
    """Return the settings of each group, some of which optimizers change."""
    return [
        {name: value for name, value in group.items() if isinstance(value, _SCALARS)}
        for group in optimizer.param_groups
    ]


def load_optimizer(
    optimizer: Optimizer,
    names: Sequence[str],
    tensors: Mapping[str, Tensor],
    scalars: Mapping[str, Scalars],
    groups: Sequence[Scalars],
) -> None:
    """Put an optimizer into a stored state.

    Args:
        optimizer: of the same kind, just built.
        names: of its parameters, in order.
        tensors: by `<slot>.<name>`; others are left alone.
        scalars: as `slot_scalars` returned them.
        groups: as `group_scalars` returned them.
    """
    by_name: dict[str, Scalars] = {name: dict(scalars.get(name, {})) for name in names}
    places = {name: index for index, name in enumerate(names)}
    for key, value in tensors.items():
        slot, _, name = key.partition(".")
        if name in by_name:
            by_name[name][slot] = value
    fresh = optimizer.state_dict()
    fresh["state"] = {places[name]: _nested(slots) for name, slots in by_name.items() if slots}
    fresh["param_groups"] = [
        {**own, **stored} for own, stored in zip(fresh["param_groups"], groups, strict=True)
    ]
    optimizer.load_state_dict(fresh)


def _slots(optimizer: Optimizer, names: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    stored = optimizer.state_dict()["state"]
    for index, name in enumerate(names):
        for slot, value in _flat(stored.get(index, {})):
            yield name, slot, value


def _flat(slots: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for slot, value in slots.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{slot}{_JOIN}")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield f"{prefix}{slot}", value


def _nested(slots: Mapping[str, Any]) -> Scalars:
    nested: Scalars = {}
    for path, value in slots.items():
        *outer, last = path.split(_JOIN)
        here = nested
        for name in outer:
            here = here.setdefault(name, {})
        here[last] = value
    return nested
