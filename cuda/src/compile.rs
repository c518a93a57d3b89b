//! Kernels from their source, for the very card, by NVRTC; kept on disk.

use std::ffi::CString;
use std::path::PathBuf;

use cudarc::driver::{CudaFunction, DeviceRepr, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::{Ptx, result, sys};
use sha2::{Digest, Sha256};

use crate::{Card, Error, Result, library};

/// A kernel's machine code, and what its compiler said of it.
pub struct Compiled {
    /// A cubin; or PTX, where the card is newer than NVRTC.
    pub code: Vec<u8>,
    /// Registers, spills and shared memory, in the compiler's words; empty when it comes from the disk.
    pub log: String,
}

/// Nothing fused that the source does not fuse, divisions and roots as IEEE has them, denormal numbers kept: the same bits
/// as on a CPU.
const OPTIONS: [&str; 7] = [
    "--fmad=false",
    "--prec-div=true",
    "--prec-sqrt=true",
    "--ftz=false",
    "--std=c++17",
    "--device-as-default-execution-space",
    "--ptxas-options=-v",
];

/// The kernel `name` of this source, on the card.
///
/// # Errors
/// When NVRTC is missing or cannot compile for the card, or the card does not take the result.
pub fn kernel(card: &Card, name: &str, source: &str) -> Result<CudaFunction> {
    let mut loaded = card
        .kernels
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(function) = loaded.get(source) {
        return Ok(function.clone());
    }
    let function = load_or_compile(card, name, source)?;
    loaded.insert(source.to_owned(), function.clone());
    Ok(function)
}

fn load_or_compile(card: &Card, name: &str, source: &str) -> Result<CudaFunction> {
    library::nvrtc(card.driver / 1000)?;
    let architecture = architecture(card)?;
    let kept = place(source, &architecture);
    if let Some(code) = kept.as_ref().and_then(read) {
        // What was kept may be damaged, or of another time: then it is made anew.
        if let Ok(function) = load(card, name, code) {
            return Ok(function);
        }
    }
    let compiled = compile(name, source, &architecture)?;
    if let Some(kept) = kept {
        write(&kept, &compiled.code);
    }
    load(card, name, compiled.code)
        .map_err(|error| Error::of_driver(error, &format!("loading the kernel {name}")))
}

/// Compiles a kernel for cards of an architecture (`sm_90`) and keeps it, so that those need not; gives what the compiler
/// said. No card is needed, but an NVRTC of the major version that the cards' driver takes.
///
/// # Errors
/// When NVRTC is missing or refuses it.
pub fn prepare(major: i32, name: &str, source: &str, architecture: &str) -> Result<Compiled> {
    library::nvrtc(major)?;
    let compiled = compile(name, source, architecture)?;
    if let Some(kept) = place(source, architecture) {
        write(&kept, &compiled.code);
    }
    Ok(compiled)
}

/// The argument of a small kernel: an address and a number.
#[derive(Clone, Copy)]
#[repr(C)]
struct Pair(u64, u64);

// SAFETY: two numbers.
unsafe impl DeviceRepr for Pair {}

/// Runs a small kernel that takes an address and a number, and waits for it. The first call compiles.
///
/// # Errors
/// As [`kernel`], and when it fails.
pub fn launch(
    card: &Card,
    name: &str,
    source: &str,
    (grid, threads): (u32, u32),
    argument: (u64, u64),
) -> Result<()> {
    let function = kernel(card, name, source)?;
    let shape = LaunchConfig {
        grid_dim: (grid, 1, 1),
        block_dim: (threads, 1, 1),
        shared_mem_bytes: 0,
    };
    let argument = Pair(argument.0, argument.1);
    // SAFETY: the caller's kernel takes such a struct.
    unsafe { card.stream.launch_builder(&function).arg(&argument).launch(shape) }
        .map_err(|error| Error::of_driver(error, name))?;
    card.wait(name)
}

fn load(card: &Card, name: &str, code: Vec<u8>) -> Result<CudaFunction, cudarc::driver::DriverError> {
    let image = match code.starts_with(b"\x7fELF") {
        true => Ptx::from_binary(code),
        false => Ptx::from_src(String::from_utf8_lossy(&code).into_owned()),
    };
    card.context.load_module(image)?.load_function(name)
}

/// The card's own, if NVRTC knows it; else the newest virtual one, from which the driver makes the machine code.
fn architecture(card: &Card) -> Result<String> {
    let (major, minor) = card.capability;
    let own = major * 10 + minor;
    let mut count = 0;
    // SAFETY: NVRTC is loaded, and writes a number; then as many.
    let known = unsafe {
        sys::nvrtcGetNumSupportedArchs(&mut count)
            .result()
            .and_then(|()| {
                let mut known = vec![0; usize::try_from(count).unwrap_or(0)];
                sys::nvrtcGetSupportedArchs(known.as_mut_ptr())
                    .result()
                    .map(|()| known)
            })
    }
    .map_err(|error| failed("asking NVRTC what it compiles for", &error, ""))?;
    if known.contains(&own) {
        return Ok(format!("sm_{own}"));
    }
    match known.iter().filter(|&&one| one < own).max() {
        Some(one) => Ok(format!("compute_{one}")),
        None => Err(Error::new(
            format!(
                "NVRTC does not compile for {} (sm_{own}), which is too old for it",
                card.name
            ),
            "pip install nvidia-cuda-nvrtc-cu12==12.0.140",
        )),
    }
}

/// Machine code (`sm_90`) or PTX (`compute_90`) of a source.
///
/// # Errors
/// When NVRTC refuses it.
pub fn compile(name: &str, source: &str, architecture: &str) -> Result<Compiled> {
    let doing = format!("compiling the kernel {name} for {architecture}");
    let text = |text: &str| {
        CString::new(text).map_err(|error| Error::new(format!("{doing}: {error}"), "report this"))
    };
    let program = result::create_program(&text(source)?, Some(&text(&format!("{name}.cu"))?))
        .map_err(|error| failed(&doing, &error, ""))?;
    let mut options = vec![format!("--gpu-architecture={architecture}")];
    options.extend(OPTIONS.map(String::from));
    // SAFETY: the program was made above and is destroyed below, once.
    unsafe {
        let made = result::compile_program(program, &options);
        let log = result::get_program_log(program).unwrap_or_default();
        let log: Vec<u8> = log.iter().take_while(|&&c| c != 0).map(|&c| c as u8).collect();
        let log = String::from_utf8_lossy(&log).into_owned();
        let code = made.and_then(|()| match architecture.starts_with("sm_") {
            true => {
                let mut size = 0;
                sys::nvrtcGetCUBINSize(program, &mut size).result()?;
                let mut code = vec![0u8; size];
                sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast()).result()?;
                Ok(code)
            }
            false => Ok(result::get_ptx(program)?
                .into_iter()
                .map(|c| c as u8)
                .take_while(|&c| c != 0)
                .collect()),
        });
        let _ = result::destroy_program(program);
        match code {
            Ok(code) => Ok(Compiled { code, log }),
            Err(error) => Err(failed(&doing, &error, &log)),
        }
    }
}

