"""Check of a webhook's URL; the address of its host is checked again at each call."""

from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.resources import Resources
from shared.egress.errors import ForbiddenUrlError
from shared.egress.urls import check_url


def check_webhook(res: Resources, url: str | None) -> None:
    """Refuse a webhook to an address that must not be called.

    Raises:
        InvalidRequestError: names `webhook_url`.
    """
    if not url:
        return
    try:
        check_url(url, res.guard)
    except ForbiddenUrlError as error:
        raise InvalidRequestError([Fault(("body", "webhook_url"), str(error))]) from error
