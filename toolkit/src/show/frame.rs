//! polars tables and columns.

use polars::prelude::{AnyValue, Column, DataFrame, DataType, IntoColumn, Series};

use super::table::{Align, Cell, Table, shorten};
use super::{Bundle, Show, even_numbers, readable_number};

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
    let shown = ends(height, ROWS);
    let floats: Vec<Vec<String>> = picked
        .iter()
        .map(|column| column.map_or(Vec::new(), |c| float_texts(columns[c], &shown)))
        .collect();
    for (line, row) in shown.iter().enumerate() {
        let cell = |(place, column): (usize, &Option<usize>)| match (row, column) {
            (Some(_), Some(_)) if floats[place].get(line).is_some_and(|text| !text.is_empty()) => {
                Cell::plain(floats[place][line].clone())
            }
            (Some(row), Some(column)) => value_cell(columns[*column], *row),
            _ => Cell::muted("…"),
        };
        table = table.cells(picked.iter().enumerate().map(cell).collect());
    }
    table
}

/// The shown numbers of a column of floats, with the same decimals; empty where there is none.
fn float_texts(column: &Column, shown: &[Option<usize>]) -> Vec<String> {
    if !column.dtype().is_float() {
        return Vec::new();
    }
    let number = |row: &Option<usize>| match row.and_then(|row| column.get(row).ok()) {
        Some(AnyValue::Float32(v)) => f64::from(v),
        Some(AnyValue::Float64(v)) => v,
        _ => f64::NAN,
    };
    even_numbers(shown.iter().map(number))
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

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    #[test]
    fn nulls_quotes_unicode_and_markup_are_shown_as_they_are() {
        let frame = df!(
            "a<b>" => [Some("say \"hi\""), None, Some("粥 & <i>")],
            "x" => [Some(0.1 + 0.2), Some(f64::NAN), None],
            "n" => [1i32, 2, 3],
        )
        .unwrap();
        let html = frame.bundle().to_html();
        assert!(
            html.contains("a&lt;b&gt;")
                && html.contains("say &quot;hi&quot;")
                && html.contains("粥 &amp; &lt;i&gt;")
        );
        assert!(
            !html.contains("<i>") && html.contains(">0.3<") && html.contains(">NaN<"),
            "{html}"
        );
        assert_eq!(html.matches(">null<").count(), 2);
        assert!(html.contains(">str<") && html.contains(">f64<") && html.contains(">i32<"));
        assert!(html.contains("3 rows × 3 columns"));
        assert!(frame.bundle().plain().contains("shape: (3, 3)"));
    }

    #[test]
    fn nothing_in_it_and_too_much_of_it() {
        let empty = DataFrame::empty().bundle();
        assert!(empty.to_html().contains("0 rows × 0 columns"));
        let no_rows = df!("a" => Vec::<i64>::new()).unwrap().bundle();
        assert!(no_rows.to_html().contains("0 rows × 1 column") && no_rows.to_html().contains(">i64<"));

        let long = df!("i" => (0..10_000i64).collect::<Vec<_>>())
            .unwrap()
            .bundle()
            .to_html();
        assert_eq!(long.matches("<tr").count(), 2 + ROWS + 1);
        assert!(long.contains(">0<") && long.contains(">9999<") && long.contains(">…<"));
        assert!(!long.contains(">5000<") && long.contains("10000 rows"));

        let columns: Vec<Column> = (0..100)
            .map(|i| Column::new(format!("c{i}").into(), [i]))
            .collect();
        let wide = DataFrame::new(1, columns).unwrap().bundle().to_html();
        assert_eq!(wide.matches("<td").count(), COLUMNS + 1);
        assert!(wide.contains(">c0<") && wide.contains(">c99<") && wide.contains("1 row × 100 columns"));
    }

    #[test]
    fn lists_and_series() {
        let list = Series::new(
            "l".into(),
            [Series::new("".into(), [1, 2]), Series::new("".into(), [3])],
        );
        let html = list.bundle().to_html();
        assert!(html.contains("[1, 2]") && html.contains("2 values"), "{html}");
    }

    #[test]
    fn the_ends_never_overlap() {
        for n in 0..60 {
            let shown: Vec<usize> = ends(n, ROWS).into_iter().flatten().collect();
            assert!(shown.windows(2).all(|w| w[0] < w[1]), "{n}: {shown:?}");
            assert_eq!(shown.len(), n.min(ROWS));
        }
    }
}
