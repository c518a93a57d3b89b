//! Types of numbers in files of weights, and what becomes of them here.

use half::{bf16, f16};

use super::{Numbers, Trouble};

/// How one number lies in a file, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberType {
    F16,
    BF16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

impl NumberType {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// The numbers that the bytes are, taken in pieces of [`size`](Self::size).
    pub fn decode<'a>(self, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Numbers, Trouble> {
        Ok(match self {
            Self::F16 => Numbers::Floats(pieces.map(|b| f16::from_le_bytes(fixed(b)).to_f32()).collect()),
            Self::BF16 => Numbers::Floats(pieces.map(|b| bf16::from_le_bytes(fixed(b)).to_f32()).collect()),
            Self::F32 => Numbers::Floats(pieces.map(|b| f32::from_le_bytes(fixed(b))).collect()),
            Self::F64 => Numbers::Floats(pieces.map(|b| f64::from_le_bytes(fixed(b)) as f32).collect()),
            Self::I8 => Numbers::Integers(pieces.map(|b| i8::from_le_bytes(fixed(b)).into()).collect()),
            Self::I16 => Numbers::Integers(pieces.map(|b| i16::from_le_bytes(fixed(b)).into()).collect()),
            Self::I32 => Numbers::Integers(pieces.map(|b| i32::from_le_bytes(fixed(b)).into()).collect()),
            Self::I64 => Numbers::Integers(pieces.map(|b| i64::from_le_bytes(fixed(b))).collect()),
            Self::U8 => Numbers::Integers(pieces.map(|b| b[0].into()).collect()),
            Self::U16 => Numbers::Integers(pieces.map(|b| u16::from_le_bytes(fixed(b)).into()).collect()),
            Self::U32 => Numbers::Integers(pieces.map(|b| u32::from_le_bytes(fixed(b)).into()).collect()),
            Self::U64 => {
                let numbers = pieces.map(|b| {
                    let number = u64::from_le_bytes(fixed(b));
                    i64::try_from(number).map_err(|_| {
                        Trouble::new(format!("expected integers up to {}, found {number}", i64::MAX))
                    })
                });
                Numbers::Integers(numbers.collect::<Result<_, _>>()?)
            }
            Self::Bool => {
                let numbers = pieces.map(|b| match b[0] {
                    bit @ (0 | 1) => Ok(bit.into()),
                    other => Err(Trouble::new(format!(
                        "expected a boolean of 0 or 1, found {other}"
                    ))),
                });
                Numbers::Integers(numbers.collect::<Result<_, _>>()?)
            }
        })
    }
}

/// The piece as an array; callers cut pieces of the size they ask for.
fn fixed<const N: usize>(piece: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(piece);
    bytes
}
