"""The table of views once more, as a chain of Albumentations for the workers of a stream (https://albumentations.ai).

Its pictures differ from the batched executor's in their rounding, to 8 bits after every operation and hue to 1/180 of
the circle, and in OpenCV's own resampling (Keys, a = -0.75; the mean of an area where a crop shrinks). A view
that is turned or shifted is black beyond the crop, where the batched executor looks beyond it into the image.
H, W pixels of the image that is read, S pixels a side of the view, C channels.
"""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else its import asks the network for a newer version

import albumentations as A
import cv2

from components.learning import colour, geometry
from components.learning.params import View


def build(view: View, *, side: int, channels: int) -> A.Compose:
    """(H, W, C) uint8 -> (S, S, C) uint8; `set_random_seed` decides what is drawn from then on."""
    cv2.setNumThreads(0)  # there are as many workers as there should be threads
    return A.Compose([*shape_chain(view, side), *colour_chain(view, channels), *texture_chain(view, side)])


def shape_chain(view: View, side: int) -> list[A.BasicTransform]:
    """Crop, flip, and what turns or shifts."""
    chain: list[A.BasicTransform] = [
        A.RandomResizedCrop(
            (side, side),
            scale=view.crop_area,
            ratio=view.crop_ratio,
            interpolation=cv2.INTER_CUBIC,
            area_for_downscale="image",
        ),
        A.HorizontalFlip(p=view.flip),
    ]
    if geometry.warps(view):
        shift = (-view.shift, view.shift)
        affine = A.Affine(
            rotate=(-view.rotate, view.rotate),
            scale=(1 - view.scale, 1 + view.scale),
            keep_ratio=True,
            translate_percent={"x": shift, "y": shift},
            shear={"x": (-view.shear, view.shear), "y": (0, 0)},
            interpolation=cv2.INTER_CUBIC,
            p=1,
        )
        chain.append(affine)
    return chain


def colour_chain(view: View, channels: int) -> list[A.BasicTransform]:
    """Jitter and grayscale."""
    jitter = A.ColorJitter(
        brightness=colour.factors(view.brightness),
        contrast=colour.factors(view.contrast),
        saturation=colour.factors(view.saturation),
        hue=(-view.hue, view.hue),
        p=view.jitter,
    )
    return [jitter, A.ToGray(p=view.grayscale)] if channels == 3 else [jitter]


def texture_chain(view: View, side: int) -> list[A.BasicTransform]:
    """Blur, solarise and noise."""
    width = 2 * colour.blur_radius(side) + 1
    threshold = (view.solarise_threshold, view.solarise_threshold)
    chain: list[A.BasicTransform] = [
        A.GaussianBlur(blur_limit=(width, width), sigma_limit=view.blur_sigma, p=view.blur),
        A.Solarize(threshold_range=threshold, p=view.solarise),
    ]
    if view.noise:
        chain.append(A.GaussNoise(std_range=(view.noise, view.noise), p=1))
    return chain
