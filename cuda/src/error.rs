//! [`Error`]: what went wrong on a card, and the way out.

use std::fmt;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{DriverError, sys};

/// A failure of the driver, of a library or of the card, with its cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What was wrong, and where.
    pub what: String,
    /// What to do about it.
    pub cure: String,
    /// Whether the card had no room for it: less at once may fit.
    pub full: bool,
    /// Whether CUDA is lost to this process: only a new one can use the card again.
    pub lasting: bool,
}

/// A value, or why there is none.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.cure)
    }
}

impl Error {
    /// A failure that the next call need not meet again.
    pub fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cure: cure.into(),
            full: false,
            lasting: false,
        }
    }

    /// What a call of the driver's answered while the program was `doing` something.
    pub fn of_driver(error: DriverError, doing: &str) -> Self {
        use CUresult as C;
        let number = error.0 as u32;
        let (what, cure) = match error.0 {
            C::CUDA_ERROR_NO_DEVICE => (
                "the driver finds no GPU".to_owned(),
                match std::env::var("CUDA_VISIBLE_DEVICES") {
                    Ok(hidden) => format!(
                        "CUDA_VISIBLE_DEVICES is {hidden:?} and may hide it: unset it and restart the kernel"
                    ),
                    Err(_) => "see whether `nvidia-smi` lists one".to_owned(),
                },
            ),
            C::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => (
                "the driver's library and the driver in the system are of different versions".to_owned(),
                "restart the machine: an update of the driver is half done".to_owned(),
            ),
            C::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE => (
                "a compatibility library of CUDA stands before the driver, and this GPU cannot use it"
                    .to_owned(),
                "remove the folder `compat` from LD_LIBRARY_PATH and restart the kernel".to_owned(),
            ),
            C::CUDA_ERROR_STUB_LIBRARY => (
                "libcuda.so.1 is the stub for linking, not the driver".to_owned(),
                "remove the folder `stubs` from LD_LIBRARY_PATH and restart the kernel".to_owned(),
            ),
            C::CUDA_ERROR_INVALID_DEVICE => (
                "there is no GPU of this number".to_owned(),
                "count from 0; devices() lists them".to_owned(),
            ),
            C::CUDA_ERROR_UNSUPPORTED_PTX_VERSION | C::CUDA_ERROR_INVALID_PTX => (
                "the driver does not take the PTX that NVRTC made".to_owned(),
                "install an NVRTC no newer than the driver: pip install nvidia-cuda-nvrtc-cu12".to_owned(),
            ),
            C::CUDA_ERROR_NO_BINARY_FOR_GPU | C::CUDA_ERROR_INVALID_IMAGE => (
                "the compiled kernel does not fit this GPU".to_owned(),
                "delete ~/.cache/jook/cuda and try again".to_owned(),
            ),
            C::CUDA_ERROR_OUT_OF_MEMORY => (
                "the GPU's memory is full".to_owned(),
                "train fewer networks at once, or free what other programs hold: `nvidia-smi` lists them"
                    .to_owned(),
            ),
            C::CUDA_ERROR_ILLEGAL_ADDRESS
            | C::CUDA_ERROR_MISALIGNED_ADDRESS
            | C::CUDA_ERROR_INVALID_PC
            | C::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | C::CUDA_ERROR_LAUNCH_FAILED => (
                format!("a kernel on the GPU failed ({})", words(error)),
                "this is a fault of Jook's; restart the kernel to use the GPU again, the CPU goes on"
                    .to_owned(),
            ),
            C::CUDA_ERROR_LAUNCH_TIMEOUT => (
                "the system ended a kernel on the GPU that ran too long".to_owned(),
                "restart the kernel; a GPU that drives no display has no such limit".to_owned(),
            ),
            _ => (
                format!("the driver answered {} ({number})", words(error)),
                "see whether `nvidia-smi` works; restart the kernel".to_owned(),
            ),
        };
        let lasting = matches!(
            error.0,
            C::CUDA_ERROR_ILLEGAL_ADDRESS
                | C::CUDA_ERROR_MISALIGNED_ADDRESS
                | C::CUDA_ERROR_INVALID_PC
                | C::CUDA_ERROR_ILLEGAL_INSTRUCTION
                | C::CUDA_ERROR_LAUNCH_FAILED
                | C::CUDA_ERROR_LAUNCH_TIMEOUT
                | C::CUDA_ERROR_ECC_UNCORRECTABLE
        );
        Self {
            what: format!("{doing}: {what}"),
            cure,
            full: error.0 == C::CUDA_ERROR_OUT_OF_MEMORY,
            lasting,
        }
    }
}

/// What the driver calls an error.
fn words(error: DriverError) -> String {
    let mut text = std::ptr::null();
    // SAFETY: the driver, which answered, is loaded; it gives a text that lives on, or none.
    unsafe {
        match sys::cuGetErrorName(error.0, &mut text).result() {
            Ok(()) if !text.is_null() => std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned(),
            _ => format!("error {}", error.0 as u32),
        }
    }
}
