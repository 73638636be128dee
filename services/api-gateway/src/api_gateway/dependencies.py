"""How routes get their resources."""

from typing import Annotated

from fastapi import Depends, Request, Response

from api_gateway.resources import Resources


async def resources(request: Request) -> Resources:
    """The resources of this process.

    A coroutine, as every dependency here: FastAPI sends plain functions through a thread.
    """
    return request.app.state.resources


Res = Annotated[Resources, Depends(resources)]


async def created(response: Response, res: Res) -> None:
    """Answer 200 instead of 201 where the settings ask for it."""
    if res.settings.answers_create_with_200:
        response.status_code = 200


Created = Depends(created)
