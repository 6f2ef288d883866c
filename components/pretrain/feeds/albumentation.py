"""The table of views as a chain of Albumentations, for the workers of a stream (https://albumentations.ai).

Its views differ from the batched executor's in their rounding, to 8 bits after every operation and hue to 1/180 of the
circle, and in OpenCV's own resampling (Keys, a = -0.75; the mean of an area if a crop shrinks). A view that is turned
or shifted is black beyond the crop, while the batched executor shows there what the image holds.

H, W pixels of the image that is read, S pixels per side of the view, C channels.
"""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # otherwise the import asks the network for a newer version

import albumentations as A
import cv2

from components.learning import colour, geometry
from components.learning.params import View


def build_chain(view: View, *, side: int, channels: int) -> A.Compose:
    """Build the chain (H, W, C) uint8 -> (S, S, C) uint8; its `set_random_seed` decides what it draws from then on."""
    cv2.setNumThreads(0)  # the workers already are as many as there should be threads
    return A.Compose(
        [*build_shape_chain(view, side), *build_colour_chain(view, channels), *build_texture_chain(view, side)]
    )


def build_shape_chain(view: View, side: int) -> list[A.BasicTransform]:
    """Build the operations that crop, flip, turn and shift."""
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
    if geometry.needs_warp(view):
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


def build_colour_chain(view: View, channels: int) -> list[A.BasicTransform]:
    """Build jitter and grayscale."""
    jitter = A.ColorJitter(
        brightness=colour.compute_factor_range(view.brightness),
        contrast=colour.compute_factor_range(view.contrast),
        saturation=colour.compute_factor_range(view.saturation),
        hue=(-view.hue, view.hue),
        p=view.jitter,
    )
    return [jitter, A.ToGray(p=view.grayscale)] if channels == 3 else [jitter]


def build_texture_chain(view: View, side: int) -> list[A.BasicTransform]:
    """Build blur, solarise and noise."""
    width = 2 * colour.compute_blur_radius(side) + 1
    threshold = (view.solarise_threshold, view.solarise_threshold)
    chain: list[A.BasicTransform] = [
        A.GaussianBlur(blur_limit=(width, width), sigma_limit=view.blur_sigma, p=view.blur),
        A.Solarize(threshold_range=threshold, p=view.solarise),
    ]
    if view.noise:
        chain.append(A.GaussNoise(std_range=(view.noise, view.noise), p=1))
    return chain
