//! What was taken for what, as a table that needs no script.

use super::table::{Align, Cell, Table, shorten};
use super::{Bundle, chart};

/// Past this many classes a table is unreadable and only the chart's form is made.
const CLASSES: usize = 40;
/// Letters of a class name above its column.
const ACROSS: usize = 14;

/// A confusion matrix in every form: text, an HTML table, and [`chart::confusion`] where there are many
/// classes. `counts` holds k × k numbers row by row, a row a true class. The last column is recall: the
/// share of the true class that was found.
pub fn confusion_bundle<N: AsRef<str>>(names: &[N], counts: &[u64]) -> Bundle {
    let k = names.len();
    let rows: Vec<&[u64]> = counts.chunks(k.max(1)).take(k).collect();
    let across = names.iter().map(|name| shorten(name.as_ref(), ACROSS));
    let header = ["true \\ predicted".to_owned()]
        .into_iter()
        .chain(across)
        .chain(["recall".to_owned()]);
    let mut table = Table::new(header).align(0, Align::Left);
    for (truth, row) in rows.iter().enumerate() {
        let total: u64 = row.iter().sum();
        let share = |n: u64| if total == 0 { 0.0 } else { n as f64 / total as f64 };
        let mut cells = vec![Cell::plain(names[truth].as_ref())];
        cells.extend(
            row.iter()
                .enumerate()
                .map(|(c, n)| count_cell(*n, share(*n), c == truth)),
        );
        cells.push(match total {
            0 => Cell::muted("–"),
            _ => Cell::plain(format!(
                "{:.1}%",
                100.0 * share(row.get(truth).copied().unwrap_or(0))
            )),
        });
        table = table.cells(cells);
    }
    for column in 1..=k + 1 {
        table = table.align(column, Align::Right);
    }
    let (right, all) = (
        diagonal(&rows),
        rows.iter().flat_map(|row| row.iter()).sum::<u64>(),
    );
    if all > 0 {
        let percent = 100.0 * right as f64 / all as f64;
        table = table.note(format!("{right} of {all} right ({percent:.1}%)"));
    }
    match k > CLASSES {
        false => Bundle::text(table.to_text()).html(table.to_html()),
        true => Bundle::text(table.to_text()).plot(&chart::confusion("", names, counts)),
    }
}

fn diagonal(rows: &[&[u64]]) -> u64 {
    rows.iter().enumerate().filter_map(|(i, row)| row.get(i)).sum()
}

/// Blue for what is right, orange for what is not; the stronger the larger the share of the true class.
fn count_cell(count: u64, share: f64, right: bool) -> Cell {
    if count == 0 {
        return Cell::muted("·");
    }
    let (red, green, blue) = if right { (0, 114, 178) } else { (213, 94, 0) };
    // Small shares must still be seen: a mistake in a hundred is what one looks for.
    let alpha = 0.12 + 0.75 * share.sqrt();
    let ink = if alpha > 0.55 { "#fff" } else { "inherit" };
    Cell {
        text: count.to_string(),
        muted: false,
        shade: Some((format!("rgba({red},{green},{blue},{alpha:.2})"), ink)),
    }
}
