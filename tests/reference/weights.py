"""Files of weights as PyTorch and safetensors write them, as golden values for toolkit/src/weights.

Run `python weights.py` with requirements.txt installed: it writes the files into the folder weights
and, as weights.json, the bits of every number as float32 (integers as they are).
"""

import json
import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.manual_seed(20261124)
folder = Path(__file__).with_name("weights")
folder.mkdir(exist_ok=True)
golden = {}


def numbers(tensor):
    if tensor.is_floating_point():
        bits = tensor.detach().to(torch.float32).contiguous().numpy().view(np.uint32)
        return {"shape": list(tensor.shape), "bits": [int(b) for b in bits.ravel()]}
    return {"shape": list(tensor.shape), "integers": [int(i) for i in tensor.reshape(-1)]}


def keep(name, tensors):
    golden[name] = {key: numbers(tensor) for key, tensor in tensors.items()}


def save(name, content, tensors, **options):
    torch.save(content, folder / name, **options)
    keep(name, tensors)


def rezip(name, source, change=lambda name, content: content, **options):
    """The same archive, packed by Python's zipfile."""
    with zipfile.ZipFile(folder / source) as old, zipfile.ZipFile(folder / name, "w", **options) as new:
        for info in old.infolist():
            with new.open(info.filename, "w", force_zip64=options.get("allowZip64", False)) as entry:
                entry.write(change(info.filename, old.read(info)))


net = torch.nn.Sequential(OrderedDict(
    conv=torch.nn.Conv2d(2, 3, (1, 2)), bn=torch.nn.BatchNorm2d(3), fc=torch.nn.Linear(3, 2)))
net.bn(net.conv(torch.randn(4, 2, 3, 4)))  # moves the running statistics
state = net.state_dict()

odd = [0.0, -0.0, 1.5, -2.0 ** -24, 65504.0, 6e-8, float("inf"), float("-inf"), 1 / 3, 1e-40]
types = {str(t).removeprefix("torch."): torch.tensor(odd).to(t)
         for t in [torch.float32, torch.float16, torch.bfloat16]}
types["float64"] = torch.tensor([*odd, 1e300, 1 + 2.0 ** -30], dtype=torch.float64)
for t in [torch.int64, torch.int32, torch.int16, torch.int8]:
    types[str(t).removeprefix("torch.")] = torch.tensor([0, 1, -1, torch.iinfo(t).max, torch.iinfo(t).min], dtype=t)
types["uint8"] = torch.tensor([0, 1, 255], dtype=torch.uint8)
types["bool"] = torch.tensor([True, False, True])

base = torch.randn(5, 6)
views = {"base": base, "transposed": base.t(), "rows": base[1:4], "stepped": base[::2, 1::3],
         "column": base[:, 2], "permuted": torch.randn(2, 3, 4).permute(2, 0, 1), "scalar": torch.tensor(2.5),
         "empty": torch.empty(0, 7), "expanded": torch.randn(1, 3).expand(4, 3)}

save("module.pth", state, state)
save("types.pth", types, types)
save("views.pth", views, views)
parameters = {"weight": torch.nn.Parameter(torch.randn(2, 3)), "frozen": torch.nn.Parameter(torch.randn(2), False)}
save("parameters.pth", OrderedDict(parameters), parameters)
save("nested.pth", {"epoch": 3, "best": 0.75, "note": "a remark", "flags": [True, None, (1, -2 ** 40, 2 ** 20)],
                    "state_dict": state}, state)
save("nested_model.pth", {"model": dict(state), "epoch": 70000}, state)
for protocol in (3, 4, 5):
    save(f"protocol{protocol}.pth", state, state, pickle_protocol=protocol)
rezip("deflated.pth", "module.pth", compression=zipfile.ZIP_DEFLATED)
keep("deflated.pth", state)
rezip("zip64.pth", "module.pth", allowZip64=True)
keep("zip64.pth", state)
save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / "module.safetensors", {"format": "pt"})
keep("module.safetensors", state)
save_file(types, folder / "types.safetensors")
keep("types.safetensors", types)

# What has to be refused.
rezip("refused_big_endian.pth", "module.pth", lambda name, content: b"big" if name.endswith("byteorder") else content)
torch.save(state, folder / "refused_legacy.pth", _use_new_zipfile_serialization=False)
torch.jit.script(torch.nn.Linear(1, 1)).save(folder / "refused_script.pt")
torch.save(torch.nn.Linear(1, 1), folder / "refused_module.pth")
torch.save([torch.ones(1)], folder / "refused_list.pth")
torch.save({"weight": torch.ones(1), "epoch": 3}, folder / "refused_mixed.pth")
torch.save({"weight": torch.ones(2, dtype=torch.complex64)}, folder / "refused_complex.pth")
torch.save({"weight": torch.ones(2, dtype=torch.uint16)}, folder / "refused_uint16.pth")
torch.save({"weight": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, folder / "refused_quantized.pth")
torch.save({"weight": np.float64(1.0)}, folder / "refused_numpy.pth")


class Command:
    def __reduce__(self):
        return os.system, ("echo a pickle ran code",)


torch.save({"weight": torch.ones(1), "x": Command()}, folder / "refused_code.pth")
save_file({"weight": torch.ones(4).to(torch.float8_e4m3fn)}, folder / "refused_float8.safetensors")

(Path(__file__).with_name("weights.json")).write_text(json.dumps(
    {"versions": {"torch": torch.__version__.split("+")[0], "numpy": np.__version__}, "files": golden}) + "\n")
