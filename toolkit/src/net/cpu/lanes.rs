//! One vector register of f32, as wide as the machine this is built for has it.

/// The instruction set.
pub const NAME: &str = native::NAME;

/// Numbers in a register.
pub const LANES: usize = native::LANES;

/// The most rows of a product that fit in registers together with [`COLUMNS`] columns.
pub const ROWS: usize = native::ROWS;

/// Registers side by side in a tile of a product.
pub const WIDE: usize = 2;

/// Columns of a tile.
pub const COLUMNS: usize = LANES * WIDE;

/// Registers that a tile of a convolution sums in, beside those for its factors.
pub const TILE: usize = if LANES == 16 { 24 } else { 12 };

pub use native::Lanes;

#[cfg(all(target_arch = "x86_64", target_feature = "avx512f"))]
mod native {
    use std::arch::x86_64::*;

    pub const NAME: &str = "AVX-512";
    pub const LANES: usize = 16;
    pub const ROWS: usize = 12;

    #[derive(Clone, Copy)]
    pub struct Lanes(__m512);

    // SAFETY of the whole block: the instructions are there (cfg above); `load` and `store` pass on their
    // callers' promise.
    impl Lanes {
        #[inline(always)]
        pub fn splat(x: f32) -> Self {
            unsafe { Self(_mm512_set1_ps(x)) }
        }
        /// # Safety
        /// LANES numbers can be read at `from`.
        #[inline(always)]
        pub unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm512_loadu_ps(from)) }
        }
        /// # Safety
        /// LANES numbers can be written at `to`.
        #[inline(always)]
        pub unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        /// a * b + self.
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm512_fmadd_ps(a.0, b.0, self.0)) }
        }
        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            unsafe { Self(_mm512_add_ps(self.0, other.0)) }
        }
        /// max(0, self); NaN stays.
        #[inline(always)]
        pub fn relu(self) -> Self {
            unsafe { Self(_mm512_max_ps(_mm512_setzero_ps(), self.0)) }
        }
        /// self where `gate` is above 0, else 0.
        #[inline(always)]
        pub fn where_positive(self, gate: Self) -> Self {
            unsafe {
                let open = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate.0, _mm512_setzero_ps());
                Self(_mm512_maskz_mov_ps(open, self.0))
            }
        }
    }
}

#[cfg(all(
    target_arch = "x86_64",
    target_feature = "avx2",
    target_feature = "fma",
    not(target_feature = "avx512f")
))]
mod native {
    use std::arch::x86_64::*;

    pub const NAME: &str = "AVX2";
    pub const LANES: usize = 8;
    pub const ROWS: usize = 6;

    #[derive(Clone, Copy)]
    pub struct Lanes(__m256);

    // SAFETY of the whole block: the instructions are there (cfg above); `load` and `store` pass on their
    // callers' promise.
    impl Lanes {
        #[inline(always)]
        pub fn splat(x: f32) -> Self {
            unsafe { Self(_mm256_set1_ps(x)) }
        }
        /// # Safety
        /// LANES numbers can be read at `from`.
        #[inline(always)]
        pub unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm256_loadu_ps(from)) }
        }
        /// # Safety
        /// LANES numbers can be written at `to`.
        #[inline(always)]
        pub unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self.0) }
        }
        /// a * b + self.
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0)) }
        }
        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            unsafe { Self(_mm256_add_ps(self.0, other.0)) }
        }
        /// max(0, self); NaN stays.
        #[inline(always)]
        pub fn relu(self) -> Self {
            unsafe { Self(_mm256_max_ps(_mm256_setzero_ps(), self.0)) }
        }
        /// self where `gate` is above 0, else 0.
        #[inline(always)]
        pub fn where_positive(self, gate: Self) -> Self {
            unsafe {
                Self(_mm256_and_ps(
                    self.0,
                    _mm256_cmp_ps::<_CMP_GT_OQ>(gate.0, _mm256_setzero_ps()),
                ))
            }
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2", target_feature = "fma")))]
mod native {
    use crate::base::math::fma;

    pub const NAME: &str = "portable";
    pub const LANES: usize = 4;
    pub const ROWS: usize = 6;

    /// An array that compilers keep in a register.
    #[derive(Clone, Copy)]
    #[repr(align(16))]
    pub struct Lanes([f32; LANES]);

    impl Lanes {
        #[inline(always)]
        pub fn splat(x: f32) -> Self {
            Self([x; LANES])
        }
        /// # Safety
        /// LANES numbers can be read at `from`.
        #[inline(always)]
        pub unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
        }
        /// # Safety
        /// LANES numbers can be written at `to`.
        #[inline(always)]
        pub unsafe fn store(self, to: *mut f32) {
            unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
        }
        /// a * b + self.
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            Self(std::array::from_fn(|i| fma(a.0[i], b.0[i], self.0[i])))
        }
        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
        }
        /// max(0, self); NaN stays.
        #[inline(always)]
        pub fn relu(self) -> Self {
            Self(self.0.map(|x| if x < 0.0 { 0.0 } else { x }))
        }
        /// self where `gate` is above 0, else 0.
        #[inline(always)]
        pub fn where_positive(self, gate: Self) -> Self {
            Self(std::array::from_fn(
                |i| if gate.0[i] > 0.0 { self.0[i] } else { 0.0 },
            ))
        }
    }
}

