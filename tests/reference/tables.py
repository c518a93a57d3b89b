"""Small Parquet files as pandas writes them, for toolkit/src/data/load.

Run `python tables.py` with pandas and pyarrow installed.
"""

import datetime
import decimal
import pathlib

import pandas
import pyarrow
import pyarrow.parquet

FOLDER = pathlib.Path(__file__).parent / "tables"

frame = pandas.DataFrame(
    {
        "size": [1.5, 2.0, 0.5, 3.0],
        "weight": [10, 20, 5, 40],
        "kind": ["dog", "dog", "cat", "dog"],
    }
)
frame.to_parquet(FOLDER / "range.parquet")
frame.loc[[2, 0, 3, 1]].to_parquet(FOLDER / "shuffled.parquet")
named = frame.set_index(pandas.Index([1007, 1003, 1009, 1001], name="customer"))
named.to_parquet(FOLDER / "named_index.parquet")

columns = {
    "x": pyarrow.array([1.5, 2.5, 3.5]),
    "price": pyarrow.array([decimal.Decimal(text) for text in ("1.25", "2.50", "9.99")]),
    "dates": pyarrow.array([datetime.date(2024, 1, day) for day in (1, 2, 3)]),
    "parts": pyarrow.array([[1.0, 2.0], [], [3.0]]),
    "fixed": pyarrow.array([[1.0, 2.0]] * 3, pyarrow.list_(pyarrow.float64(), 2)),
    "place": pyarrow.array([{"north": 1.0, "east": 2.0}] * 3),
    "half": pyarrow.array([0.5, 1.0, 1.5], pyarrow.float16()),
    "kind": pyarrow.array(["a", "b", "a"]),
}
pyarrow.parquet.write_table(pyarrow.table(columns), FOLDER / "odd_columns.parquet")
