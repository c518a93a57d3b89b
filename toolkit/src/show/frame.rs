//! polars tables and columns.

use polars::prelude::{AnyValue, Column, DataFrame, DataType, IntoColumn, Series};

use super::table::{Align, Cell, Table, shorten};
use super::{Bundle, Show, readable_number};

/// Rows and columns of the HTML form; of larger tables the two ends are shown.
const ROWS: usize = 20;
const COLUMNS: usize = 30;
/// Characters of one cell.
const CELL: usize = 200;

impl Show for DataFrame {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string()).html(frame_table(self).to_html())
    }
}

impl Show for Series {
    fn bundle(&self) -> Bundle {
        let column = [self.clone().into_column()];
        let table = columns_table(&column.each_ref(), self.len(), 1).note(format!("{} values", self.len()));
        Bundle::text(self.to_string()).html(table.to_html())
    }
}

impl Show for Column {
    fn bundle(&self) -> Bundle {
        self.as_materialized_series().bundle()
    }
}

fn frame_table(frame: &DataFrame) -> Table {
    let columns: Vec<&Column> = frame.columns().iter().collect();
    let (height, width) = frame.shape();
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let shape = format!("{} × {}", plural(height, "row"), plural(width, "column"));
    columns_table(&columns, height, width).note(shape)
}

/// The two ends of `0..n` with a gap between, when there are more than `most`.
fn ends(n: usize, most: usize) -> Vec<Option<usize>> {
    if n <= most {
        return (0..n).map(Some).collect();
    }
    let head = most.div_ceil(2);
    let tail = n - most / 2..n;
    (0..head).map(Some).chain([None]).chain(tail.map(Some)).collect()
}

fn columns_table(columns: &[&Column], height: usize, width: usize) -> Table {
    let picked = ends(width, COLUMNS);
    let head = |name: &dyn Fn(&Column) -> String| -> Vec<String> {
        let text = |c: &Option<usize>| c.map_or("…".to_owned(), |c| name(columns[c]));
        picked.iter().map(text).collect()
    };
    let names = head(&|c| shorten(c.name().as_str(), CELL));
    let types = head(&|c| c.dtype().to_string());
    let mut table = Table::new(names).types(types);
    for (place, column) in picked.iter().enumerate() {
        let numeric = column.is_some_and(|c| columns[c].dtype().is_primitive_numeric());
        table = table.align(place, if numeric { Align::Right } else { Align::Left });
    }
    for row in ends(height, ROWS) {
        let cell = |column: &Option<usize>| match (row, column) {
            (Some(row), Some(column)) => value_cell(columns[*column], row),
            _ => Cell::muted("…"),
        };
        table = table.cells(picked.iter().map(cell).collect());
    }
    table
}

fn value_cell(column: &Column, row: usize) -> Cell {
    let text = match column.get(row) {
        Ok(AnyValue::Null) => return Cell::muted("null"),
        Ok(AnyValue::Float32(v)) => readable_number(f64::from(v)),
        Ok(AnyValue::Float64(v)) => readable_number(v),
        Ok(AnyValue::String(v)) => v.to_owned(),
        Ok(AnyValue::StringOwned(v)) => v.to_string(),
        // Categories and the like print with the quotes of a string.
        Ok(value) if matches!(column.dtype(), DataType::Categorical(..) | DataType::Enum(..)) => {
            value.to_string().trim_matches('"').to_owned()
        }
        Ok(value) => value.to_string(),
        Err(error) => return Cell::muted(error.to_string()),
    };
    Cell::plain(shorten(&text, CELL))
}