fn failed(doing: &str, error: &result::NvrtcError, log: &str) -> Error {
    Error::new(
        format!("{doing}: NVRTC answered {:?}\n{}", error.0, log.trim_end()),
        "this is a fault of Jook's, or NVRTC is damaged: pip install --force-reinstall nvidia-cuda-nvrtc",
    )
}

/// Where the code of this source is kept: named by all that it is made from.
fn place(source: &str, architecture: &str) -> Option<PathBuf> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: NVRTC is loaded, and writes two numbers.
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) }
        .result()
        .ok()?;
    let mut digest = Sha256::new();
    for part in [
        source,
        &OPTIONS.join(" "),
        &format!("{major}.{minor}"),
        architecture,
    ] {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")))?;
    let name: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(cache.join("jook/cuda").join(format!("{name}.{architecture}")))
}

/// The code that is kept there, if it is whole: its own hash stands before it.
fn read(path: &PathBuf) -> Option<Vec<u8>> {
    let mut file = std::fs::read(path).ok()?;
    if file.len() < 32 {
        return None;
    }
    let code = file.split_off(32);
    (Sha256::digest(&code).as_slice() == file).then_some(code)
}

/// Keeps it; where that cannot be, it is made again next time.
fn write(path: &PathBuf, code: &[u8]) {
    let Some(folder) = path.parent() else {
        return;
    };
    let beside = path.with_extension(format!("new{}", std::process::id()));
    let mut file = Sha256::digest(code).to_vec();
    file.extend_from_slice(code);
    let kept = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&beside, file))
        .and_then(|()| std::fs::rename(&beside, path));
    if kept.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
}
