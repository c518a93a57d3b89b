//! [`TableOptions`]: what a file of a table cannot say of itself.

use super::table::lacking_value;
use crate::data::names::{listed, repeated};
use crate::{Error, Result};

/// How a table is read, where the defaults do not fit: for [`Dataset::from_csv_with`], [`Dataset::from_parquet_with`]
/// and [`Dataset::from_frame_with`].
///
/// ```no_run
/// use jook::prelude::*;
/// let options = TableOptions::new().without(["customer", "time"]).decimal_comma();
/// let data = Dataset::from_csv_with("measured.csv", "kind", &options)?;
/// # Ok::<(), jook::Error>(())
/// ```
///
/// [`Dataset::from_csv_with`]: crate::data::Dataset::from_csv_with
/// [`Dataset::from_parquet_with`]: crate::data::Dataset::from_parquet_with
/// [`Dataset::from_frame_with`]: crate::data::Dataset::from_frame_with
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    without: Vec<String>,
    values: Vec<String>,
    pub(super) keep_index: bool,
    pub(super) rounded: bool,
    pub(super) decimal_comma: bool,
    pub(super) thousands: Option<char>,
}

impl TableOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves these columns out. They may hold anything.
    pub fn without<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.without.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Takes these columns for the values to predict (regression), in this order, instead of features. The table then has
    /// no label column: `None` stands in its place, or [`Dataset::from_csv_values`] and the like say it at once.
    ///
    /// ```no_run
    /// use jook::prelude::*;
    /// let options = TableOptions::new().values(["price", "rent"]).decimal_comma();
    /// let homes = Dataset::from_csv_with("homes.csv", None, &options)?;
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// [`Dataset::from_csv_values`]: crate::data::Dataset::from_csv_values
    #[doc(alias = "regression")]
    #[doc(alias = "target")]
    pub fn values<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.values = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Takes a column for a feature that only numbers the rows (the index of a pandas table, R's row names), which
    /// is left out otherwise: in a file sorted by class it gives the class away.
    pub fn keep_index(mut self) -> Self {
        self.keep_index = true;
        self
    }

    /// Takes numbers rounded to the 24 binary digits of `f32` where different ones become one, which is an error
    /// otherwise. A note says which column.
    pub fn rounded(mut self) -> Self {
        self.rounded = true;
        self
    }

    /// Takes the comma in a number for its decimal point, as in `3,14`. Of CSV files only.
    pub fn decimal_comma(mut self) -> Self {
        self.decimal_comma = true;
        self
    }

    /// Takes this character for what separates thousands, as in `1,234,567`, `1.234.567` or `1 234 567`. Of CSV files
    /// only.
    pub fn thousands(mut self, separator: char) -> Self {
        self.thousands = Some(separator);
        self
    }

    /// Whether numbers are written in another way than in Rust.
    pub(super) fn own_numbers(&self) -> bool {
        self.decimal_comma || self.thousands.is_some()
    }

    /// The columns to predict.
    pub(super) fn value_columns(&self) -> &[String] {
        &self.values
    }

    pub(super) fn leaves_out(&self, column: &str) -> bool {
        self.without.iter().any(|name| name == column)
    }

    /// Refuses options that cannot be followed in a table with the columns `names`.
    pub(super) fn check(&self, file: &str, names: &[String], label: Option<&str>) -> Result<()> {
        if let Some(column) = self.without.iter().find(|column| !names.contains(column)) {
            return Err(Error::spec(format!(
                "expected a column to leave out, found no {column} among {}",
                listed(names)
            ))
            .at(file));
        }
        self.check_values(file, names, label)?;
        if let Some(label) = label.filter(|label| self.leaves_out(label)) {
            return Err(Error::spec(format!("{label} is the label column and is to be left out")).at(file));
        }
        match self.thousands {
            Some(c) if c.is_ascii_alphanumeric() || "+-".contains(c) || self.decimal_comma && c == ',' => {
                Err(Error::spec(format!("{c:?} cannot separate thousands"))
                    .at(file)
                    .fix("give another character than that of decimals, such as '.', ',', '\\'' or ' '"))
            }
            Some('.') if !self.decimal_comma => {
                Err(Error::spec("a point cannot separate both thousands and decimals")
                    .at(file)
                    .fix("add .decimal_comma()"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses columns of values that the table has not, or that are something else as well.
    fn check_values(&self, file: &str, names: &[String], label: Option<&str>) -> Result<()> {
        let Some(first) = self.values.first() else {
            return Ok(());
        };
        let wrong = |what: String| Err(Error::spec(what).at(file));
        if let Some(label) = label {
            return Err(Error::spec(format!(
                "the table has the label column {label} and is to give the values {}: a dataset has one kind of target",
                self.values.join(", ")
            ))
            .at(file)
            .fix("give None for the label column, or leave the values out"));
        }
        if let Some(column) = self.values.iter().find(|column| !names.contains(column)) {
            return Err(lacking_value(file, names, column));
        }
        if let Some(column) = repeated(&self.values) {
            return wrong(format!(
                "expected columns of values once each, found {column} twice"
            ));
        }
        if let Some(column) = self.values.iter().find(|column| self.leaves_out(column)) {
            return wrong(format!("{column} is a column of values and is to be left out"));
        }
        if self.values.len() == names.len() {
            return wrong(format!(
                "expected a feature beside the values from {first} on, found none"
            ));
        }
        Ok(())
    }

    /// A cell's number as Rust writes it; none when it is not written as the options say.
    pub(super) fn plain<'a>(&self, text: &'a str) -> Option<std::borrow::Cow<'a, str>> {
        if !self.own_numbers() {
            return Some(text.into());
        }
        let point = if self.decimal_comma { ',' } else { '.' };
        let (whole, decimals) = match text.split_once(point) {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (text, None),
        };
        if decimals.is_some_and(|decimals| decimals.contains(['.', ','])) {
            return None;
        }
        let mut plain = match self.thousands {
            Some(separator) if whole.contains(separator) => joined(whole, separator)?,
            _ => whole.to_owned(),
        };
        if plain.contains(['.', ',']) {
            return None;
        }
        if let Some(decimals) = decimals {
            plain.push('.');
            plain += decimals;
        }
        Some(plain.into())
    }
}

/// `1.234.567` as `1234567`; none when a group has not three digits, or the first is none of a number.
fn joined(whole: &str, separator: char) -> Option<String> {
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let groups: Vec<&str> = digits.split(separator).collect();
    let fits = groups.iter().enumerate().all(|(i, group)| {
        group.bytes().all(|b| b.is_ascii_digit())
            && if i == 0 {
                (1..=3).contains(&group.len()) && !group.starts_with('0')
            } else {
                group.len() == 3
            }
    });
    fits.then(|| whole.replace(separator, ""))
}

/// What stands between thousands, apart from commas and points: the blanks include those that do not break, the quotes
/// a typesetter's.
const SEPARATORS: [char; 6] = [' ', '\'', '\u{a0}', '\u{202f}', '\u{2019}', '_'];

/// Which options read `text`, a cell that those `given` do not, if it is a number written with commas or with
/// thousands apart.
pub(super) fn way_out(text: &str, given: &TableOptions) -> Option<String> {
    let text = text.trim();
    if ["t", "f", "yes", "no", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return Some(
            "if it says yes or no, write true and false in the whole column before loading".to_owned(),
        );
    }
    let reads = |options: TableOptions| {
        let number = options.plain(text)?.parse::<f64>().ok()?;
        number.is_finite().then_some(options)
    };
    let comma = || TableOptions::new().decimal_comma();
    let points = || reads(comma().thousands('.'));
    let thousands = reads(TableOptions::new().thousands(','));
    // A number as Rust writes it is wrong only where its point separates thousands, as 1.234 beside 0,5.
    let plain = text.parse::<f64>().is_ok();
    if plain && !given.decimal_comma {
        return None;
    }
    if reads(comma()).is_some() && thousands.is_some() && !given.own_numbers() {
        return Some(
            "if the comma is a decimal point, load with TableOptions::decimal_comma; if it separates thousands, with \
             TableOptions::thousands(',')"
                .to_owned(),
        );
    }
    let with_others = SEPARATORS.iter().flat_map(|&separator| {
        [
            TableOptions::new().thousands(separator),
            comma().thousands(separator),
        ]
    });
    let found = match plain {
        true => points(),
        false => reads(comma())
            .or(thousands)
            .or_else(points)
            .or_else(|| with_others.into_iter().find_map(reads)),
    }?;
    let comma = found
        .decimal_comma
        .then(|| "TableOptions::decimal_comma".to_owned());
    let thousands = found.thousands.map(|c| format!("TableOptions::thousands({c:?})"));
    let ways: Vec<String> = comma.into_iter().chain(thousands).collect();
    Some(format!("load with {}", ways.join(" and ")))
}
