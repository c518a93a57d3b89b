//! Weights in the order in which tiles read them.

use super::tile::WIDEST;
use crate::net::cpu::lanes::LANES;

/// Weights split into panels of a few vectors of channels, each panel one run of memory.
#[derive(Clone, Debug)]
pub struct Packed {
    groups: usize,
    columns: usize,
    panels: Vec<Panel>,
    numbers: Vec<f32>,
    /// For each panel its biases, padded; or nothing.
    biases: Vec<f32>,
}

/// A few vectors of output channels.
#[derive(Clone, Debug)]
pub struct Panel {
    pub group: usize,
    /// Its first channel, among those of all groups.
    pub column: usize,
    /// Channels that are wanted.
    pub columns: usize,
    /// Vectors.
    pub wide: usize,
    at: usize,
    bias_at: usize,
}

impl Packed {
    /// Room for `rows` rows of `columns` channels, of all groups together, with zeros in it.
    pub fn zeros(groups: usize, columns: usize, rows: usize, bias: Option<&[f32]>) -> Self {
        let each = columns / groups;
        let mut panels = Vec::new();
        let (mut at, mut bias_at) = (0, 0);
        for group in 0..groups {
            let mut first = 0;
            for wide in widths(each.div_ceil(LANES)) {
                panels.push(Panel {
                    group,
                    column: group * each + first,
                    columns: (wide * LANES).min(each - first),
                    wide,
                    at,
                    bias_at,
                });
                first += wide * LANES;
                at += rows * wide * LANES;
                bias_at += wide * LANES;
            }
        }
        let mut biases = Vec::new();
        if let Some(bias) = bias {
            biases = vec![0.0; bias_at];
            for panel in &panels {
                biases[panel.bias_at..][..panel.columns]
                    .copy_from_slice(&bias[panel.column..panel.column + panel.columns]);
            }
        }
        Self {
            groups,
            columns,
            panels,
            numbers: vec![0.0; at],
            biases,
        }
    }

    /// Packs `rows` rows of `columns` channels, of all groups together; `read(row, column)` gives the numbers of a
    /// row from a column of a group on.
    pub fn new<'a>(
        groups: usize,
        columns: usize,
        rows: usize,
        bias: Option<&[f32]>,
        read: impl Fn(usize, usize) -> &'a [f32],
    ) -> Self {
        let mut packed = Self::zeros(groups, columns, rows, bias);
        packed.fill(|panel, numbers| {
            for (row, to) in numbers.chunks_exact_mut(panel.wide * LANES).enumerate() {
                to[..panel.columns].copy_from_slice(&read(row, panel.column)[..panel.columns]);
            }
        });
        packed
    }

    /// Weights and biases as they are, for what reads them so.
    pub fn plain(weights: &[f32], bias: Option<&[f32]>) -> Self {
        Self {
            groups: 1,
            columns: 0,
            panels: Vec::new(),
            numbers: weights.to_vec(),
            biases: bias.map(<[f32]>::to_vec).unwrap_or_default(),
        }
    }

    /// What [`Packed::plain`] was given.
    pub fn as_plain(&self) -> (&[f32], Option<&[f32]>) {
        (&self.numbers, (!self.biases.is_empty()).then_some(&self.biases))
    }

    /// Writes the numbers of each panel: rows of its vectors.
    pub fn fill(&mut self, mut write: impl FnMut(&Panel, &mut [f32])) {
        let ends = self.panels.iter().skip(1).map(|panel| panel.at);
        let ends = ends.chain([self.numbers.len()]);
        for (panel, end) in self.panels.iter().zip(ends) {
            write(panel, &mut self.numbers[panel.at..end]);
        }
    }

    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Channels of a group.
    pub fn columns(&self) -> usize {
        self.columns / self.groups
    }

    pub fn panels(&self) -> &[Panel] {
        &self.panels
    }

    pub fn numbers(&self, panel: &Panel) -> *const f32 {
        self.numbers[panel.at..].as_ptr()
    }

    pub fn bias(&self, panel: &Panel) -> Option<*const f32> {
        (!self.biases.is_empty()).then(|| self.biases[panel.bias_at..].as_ptr())
    }
}

/// Splits vectors into panels of 2 to [`WIDEST`] where that is possible, the wider ones first.
fn widths(vectors: usize) -> Vec<usize> {
    let count = vectors.div_ceil(WIDEST);
    let mut widths: Vec<usize> = (0..count)
        .map(|i| (i + 1) * vectors / count - i * vectors / count)
        .collect();
    widths.sort_by(|a, b| b.cmp(a));
    widths
}
