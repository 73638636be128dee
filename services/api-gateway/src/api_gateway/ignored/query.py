"""The unknown query parameters of a request. Pure."""

from collections.abc import Iterable, Iterator

from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from api_gateway.fault_list import MAX_FAULTS
from api_gateway.ignored.nearest_names import nearest
from api_gateway.ignored.report import NO_PARAMETER, IgnoredField
from api_gateway.ignored.schemas import names_of


def query_names(dependant: Dependant) -> Iterator[str]:
    """Yield the names of all query parameters of a route, its dependencies' included."""
    for parameter in dependant.query_params:
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from names_of(annotation)
        else:
            yield parameter.alias
    for dependency in dependant.dependencies:
        yield from query_names(dependency)


def unknown_parameters(known: frozenset[str], sent: Iterable[str]) -> Iterator[IgnoredField]:
    """Yield the parameters that a route does not know, each once."""
    for count, name in enumerate(dict.fromkeys(name for name in sent if name not in known)):
        close = nearest(name, known) if count < MAX_FAULTS else None
        yield IgnoredField(("query", name), close, NO_PARAMETER)
