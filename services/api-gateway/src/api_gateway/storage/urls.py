"""Where a stored picture is read."""

from urllib.parse import quote

from api_gateway.resources import Resources
from api_gateway.settings import GatewaySettings

IMAGES = "/api/v1/storage/images"


def image_url(settings: GatewaySettings, path: str, content_key: str) -> str:
    """Return a picture's URL: this API's, or the CDN's, which is that of its present bytes."""
    if settings.image_redirect == "cdn":
        return _cdn_url(settings, content_key)
    return f"{settings.public_url.rstrip('/')}{IMAGES}/{quote(path)}"


def redirect_url(res: Resources, content_key: str) -> str | None:
    """Return the URL that readers are sent to; none: the bytes go through this API."""
    match res.settings.image_redirect:
        case "none":
            return None
        case "cdn":
            return _cdn_url(res.settings, content_key)
        case "presigned":
            return res.objects.presigned_url(
                content_key, expires_s=res.settings.image_redirect_expiry_s
            )


def _cdn_url(settings: GatewaySettings, content_key: str) -> str:
    return f"{settings.cdn_base_url.rstrip('/')}/{quote(content_key)}"
