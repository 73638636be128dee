"""Pictures of tasks in the object store."""

import io

from PIL import Image

from inference_worker.cpu_threads import CpuThreads
from inference_worker.io.picture_files import PictureFiles
from tests.fakes.object_store import MemoryObjectStore


async def test_a_jpeg_of_several_pictures_is_stored_as_the_jpeg_that_it_is(
    cpu: CpuThreads,
) -> None:
    """Phones write such files (MPO), with a second picture after the first."""
    buffer = io.BytesIO()
    second = Image.new("RGB", (20, 10), "blue")
    Image.new("RGB", (20, 10), "red").save(buffer, "MPO", save_all=True, append_images=[second])
    objects = MemoryObjectStore()
    files = PictureFiles(objects, cpu, max_pixels=1000)
    stored = await files.store_copy("face_enhancers/1/a1/image", buffer.getvalue())
    assert (stored.key, stored.content_type) == ("face_enhancers/1/a1/image.jpeg", "image/jpeg")
    assert objects.objects[stored.key][0] == buffer.getvalue()
    assert (await files.fetch("input_image", stored.key)).getpixel((5, 5)) == (254, 0, 0)
