"""URLs of stored images."""

from urllib.parse import quote

from api_gateway.resources import Resources
from api_gateway.settings import GatewaySettings

IMAGES = "/api/v1/storage/images"


def image_url(settings: GatewaySettings, path: str, lies_at: str) -> str:
    """Return an image's URL: this API's, or the CDN's, which is that of its current bytes."""
    if settings.image_redirect == "cdn":
        return _cdn_url(settings, lies_at)
    return f"{settings.public_url.rstrip('/')}{IMAGES}/{quote(path)}"


def redirect_url(res: Resources, lies_at: str) -> str | None:
    """Return the URL that reads are redirected to; none: this API sends the bytes."""
    match res.settings.image_redirect:
        case "none":
            return None
        case "cdn":
            return _cdn_url(res.settings, lies_at)
        case "presigned":
            return res.objects.presigned_url(
                lies_at, expires_s=res.settings.image_redirect_expiry_s
            )


def _cdn_url(settings: GatewaySettings, lies_at: str) -> str:
    return f"{settings.cdn_base_url.rstrip('/')}/{quote(lies_at)}"
