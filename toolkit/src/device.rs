//! [`Device`]: where trainings run; [`devices`]: what there is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use jook_cuda::Card;

use crate::show::{Bundle, Show, Table};
use crate::train::DEVICE;
use crate::{Error, Result};

/// Where trainings run: the processor, or a GPU. [`Study::on`](crate::study::Study::on) takes one.
///
/// Only NVIDIA's GPUs are known, through their driver (525 or newer) and NVRTC (`pip install nvidia-cuda-nvrtc`), which
/// compiles what runs there. Neither is needed where there is no GPU.
#[derive(Clone)]
pub struct Device(Option<Arc<Card>>);

/// The cards that this process has opened, and those that it has lost.
static CARDS: Mutex<Option<HashMap<usize, Opened>>> = Mutex::new(None);

enum Opened {
    Ready(Arc<Card>),
    Lost(Error),
}

impl Device {
    /// The processor.
    pub fn cpu() -> Self {
        Self(None)
    }

    /// The GPU of this number, from 0.
    ///
    /// # Errors
    /// When there is none, when its driver is missing, too old or broken, or when an earlier failure has cost this process
    /// the GPU.
    pub fn cuda(number: usize) -> Result<Self> {
        let mut cards = CARDS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let cards = cards.get_or_insert_default();
        match cards.get(&number) {
            Some(Opened::Ready(card)) => return Ok(Self(Some(Arc::clone(card)))),
            Some(Opened::Lost(error)) => return Err(error.clone()),
            None => {}
        }
        let card = Arc::new(Card::open(number).map_err(Error::from)?);
        cards.insert(number, Opened::Ready(Arc::clone(&card)));
        Ok(Self(Some(card)))
    }

    /// The first GPU, or the processor where there is none. Says nothing either way.
    pub fn best() -> Self {
        Self::cuda(0).unwrap_or_else(|_| Self::cpu())
    }

    /// Whether it is a GPU.
    pub fn is_gpu(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn card(&self) -> Option<&Arc<Card>> {
        self.0.as_ref()
    }
}

/// Gives a card up that a failure has made useless to this process.
pub(crate) fn lose(card: &Card, error: &jook_cuda::Error) {
    let mut cards = CARDS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    cards
        .get_or_insert_default()
        .insert(card.ordinal, Opened::Lost(error.clone().into()));
}

impl From<jook_cuda::Error> for Error {
    fn from(error: jook_cuda::Error) -> Self {
        Error::spec(error.what).fix(error.cure)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str(DEVICE),
            Some(card) => f.write_str(&card.name),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Show for Device {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

/// What there is to run trainings on: the processor, and each GPU with its memory, or why there is none.
pub fn devices() -> Table {
    let processor = std::thread::available_parallelism().map_or(1, usize::from);
    let mut rows = vec![[
        "Device::cpu()".to_owned(),
        format!("{processor} threads"),
        String::new(),
    ]];
    match Card::count() {
        Err(error) => rows.push(["no GPU".to_owned(), error.to_string(), String::new()]),
        Ok(0) => rows.push([
            "no GPU".to_owned(),
            "the driver finds none".to_owned(),
            String::new(),
        ]),
        Ok(count) => rows.extend((0..count).map(|number| {
            let name = format!("Device::cuda({number})");
            match Device::cuda(number).as_ref().map(|device| device.card()) {
                Ok(Some(card)) => {
                    let what = format!("{}, {} multiprocessors", card.name, card.multiprocessors);
                    [name, what, card.memory_in_words()]
                }
                Ok(None) => [name, String::new(), String::new()],
                Err(error) => [name, error.to_string(), String::new()],
            }
        })),
    }
    let mut table = Table::new(["device", "what it is", "memory"]);
    for row in rows {
        table = table.row(row);
    }
    table
}
