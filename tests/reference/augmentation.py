"""Images changed by torchvision, as golden values for toolkit/src/data/augmentation.

Run `python augmentation.py` with PyTorch and torchvision installed: it writes augmentation.json. Images are rows x columns
x channels of numbers in 0..1; each case has the operation, its numbers and what comes of the grey and the colour image.
"""

import json
from pathlib import Path

import torch
import torchvision
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

torch.manual_seed(20261130)
images = {"grey": torch.rand(1, 8, 8), "colour": torch.rand(3, 9, 6)}
# Pixels without a colour, of one colour, and at both ends.
images["colour"][:, 0, 0] = torch.tensor([0.5, 0.5, 0.5])
images["colour"][:, 0, 1] = torch.tensor([1.0, 0.0, 0.0])
images["colour"][:, 0, 2] = torch.tensor([0.0, 1.0, 1.0])
images["colour"][:, 0, 3] = 0.0
images["colour"][:, 0, 4] = 1.0

LINEAR = InterpolationMode.BILINEAR


def numbers(image):
    return [round(float(x), 7) for x in image.permute(1, 2, 0).flatten()]


def shifted(image, right, down):
    padded = F.pad(image, [3, 3, 3, 3])
    return F.crop(padded, 3 - down, 3 - right, image.shape[1], image.shape[2])


cases = []


def case(name, given, change, only=None):
    kinds = [only] if only else list(images)
    cases.append({"name": name, "given": given, "images": {kind: numbers(change(images[kind])) for kind in kinds}})


case("mirror", [], F.horizontal_flip)
case("flip", [], F.vertical_flip)
for right, down in [(0, 0), (1, 0), (0, -2), (-3, 3), (2, 1)]:
    case("shift", [right, down], lambda i, r=right, d=down: shifted(i, r, d))
for top, left, height, width in [(0, 0, 8, 6), (1, 2, 5, 3), (4, 1, 1, 4), (2, 0, 6, 1)]:
    box = (top, left, height, width)
    case("enlarge", list(box), lambda i, b=box: F.resized_crop(i, *b, size=list(i.shape[1:]), interpolation=LINEAR, antialias=True))
for degrees in [0.0, 90.0, 17.0, -33.5, 180.0]:
    case("rotate", [degrees], lambda i, a=degrees: F.rotate(i, a, interpolation=LINEAR))
for degrees, right, down, scale, shear in [(10.0, 1, -2, 1.2, 0.0), (-25.0, 0, 1, 0.8, 12.0), (0.0, 0, 0, 1.0, -20.0)]:
    # Torchvision turns clockwise here, and leans the other way.
    case("affine", [degrees, right, down, scale, shear],
         lambda i, a=degrees, r=right, d=down, s=scale, h=shear: F.affine(i, -a, [r, d], s, [-h, 0.0], interpolation=LINEAR))
for factor in [0.0, 0.4, 1.0, 1.7]:
    case("brightness", [factor], lambda i, f=factor: F.adjust_brightness(i, f))
    case("contrast", [factor], lambda i, f=factor: F.adjust_contrast(i, f))
    case("saturation", [factor], lambda i, f=factor: F.adjust_saturation(i, f), only="colour")
for power in [0.3, 1.0, 2.2]:
    case("gamma", [power], lambda i, p=power: F.adjust_gamma(i, p))
for share in [-0.5, -0.2, 0.0, 0.07, 0.45]:
    case("hue", [share], lambda i, s=share: F.adjust_hue(i, s), only="colour")
for deviation in [0.3, 0.8, 1.4]:
    def blurred(image, deviation=deviation):
        # A bell of three deviations, no wider than a mirrored line can be.
        sizes = [2 * min(-int(-3 * deviation // 1), n - 1) + 1 for n in (image.shape[2], image.shape[1])]
        return F.gaussian_blur(image, sizes, [deviation, deviation])
    case("blur", [deviation], blurred)

found = {
    "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
    "images": {name: {"height": i.shape[1], "width": i.shape[2], "channels": i.shape[0], "pixels": numbers(i)} for name, i in images.items()},
    "cases": cases,
}
Path(__file__).with_suffix(".json").write_text(json.dumps(found))
