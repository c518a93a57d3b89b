//! [`Targets`]: what the outputs for examples should be.

use std::ops::Range;
use std::sync::Arc;

/// What the outputs for examples should be: of a whole dataset, or of the examples of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets<'a> {
    /// Nothing is known.
    None,
    /// The class of each example.
    Classes(&'a [u32]),
    /// How much each class is the right one, each row adding up to 1: soft labels, as a teacher network or mixed
    /// examples give them.
    Shares {
        /// Numbers in a row.
        classes: usize,
        /// Rows x classes.
        shares: &'a [f32],
    },
    /// Numbers to predict, rows x values an example: regression.
    Values(&'a [f32]),
}

impl<'a> Targets<'a> {
    /// Those of these rows; `width` values a row where they are values.
    pub(crate) fn rows(&self, rows: Range<usize>, width: usize) -> Targets<'a> {
        let of = |width: usize| rows.start * width..rows.end * width;
        match *self {
            Targets::None => Targets::None,
            Targets::Classes(all) => Targets::Classes(&all[rows]),
            Targets::Shares { classes, shares } => Targets::Shares {
                classes,
                shares: &shares[of(classes)],
            },
            Targets::Values(all) => Targets::Values(&all[of(width)]),
        }
    }

    /// What kind it is, in words.
    pub fn words(&self) -> &'static str {
        match self {
            Targets::None => "no targets",
            Targets::Classes(_) => "classes",
            Targets::Shares { .. } => "shares of classes",
            Targets::Values(_) => "values",
        }
    }
}

/// The targets of a dataset.
#[derive(Clone, Debug, Default)]
pub(super) enum Kept {
    #[default]
    None,
    Classes(Arc<[u32]>),
    Shares(Arc<[f32]>),
    Values(Arc<[f32]>),
}

impl Kept {
    pub fn view(&self, classes: usize) -> Targets<'_> {
        match self {
            Kept::None => Targets::None,
            Kept::Classes(classes) => Targets::Classes(classes),
            Kept::Shares(shares) => Targets::Shares { classes, shares },
            Kept::Values(values) => Targets::Values(values),
        }
    }

    /// Those of these rows, in that order; `width` numbers a row where they are numbers.
    pub fn at(&self, rows: &[usize], width: usize) -> Self {
        match self {
            Kept::None => Kept::None,
            Kept::Classes(classes) => Kept::Classes(rows.iter().map(|&row| classes[row]).collect()),
            Kept::Shares(shares) => Kept::Shares(rows_of(shares, rows, width)),
            Kept::Values(values) => Kept::Values(rows_of(values, rows, width)),
        }
    }
}

/// These rows of a table of `width` columns.
pub(super) fn rows_of(table: &[f32], rows: &[usize], width: usize) -> Arc<[f32]> {
    let row = |&row: &usize| &table[row * width..][..width];
    rows.iter().flat_map(row).copied().collect()
}
