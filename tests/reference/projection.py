"""Writes projection.json: principal components and trustworthiness by scikit-learn, and how far to believe the pictures of
scikit-learn's t-SNE and of umap-learn. Read by toolkit/src/evaluate/projection/tests.rs.

    pip install scikit-learn==1.9.1 umap-learn==0.5.12
    python tests/reference/projection.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
import umap
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.neighbors import KNeighborsClassifier

rng = np.random.default_rng(5)


def numbers(values):
    return [float(v) for v in np.asarray(values).ravel()]


def data(n, width):
    """As 32-bit numbers, of unlike deviations."""
    return (rng.normal(size=(n, width)) * np.linspace(1, 3, width) + rng.normal(size=width)).astype(np.float32)


def case(name, x, more, count):
    pca = PCA(count, svd_solver="full").fit(x.astype(np.float64))
    places = pca.transform(x.astype(np.float64))
    return {
        "name": name,
        "width": x.shape[1],
        "x": numbers(x),
        "more": numbers(more),
        "count": count,
        "components": numbers(pca.components_),
        "variance": numbers(pca.explained_variance_),
        "share": numbers(pca.explained_variance_ratio_),
        "places": numbers(places),
        "more_places": numbers(pca.transform(more.astype(np.float64))),
        "trustworthiness": [[k, trustworthiness(x, places[:, :2], n_neighbors=k)] for k in (1, 3, 5)],
    }


def constant(x):
    x = x.copy()
    x[:, 1] = 4.0
    return x


def left_one_out(places, labels):
    """Accuracy of the 5 nearest others in the picture."""
    folds = KNeighborsClassifier(6).fit(places, labels).kneighbors(places, return_distance=False)[:, 1:]
    votes = [np.bincount(labels[row], minlength=10).argmax() for row in folds]
    return float(np.mean(np.array(votes) == labels))


def picture(name, places, x, labels):
    return {
        "name": name,
        "trustworthiness": [[k, trustworthiness(x, places, n_neighbors=k)] for k in (5, 12)],
        "knn": left_one_out(places, labels),
    }


# Every second digit: the tests draw the same pictures, and must not take long.
x, labels = load_digits(return_X_y=True)
x, labels = x[::2] / 16, labels[::2]
pictures = [
    picture("pca", PCA(2).fit_transform(x), x, labels),
    picture("t-sne", TSNE(random_state=0).fit_transform(x), x, labels),
    picture("umap", umap.UMAP(random_state=0).fit_transform(x), x, labels),
]
golden = {
    "sklearn": sklearn.__version__,
    "umap": umap.__version__,
    "cases": [
        case("tall", data(40, 6), data(7, 6), 4),
        case("wide", data(12, 30), data(5, 30), 5),
        case("a column without variance", constant(data(20, 4)), constant(data(6, 4)), 3),
        case("square", data(15, 15), data(3, 15), 2),
    ],
    "digits": pictures,
}
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(f"{path.name}: {path.stat().st_size} bytes")
for one in pictures:
    print(one)
