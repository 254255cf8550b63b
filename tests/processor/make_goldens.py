"""Writes goldens.json: what Pillow and Transformers' PIL image processors give.

    pip install pillow==12.1.0 numpy==2.4.6
    python make_goldens.py > goldens.json

Pillow 13 is not the reference: where the height shrinks and the width grows it takes the vertical pass first, unlike
all before it, so unlike what the models were trained with. src/processor/resize.cpp keeps the horizontal one first.

process() restates the steps of transformers 5.23.0 (image_processing_backends.py and image_transforms.py). With
--check, where transformers and torch are installed too, it holds itself against the processors there.
"""

import json
import math
import sys

import numpy as np
import PIL
from PIL import Image

FILTERS = [0, 1, 2, 3]
# width, height: from and to. Up, down, one side only, both ways at once, to and from one pixel, by a large ratio.
RESIZES = [
    ((13, 9), (23, 14)),
    ((13, 9), (7, 5)),
    ((13, 9), (13, 4)),
    ((13, 9), (6, 9)),
    ((13, 9), (31, 4)),
    ((13, 9), (4, 23)),
    ((13, 9), (13, 9)),
    ((13, 9), (1, 1)),
    ((1, 1), (5, 4)),
    ((2, 3), (17, 11)),
    ((331, 257), (12, 7)),
    ((997, 3), (10, 10)),
]

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
STEPS = {
    "do_resize": False,
    "do_center_crop": False,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
}
CLIP = STEPS | {"image_processor_type": "CLIPImageProcessor", "do_resize": True, "do_center_crop": True, "resample": 3}
CLIP |= {"image_mean": MEAN, "image_std": STD, "do_convert_rgb": True}
SIGLIP = STEPS | {"image_processor_type": "SiglipImageProcessor", "do_resize": True, "resample": 3}
VIT = STEPS | {"image_processor_type": "ViTImageProcessor", "do_resize": True, "resample": 2}
LLAVA = CLIP | {"image_processor_type": "LlavaImageProcessor", "do_pad": False}
# width, height, configuration
IMAGES = [
    (31, 17, CLIP | {"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}}),
    (17, 31, CLIP | {"size": 9, "crop_size": 8}),
    (17, 31, LLAVA | {"size": {"shortest_edge": 7}, "crop_size": {"height": 5, "width": 6}}),
    (9, 20, CLIP | {"do_resize": False, "crop_size": {"height": 7, "width": 14}}),
    (4, 5, CLIP | {"do_resize": False, "crop_size": {"height": 8, "width": 7}}),
    (20, 15, SIGLIP | {"size": {"height": 7, "width": 9}}),
    (20, 15, SIGLIP | {"size": 6}),
    (20, 15, VIT | {"size": 6}),
    (20, 15, VIT | {"size": {"height": 5, "width": 6}, "rescale_factor": 0.00784, "do_normalize": False}),
    (20, 15, VIT | {"size": {"height": 5, "width": 6}, "do_rescale": False, "image_mean": [127.5, 120, 110]}),
    (5, 4, VIT | {"do_resize": False, "do_rescale": False, "do_normalize": False}),
    (6, 5, VIT | {"image_processor_type": "ViTFeatureExtractor", "size": 5, "resample": 0}),
]


def make_image(width: int, height: int) -> np.ndarray:
    """u8 [height, width, 3]: noise, half of it black or white so that filters overshoot. golden_test.cpp has its twin."""
    state, pixels = width * 65537 + height, []
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        byte = state >> 24
        pixels.append(0 if byte < 64 else 255 if byte >= 192 else byte)
    return np.array(pixels, np.uint8).reshape(height, width, 3)


def resize(image: np.ndarray, size: tuple[int, int], resample: int) -> np.ndarray:
    """To `size` = (width, height)."""
    return np.array(Image.fromarray(image).resize(size, resample=resample))


def target_size(image: np.ndarray, config: dict) -> tuple[int, int]:
    height, width = image.shape[:2]
    size = config["size"]
    if isinstance(size, int):
        is_square = config["image_processor_type"].startswith("ViT")  # default_to_square of the family's class
        size = {"height": size, "width": size} if is_square else {"shortest_edge": size}
    if "height" in size:
        return size["width"], size["height"]
    edge = size["shortest_edge"]
    return (edge, int(edge * height / width)) if width <= height else (int(edge * width / height), edge)


def center_crop(image: np.ndarray, size: dict | int) -> np.ndarray:
    size = {"height": size, "width": size} if isinstance(size, int) else size
    height, width = image.shape[:2]
    top, left = (height - size["height"]) // 2, (width - size["width"]) // 2
    above, before = math.ceil(max(0, size["height"] - height) / 2), math.ceil(max(0, size["width"] - width) / 2)
    padded = np.zeros((max(height, size["height"]), max(width, size["width"]), 3), image.dtype)
    padded[above : above + height, before : before + width] = image
    top, left = top + above, left + before
    return padded[top : top + size["height"], left : left + size["width"]]


def process(image: np.ndarray, config: dict) -> np.ndarray:
    """u8 [height, width, 3] to f32 [3, height, width]."""
    if config["do_resize"]:
        image = resize(image, target_size(image, config), config["resample"])
    if config["do_center_crop"]:
        image = center_crop(image, config["crop_size"])
    if config["do_rescale"]:
        image = (image.astype(np.float64) * config["rescale_factor"]).astype(np.float32)
    image = image.astype(np.float32)
    if config["do_normalize"]:
        image = (image - np.array(config["image_mean"], np.float32)) / np.array(config["image_std"], np.float32)
    return image.transpose(2, 0, 1)


def check() -> None:
    from transformers import models

    for width, height, config in IMAGES:
        family = config["image_processor_type"].removesuffix("ImageProcessor").removesuffix("FeatureExtractor")
        module = getattr(getattr(models, family.lower()), f"image_processing_pil_{family.lower()}")
        processor = getattr(module, f"{family}ImageProcessorPil").from_dict(config)
        image = make_image(width, height)
        theirs = np.asarray(processor(Image.fromarray(image))["pixel_values"][0], np.float32)
        np.testing.assert_array_equal(theirs, process(image, config), err_msg=str(config))
    print(f"{len(IMAGES)} images as transformers gives them", file=sys.stderr)


def main() -> None:
    if "--check" in sys.argv:
        return check()
    resizes = [
        {"from": source, "to": target, "filter": f, "rgb": resize(make_image(*source), target, f).tobytes().hex()}
        for source, target in RESIZES
        for f in FILTERS
    ]
    images = []
    for width, height, config in IMAGES:
        values = process(make_image(width, height), config)
        flat = [float(f"{v:.9g}") for v in values.ravel()]  # nine digits are exact for f32
        images.append({"from": [width, height], "config": config, "shape": values.shape, "values": flat})
    made_by = f"make_goldens.py, Pillow {PIL.__version__}, numpy {np.__version__}"
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in resizes)
    more = ",\n".join(json.dumps(case, separators=(",", ":")) for case in images)
    print(f'{{"made_by": "{made_by}",\n"resizes": [\n{lines}],\n"images": [\n{more}]}}')


if __name__ == "__main__":
    main()
