//! [`Card`]: a GPU that is ready to compute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cudarc::driver::sys::CUdevice_attribute_enum as Attribute;
use cudarc::driver::{CudaContext, CudaFunction, CudaStream, DriverError, result, sys};

use crate::memory::Ledger;
use crate::{Error, Result, library};

/// The oldest driver that has all that is called: CUDA 12.0, drivers of version 525.
const OLDEST: i32 = 12_000;

/// A GPU that is ready to compute. One stream; what it holds is in its [ledger](Ledger).
pub struct Card {
    /// Its number, from 0.
    pub ordinal: usize,
    /// What the maker calls it.
    pub name: String,
    /// Major and minor version of what it can do: `(9, 0)` for Hopper.
    pub capability: (i32, i32),
    /// Multiprocessors: as many blocks run at once, at least.
    pub multiprocessors: usize,
    /// Bytes of shared memory that a block may ask for.
    pub shared_bytes: usize,
    /// Bytes of memory.
    pub memory: usize,
    /// The CUDA version that the driver takes: 13000 for 13.0.
    pub driver: i32,
    pub(crate) context: Arc<CudaContext>,
    pub(crate) stream: Arc<CudaStream>,
    pub(crate) ledger: Ledger,
    /// Kernels that are loaded, by their source.
    pub(crate) kernels: Mutex<HashMap<String, CudaFunction>>,
}

impl Card {
    /// How many GPUs there are.
    ///
    /// # Errors
    /// When no driver answers, or it is too old.
    pub fn count() -> Result<usize> {
        begin()?;
        let count =
            result::device::get_count().map_err(|error| Error::of_driver(error, "counting the GPUs"))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The GPU of this number, from 0.
    ///
    /// # Errors
    /// When there is none, or the driver is missing, too old or broken.
    pub fn open(ordinal: usize) -> Result<Self> {
        let count = Self::count()?;
        if ordinal >= count {
            let cure = match count {
                0 => "see whether `nvidia-smi` lists one".to_owned(),
                1 => "there is one, number 0".to_owned(),
                _ => format!("there are {count}, numbers 0 to {}", count - 1),
            };
            return Err(Error::new(format!("there is no GPU {ordinal}"), cure));
        }
        let failed = |error: DriverError| Error::of_driver(error, &format!("opening GPU {ordinal}"));
        let context = CudaContext::new(ordinal).map_err(failed)?;
        // SAFETY: there is one stream, whose work is done in its order: no event need be waited for.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(failed)?;
        let attribute = |which| context.attribute(which).map_err(failed);
        let number = |which| attribute(which).map(|n| usize::try_from(n).unwrap_or(0));
        Ok(Self {
            ordinal,
            name: context.name().map_err(failed)?,
            capability: context.compute_capability().map_err(failed)?,
            multiprocessors: number(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            shared_bytes: number(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            memory: context.total_mem().map_err(failed)?,
            driver: driver_version()?,
            ledger: Ledger::default(),
            kernels: Mutex::default(),
            stream,
            context,
        })
    }

    /// Waits until all that was asked for is done.
    ///
    /// # Errors
    /// When some of it failed.
    pub fn wait(&self, doing: &str) -> Result<()> {
        let failed = |error| Error::of_driver(error, doing);
        self.stream.synchronize().map_err(failed)?;
        // What a drop met is told here, not to whoever calls next.
        self.context.check_err().map_err(failed)
    }
}

/// The driver, asked for its version and made ready.
fn begin() -> Result<()> {
    library::driver()?;
    let version = driver_version()?;
    if version < OLDEST {
        return Err(Error::new(
            format!("the driver takes CUDA {} at most", dotted(version)),
            format!(
                "update NVIDIA's driver: CUDA {} is needed, which version 525 brought",
                dotted(OLDEST)
            ),
        ));
    }
    result::init().map_err(|error| Error::of_driver(error, "starting CUDA"))
}

fn driver_version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: the driver is loaded, and writes one number.
    unsafe { sys::cuDriverGetVersion(&mut version) }
        .result()
        .map_err(|error| Error::of_driver(error, "asking the driver for its version"))?;
    Ok(version)
}

fn dotted(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}
