//! Where CUDA's libraries are. They are opened by their full path before they are first called: those that come with
//! Python's packages stand on no path that the loader knows.
//!
//! Looked for in this order: the folder that `JOOK_CUDA_LIBS` names; for the driver WSL's folder and the loader's own; for
//! NVRTC the loader's own, `CUDA_HOME`, `CUDA_PATH`, `/usr/local/cuda*`, `/opt/cuda`, `CONDA_PREFIX`, and the packages
//! of the Python in `VIRTUAL_ENV` or first on the path. A `stubs` folder is never taken.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Error, Result};

/// Where the driver is, if it is there. Asked once.
///
/// # Errors
/// When there is none.
pub fn driver() -> Result<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let folders = named().into_iter().chain([PathBuf::from("/usr/lib/wsl/lib")]);
        let known = folders.map(|folder| folder.join("libcuda.so.1"));
        known
            .chain([PathBuf::from("libcuda.so.1")])
            .find(|path| open(path).is_ok())
    });
    found.as_deref().ok_or_else(|| {
        Error::new(
            "no NVIDIA driver answers: libcuda.so.1 is not there",
            "install NVIDIA's driver (version 525 or newer) where there is a GPU; elsewhere use Device::cpu()",
        )
    })
}

/// Opens the NVRTC of the highest version that a driver of CUDA `most` (its major version) takes; gives its path.
/// Opened once.
///
/// # Errors
/// When there is none, or none old enough.
pub fn nvrtc(most: i32) -> Result<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let mut newer = None;
        for folder in folders() {
            let mut here = versions(&folder);
            here.sort_unstable_by(|a, b| b.cmp(a));
            for (major, path) in here {
                if major > most {
                    newer.get_or_insert(path);
                    continue;
                }
                // It opens this one by its bare name.
                if let Some(builtins) = beside(&path, "libnvrtc-builtins.so.") {
                    let _ = open(&builtins);
                }
                if open(&path).is_ok() {
                    return Ok(path);
                }
            }
        }
        for major in [most, most - 1] {
            let path = PathBuf::from(format!("libnvrtc.so.{major}"));
            if open(&path).is_ok() {
                return Ok(path);
            }
        }
        let package = if most >= 13 {
            "nvidia-cuda-nvrtc"
        } else {
            "nvidia-cuda-nvrtc-cu12"
        };
        let cure = format!("pip install {package}");
        Err(match newer {
            Some(path) => Error::new(
                format!(
                    "{} is newer than the driver, which takes CUDA {most}",
                    path.display()
                ),
                format!("{cure}, or update the driver"),
            ),
            None => Error::new("NVRTC, which compiles the kernels, is not there", cure),
        })
    });
    found.as_deref().map_err(Error::clone)
}

fn named() -> Option<PathBuf> {
    std::env::var_os("JOOK_CUDA_LIBS").map(PathBuf::from)
}

/// The folders that may have an NVRTC.
fn folders() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = named().into_iter().collect();
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    for root in ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(variable) {
        all.push(root.join("lib64"));
    }
    let mut local: Vec<PathBuf> = std::fs::read_dir("/usr/local")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("cuda"))
        .map(|entry| entry.path().join("lib64"))
        .collect();
    local.sort_unstable();
    all.extend(local);
    all.push(PathBuf::from("/opt/cuda/lib64"));
    all.extend(variable("CONDA_PREFIX").map(|root| root.join("lib")));
    let pythons = variable("VIRTUAL_ENV").map(|root| root.join("bin/python"));
    for python in pythons.into_iter().chain([PathBuf::from("python3")]) {
        for site in sites(&python) {
            all.push(site.join("nvidia/cu13/lib"));
            all.push(site.join("nvidia/cuda_nvrtc/lib"));
        }
    }
    all
}

/// Where a Python keeps its packages.
fn sites(python: &Path) -> Vec<PathBuf> {
    let code = "import sys; print('\\n'.join(sys.path))";
    let Ok(said) = Command::new(python).args(["-c", code]).output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&said.stdout)
        .lines()
        .filter(|line| line.ends_with("-packages"))
        .map(PathBuf::from)
        .collect()
}

/// The NVRTCs in a folder with their major versions.
fn versions(folder: &Path) -> Vec<(i32, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let major = name.to_str()?.strip_prefix("libnvrtc.so.")?.parse().ok()?;
            Some((major, entry.path()))
        })
        .collect()
}

fn beside(path: &Path, start: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(path.parent()?).ok()?.flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .collect();
    found.sort_unstable();
    found.into_iter().next()
}

/// Opens a library for good, so that it is found by its name from then on.
fn open(path: &Path) -> std::result::Result<(), String> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if real.components().any(|part| part.as_os_str() == "stubs") {
        return Err("a stub".to_owned());
    }
    let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: the name ends with a 0; a library that is opened runs its own beginning, as any linked one.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !handle.is_null() {
        return Ok(());
    }
    // SAFETY: after a failure there is a text, or none.
    let said = unsafe { libc::dlerror() };
    // SAFETY: as above.
    let said = (!said.is_null()).then(|| unsafe { CStr::from_ptr(said) });
    Err(said.map_or_else(
        || "unknown".to_owned(),
        |said| said.to_string_lossy().into_owned(),
    ))
}
