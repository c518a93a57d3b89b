"""Images resized and cropped by torchvision, as golden values for toolkit/src/data/images.

Run `python images.py` with PyTorch, torchvision, Pillow 12 and NumPy installed: it writes small images into the
folder images/<class> and, as images.json, what torchvision makes of them. Pixels are hexadecimal, row by row, r g b.
Pillow 13 resizes some images columns first, which differs by one of 255 here and there.
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

rng = np.random.default_rng(20261124)
folder = Path(__file__).with_name("images")


def picture(height, width):
    """Waves, an edge and noise: overshoot, slopes and corners."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([127 + 120 * np.sin(x / 3 + y / 5), 255 * (x > width / 2), 255 * y / height], axis=-1)
    return np.clip(base + rng.normal(0, 20, size=base.shape), 0, 255).astype(np.uint8)


def deep_png(path, pixels):
    """A 16-bit PNG of 1 to 4 channels; Pillow writes none with colour."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


for name in ["sizes", "modes"]:
    (folder / name).mkdir(parents=True, exist_ok=True)
for height, width in [(17, 23), (23, 17), (12, 12), (5, 31), (40, 9)]:
    Image.fromarray(picture(height, width)).save(folder / "sizes" / f"{height}x{width}.png")
modes = folder / "modes"
source = Image.fromarray(picture(9, 11))
alpha = Image.fromarray(picture(9, 11)[:, :, 0])
source.convert("L").save(modes / "grey.png")
source.convert("1").save(modes / "bits.png")
Image.merge("LA", [source.convert("L"), alpha]).save(modes / "grey_alpha.png")
Image.merge("RGBA", [*source.split(), alpha]).save(modes / "alpha.png")
palette = source.quantize(12)
palette.save(modes / "palette.png")
palette.save(modes / "palette_clear.png", transparency=3)
for channels, name in [(1, "grey16"), (2, "grey_alpha16"), (3, "colour16"), (4, "alpha16")]:
    deep_png(modes / f"{name}.png", rng.integers(0, 65536, size=(9, 11, channels)).astype(np.uint16))
exif = Image.Exif()
exif[0x0112] = 6  # turned by a quarter
source.save(modes / "turned.jpg", quality=95, subsampling=0, exif=exif)
source.convert("L").save(modes / "grey.jpg", quality=95)

golden = {}
for path in sorted(folder.glob("*/*.*")):
    image = Image.open(path)
    if image.mode == "I;16":
        # Pillow's own conversion clips at 255, which leaves white; its other 16-bit modes take the upper 8 bits.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = ImageOps.exif_transpose(image).convert("RGB")
    whole = np.asarray(image)
    cases = {"whole": [*whole.shape[:2], whole.tobytes().hex()]}
    for shorter, crop in [(7, 5), (8, 8), (20, 15), (23, 18)] if path.parent.name == "sizes" else []:
        made = F.center_crop(F.resize(image, [shorter], antialias=True), [crop])
        cases[f"{shorter} {crop}"] = np.asarray(made).tobytes().hex()
    for height, width in [(6, 13), (31, 29)] if path.parent.name == "sizes" else []:
        cases[f"{height}x{width}"] = np.asarray(F.resize(image, [height, width], antialias=True)).tobytes().hex()
    golden[f"{path.parent.name}/{path.name}"] = cases

# The numbers that a network takes, as the bits of float32.
preset = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms(crop_size=6, resize_size=8)
tensor = preset(Image.open(folder / "sizes" / "17x23.png").convert("RGB")).permute(1, 2, 0).contiguous()
defaults = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms()
Path(__file__).with_name("images.json").write_text(json.dumps({
    "versions": {"torchvision": torchvision.__version__.split("+")[0], "pillow": PIL.__version__},
    "files": golden,
    "normalized": [int(b) for b in tensor.numpy().view(np.uint32).ravel()],
    "inception": {"resize": defaults.resize_size[0], "crop": defaults.crop_size[0], "mean": defaults.mean,
                  "std": defaults.std},
}) + "\n")