/// Asks for the line of the cache that has this number; it need not be there.
#[inline(always)]
pub fn prefetch(number: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which touches nothing; every x86-64 knows it.
    unsafe {
        use std::arch::x86_64::*;
        _mm_prefetch::<_MM_HINT_T0>(number.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number;
}

/// Transposes 8 x 8 numbers: row i of `from` (rows `from_row` apart) becomes column i of `to` (rows
/// `to_row` apart).
///
/// # Safety
/// All 64 numbers can be read and written; the two do not overlap.
#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
#[inline(always)]
pub unsafe fn transpose8(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
    use std::arch::x86_64::*;
    // SAFETY: the caller's promise, and the cfg above.
    unsafe {
        let r: [__m256; 8] = std::array::from_fn(|i| _mm256_loadu_ps(from.add(i * from_row)));
        // Pairs of rows, then fours, then eights: 24 shuffles.
        let pairs: [__m256; 8] = std::array::from_fn(|i| {
            let (a, b) = (r[i & !1], r[i | 1]);
            if i & 1 == 0 {
                _mm256_unpacklo_ps(a, b)
            } else {
                _mm256_unpackhi_ps(a, b)
            }
        });
        let fours: [__m256; 8] = std::array::from_fn(|i| {
            let (a, b) = (
                pairs[(i & 4) + ((i >> 1) & 1)],
                pairs[(i & 4) + ((i >> 1) & 1) + 2],
            );
            if i & 1 == 0 {
                _mm256_shuffle_ps::<0x44>(a, b)
            } else {
                _mm256_shuffle_ps::<0xEE>(a, b)
            }
        });
        for i in 0..4 {
            let (a, b) = (fours[i], fours[i + 4]);
            _mm256_storeu_ps(to.add(i * to_row), _mm256_permute2f128_ps::<0x20>(a, b));
            _mm256_storeu_ps(to.add((i + 4) * to_row), _mm256_permute2f128_ps::<0x31>(a, b));
        }
    }
}

/// Transposes 8 x 8 numbers: row i of `from` (rows `from_row` apart) becomes column i of `to` (rows
/// `to_row` apart).
///
/// # Safety
/// All 64 numbers can be read and written; the two do not overlap.
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2")))]
#[inline(always)]
pub unsafe fn transpose8(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
    for i in 0..8 {
        for j in 0..8 {
            // SAFETY: the caller's promise.
            unsafe { *to.add(j * to_row + i) = *from.add(i * from_row + j) };
        }
    }
}

/// Transposes `rows` x `columns` numbers: row i of `from` (rows `from_row` apart) becomes column i of `to` (rows
/// `to_row` apart).
///
/// # Safety
/// All of them can be read and written; the two do not overlap.
pub unsafe fn transpose(
    from: *const f32,
    from_row: usize,
    (rows, columns): (usize, usize),
    to: *mut f32,
    to_row: usize,
) {
    let (whole_rows, whole_columns) = (rows / 8 * 8, columns / 8 * 8);
    // SAFETY: the caller's promise.
    unsafe {
        for i in (0..whole_rows).step_by(8) {
            for j in (0..whole_columns).step_by(8) {
                transpose8(
                    from.add(i * from_row + j),
                    from_row,
                    to.add(j * to_row + i),
                    to_row,
                );
            }
        }
        for i in 0..rows {
            let done = if i < whole_rows { whole_columns } else { 0 };
            for j in done..columns {
                *to.add(j * to_row + i) = *from.add(i * from_row + j);
            }
        }
    }
}
