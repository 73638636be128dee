"""Picture files with their provenance inside: PNG in a text chunk, WebP and JPEG in XMP.

Equal pictures and equal records give equal bytes.
"""

import io
import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from shared.contracts.enums import OutputFormat
from shared.pixels.images import PNG_COMPRESSION

PNG_KEYWORD = "sartiq:provenance"
XMP_NAMESPACE = "urn:sartiq:"
"""The namespace of the XMP property `provenance`."""

_JPEG_QUALITY = 95
# The packet's wrapper and its id are XMP's own (ISO 16684-1, 7.3.2).
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:sartiq="{namespace}" sartiq:provenance={record}/>'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
)


def encode_output(picture: Image.Image, form: OutputFormat, record: Mapping[str, Any]) -> bytes:
    """Encode a picture: PNG and WebP without loss, JPEG at quality 95 without subsampling.

    Args:
        picture: RGB, or RGBA as PNG; its own metadata is left out.
        form: the file format.
        record: the provenance, written into the file as JSON.
    """
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    plain = picture.copy()
    plain.info.clear()
    buffer = io.BytesIO()
    if form is OutputFormat.PNG:
        chunks = PngInfo()
        chunks.add_itxt(PNG_KEYWORD, text)
        plain.save(buffer, "PNG", pnginfo=chunks, **PNG_COMPRESSION)
    elif form is OutputFormat.WEBP:
        plain.save(buffer, "WEBP", lossless=True, xmp=_xmp(text))
    else:
        plain.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0, xmp=_xmp(text))
    return buffer.getvalue()


def _xmp(record: str) -> bytes:
    return _XMP.format(namespace=XMP_NAMESPACE, record=quoteattr(record)).encode()
