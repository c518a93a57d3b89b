//! Memory of a card, with a ledger of who holds how much.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Mutex;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaSlice, DevicePtr};

use crate::{Card, Error, Result};

/// Who holds how many bytes of a card.
#[derive(Default)]
pub struct Ledger(Mutex<BTreeMap<&'static str, usize>>);

impl Ledger {
    fn add(&self, owner: &'static str, bytes: usize) {
        let mut held = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *held.entry(owner).or_default() += bytes;
    }

    fn take(&self, owner: &'static str, bytes: usize) {
        let mut held = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(own) = held.get_mut(owner) {
            *own = own.saturating_sub(bytes);
        }
        held.retain(|_, &mut bytes| bytes > 0);
    }

    /// Bytes by owner.
    pub fn held(&self) -> Vec<(&'static str, usize)> {
        let held = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        held.iter().map(|(&owner, &bytes)| (owner, bytes)).collect()
    }
}

/// A plain number, or a struct of such without padding, as the card sees it.
///
/// # Safety
/// Any bytes must be a value, and none of a value's may be undefined.
pub unsafe trait Plain: Copy {}

// SAFETY: numbers.
unsafe impl Plain for u32 {}
// SAFETY: numbers.
unsafe impl Plain for f32 {}
// SAFETY: numbers.
unsafe impl Plain for u64 {}

/// An array in a card's memory.
pub struct Array<'c, T> {
    card: &'c Card,
    owner: &'static str,
    bytes: CudaSlice<u8>,
    len: usize,
    of: PhantomData<T>,
}

impl<'c, T: Plain> Array<'c, T> {
    /// `len` zeros.
    ///
    /// # Errors
    /// When there is no room: says how much was asked for, what is free, and who holds the rest.
    pub fn zeros(card: &'c Card, owner: &'static str, len: usize) -> Result<Self> {
        let mut array = Self::empty(card, owner, len)?;
        card.stream
            .memset_zeros(&mut array.bytes)
            .map_err(|error| Error::of_driver(error, owner))?;
        Ok(array)
    }

    /// A copy of `values`.
    ///
    /// # Errors
    /// As [`Array::zeros`].
    pub fn of(card: &'c Card, owner: &'static str, values: &[T]) -> Result<Self> {
        let mut array = Self::empty(card, owner, values.len())?;
        array.write(values)?;
        Ok(array)
    }

    fn empty(card: &'c Card, owner: &'static str, len: usize) -> Result<Self> {
        // An array of nothing has an address, too.
        let size = (len * size_of::<T>()).max(16);
        // SAFETY: written before it is read, by the callers.
        let bytes = unsafe { card.stream.alloc::<u8>(size) }.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => full(card, owner, size),
            _ => Error::of_driver(error, owner),
        })?;
        card.ledger.add(owner, size);
        Ok(Self {
            card,
            owner,
            bytes,
            len,
            of: PhantomData,
        })
    }

    /// Writes `values` from the beginning on; they fit.
    ///
    /// # Errors
    /// When the card fails.
    pub fn write(&mut self, values: &[T]) -> Result<()> {
        assert!(
            values.len() <= self.len,
            "{} values for {} places",
            values.len(),
            self.len
        );
        if values.is_empty() {
            return Ok(());
        }
        // SAFETY: plain values are bytes.
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
        let mut part = self.bytes.slice_mut(..bytes.len());
        self.card
            .stream
            .memcpy_htod(bytes, &mut part)
            .map_err(|error| Error::of_driver(error, self.owner))
    }

    /// The values, once all that was asked of the card is done.
    ///
    /// # Errors
    /// When the card fails, or failed at what it was asked.
    pub fn read(&self) -> Result<Vec<T>> {
        let mut values: Vec<T> = Vec::with_capacity(self.len);
        let size = self.len * size_of::<T>();
        if size > 0 {
            // SAFETY: there is room for so many bytes, all of which are written before the length is set.
            let room = unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast::<u8>(), size) };
            self.card
                .stream
                .memcpy_dtoh(&self.bytes.slice(..size), room)
                .map_err(|error| Error::of_driver(error, self.owner))?;
            self.card.wait(self.owner)?;
        }
        // SAFETY: written above, and any bytes are a value.
        unsafe { values.set_len(self.len) };
        Ok(values)
    }

    /// Where it is, for a kernel's argument.
    pub fn address(&self) -> u64 {
        self.bytes.device_ptr(&self.card.stream).0
    }

    /// Values in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is of nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T> Drop for Array<'_, T> {
    fn drop(&mut self) {
        self.card.ledger.take(self.owner, self.bytes.num_bytes());
    }
}

fn full(card: &Card, owner: &str, asked: usize) -> Error {
    Error {
        full: true,
        ..Error::new(
            format!(
                "{owner}: {} asked for on {}, {}",
                size(asked),
                card.name,
                card.memory_in_words()
            ),
            "train fewer networks at once, or free what other programs hold: `nvidia-smi` lists them",
        )
    }
}

impl Card {
    /// What of its memory is free, and who holds the rest.
    pub fn memory_in_words(&self) -> String {
        let (free, total) = self.context.mem_get_info().unwrap_or((0, self.memory));
        let held = self.ledger.held();
        let ours: usize = held.iter().map(|(_, bytes)| bytes).sum();
        let others = total.saturating_sub(free).saturating_sub(ours);
        let mut parts: Vec<String> = held
            .iter()
            .map(|(who, bytes)| format!("{} for {who}", size(*bytes)))
            .collect();
        parts.push(format!("{} by other programs and CUDA itself", size(others)));
        format!(
            "{} free of {}; held: {}",
            size(free),
            size(total),
            parts.join(", ")
        )
    }
}

/// Bytes in words.
fn size(bytes: usize) -> String {
    let bytes = bytes as f64;
    match bytes {
        _ if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        _ if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} kB", bytes / 1e3),
    }
}
