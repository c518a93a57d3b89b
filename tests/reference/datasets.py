"""Writes the datasets that ship (datasets/*.csv) and numbers to check them by (datasets.json).

Needs scikit-learn: `pip install scikit-learn==1.9.1`, then `python tests/reference/datasets.py`.
The files it writes are checked in; running it again must change nothing.
"""

import hashlib
import json
import pathlib
import platform

import numpy
import sklearn
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent

# file name: (loader, label column, label cells from target numbers)
SHIPPED = {
    "digits": (datasets.load_digits, "digit"),
    "iris": (datasets.load_iris, "species"),
    "wine": (datasets.load_wine, "cultivar"),
    "breast_cancer": (datasets.load_breast_cancer, "diagnosis"),
}


def cell(x):
    """The shortest decimal that reads back as the same number; whole numbers without a point."""
    return str(int(x)) if x == int(x) else repr(float(x))


def write(name, load, label):
    data = load()
    lines = [",".join([*map(str, data.feature_names), label])]
    for row, target in zip(data.data, data.target):
        lines.append(",".join([*map(cell, row), str(data.target_names[target])]))
    text = "\n".join(lines) + "\n"
    assert '"' not in text and text.count(",") == len(lines) * data.data.shape[1]
    path = ROOT / "datasets" / f"{name}.csv"
    path.write_bytes(text.encode())
    return {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "rows": data.data.shape[0],
        "columns": data.data.shape[1],
        "class_names": [str(n) for n in data.target_names],
        "class_counts": numpy.bincount(data.target).tolist(),
        "column_sums": data.data.sum(axis=0).tolist(),
        "column_square_sums": (data.data**2).sum(axis=0).tolist(),
        "first_row": data.data[0].tolist(),
        "labels_by_position": int((data.target * numpy.arange(1, len(data.target) + 1)).sum()),
    }


def moons():
    """make_moons without noise and shuffling: moon 0 in order, then moon 1."""
    points, labels = datasets.make_moons(n_samples=11, shuffle=False, noise=None)
    return {"points": points.tolist(), "labels": labels.tolist()}


def standardized_wine():
    """StandardScaler fitted on the even rows, applied to the odd ones."""
    x = datasets.load_wine().data.astype(numpy.float32).astype(numpy.float64)
    scaler = StandardScaler().fit(x[::2])
    return {
        "mean": scaler.mean_.tolist(),
        "deviation": scaler.scale_.tolist(),
        "first_odd_row": scaler.transform(x[1::2])[0].tolist(),
    }


def main():
    golden = {name: write(name, *how) for name, how in SHIPPED.items()}
    golden["made_with"] = {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
    }
    golden["two_moons_11"] = moons()
    golden["wine_standardized"] = standardized_wine()
    (HERE / "datasets.json").write_text(json.dumps(golden, indent=1) + "\n")
    for name in SHIPPED:
        print(golden[name]["sha256"], f"{name}.csv")


main()
