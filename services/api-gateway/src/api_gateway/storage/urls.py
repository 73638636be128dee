"""Where a stored picture is read."""

from urllib.parse import quote

from api_gateway.resources import Resources
from api_gateway.settings import GatewaySettings

IMAGES = "/api/v1/storage/images"


def image_url(settings: GatewaySettings, path: str) -> str:
    """A lasting URL: the CDN's where there is one, else this API's."""
    if settings.image_redirect == "cdn":
        return f"{settings.cdn_base_url.rstrip('/')}/{quote(path)}"
    return f"{settings.public_url.rstrip('/')}{IMAGES}/{quote(path)}"


def redirect_url(res: Resources, path: str) -> str | None:
    """Where a reader is sent, or none where the bytes go through this API."""
    match res.settings.image_redirect:
        case "none":
            return None
        case "cdn":
            return image_url(res.settings, path)
        case "presigned":
            return res.objects.presigned_url(path, expires_s=res.settings.image_redirect_expiry_s)
