//! Buffers that begin where a line of the cache does: a vector never lies in two.

use std::ops::{Deref, DerefMut};

/// Numbers in a line of the cache.
const LINE: usize = 16;

/// A buffer of a fixed length.
pub struct Aligned {
    numbers: Vec<f32>,
    range: std::ops::Range<usize>,
}

impl Aligned {
    /// So many zeros.
    pub fn zeros(count: usize) -> Self {
        let numbers = vec![0.0f32; count + LINE];
        let first = numbers.as_ptr().align_offset(4 * LINE).min(LINE);
        Self {
            numbers,
            range: first..first + count,
        }
    }
}

impl Default for Aligned {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[self.range.clone()]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.range.clone()]
    }
}
