"""JPEG compression is checked against OpenCV's."""

import cv2
import numpy as np
import pytest
import torch

from components.evaluate.jpeg import compress_jpeg


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("side", [8, 37])
def test_images_are_what_another_library_makes_of_them(colours: int, side: int) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (3, 4, 4, colours)).astype(np.uint8)
    images = [cv2.resize(pixels, (side, side)).reshape(side, side, colours) for pixels in drawn]
    compressed = (
        compress_jpeg(torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2)), 40).numpy().transpose(0, 2, 3, 1)
    )
    for image, jpeg in zip(images, compressed, strict=True):
        _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])
        decoded = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
        assert decoded is not None
        expected = decoded.reshape(image.shape)[..., ::-1]
        np.testing.assert_allclose(jpeg.astype(int), expected, atol=2)
        assert np.abs(jpeg.astype(int) - image).max() > 2, "nothing was lost"


def test_worse_quality_leaves_less() -> None:
    images = torch.randint(0, 256, (5, 3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()
    lost = [float((compress_jpeg(images, quality).float() - images.float()).abs().mean()) for quality in (90, 50, 10)]
    assert lost == sorted(lost)
    assert lost[0] < lost[2]
