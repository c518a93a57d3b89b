//! `jook install`: the kernelspec, by which Jupyter knows the kernel.

use crate::wire::PROTOCOL;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kernel's name: the folder of its spec, and what notebooks refer to.
pub const KERNEL_NAME: &str = "jook";

const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-32x32.png", include_bytes!("../logo/logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("../logo/logo-64x64.png")),
    ("logo-svg.svg", include_bytes!("../logo/logo-svg.svg")),
];

/// Where to register the kernel.
#[derive(clap::Args)]
#[group(multiple = false)]
pub struct Args {
    /// For this user (the default); JUPYTER_DATA_DIR is honoured
    #[arg(long)]
    user: bool,
    /// For the Python on PATH, for example an active virtual or conda environment
    #[arg(long)]
    sys_prefix: bool,
    /// Under DIR/share/jupyter/kernels
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

/// Writes the kernelspec and says where it went.
pub fn install(args: Args) -> Result<()> {
    let data_dir = match args {
        Args {
            prefix: Some(prefix), ..
        } => std::path::absolute(prefix)?.join("share/jupyter"),
        Args { sys_prefix: true, .. } => python_prefix()?.join("share/jupyter"),
        _ => user_data_dir()?,
    };
    let spec = write_kernelspec(&data_dir)?;
    println!("Installed the Jook kernel in {}", spec.display());
    Ok(())
}

/// Writes the kernelspec below a Jupyter data directory; returns its folder.
pub fn write_kernelspec(data_dir: &Path) -> Result<PathBuf> {
    let folder = data_dir.join("kernels").join(KERNEL_NAME);
    let cannot = || format!("could not write the kernelspec to {}", folder.display());
    let program = std::env::current_exe().context("could not find out this program's own path")?;
    let Some(program) = program.to_str() else {
        bail!(
            "{}: a kernelspec cannot hold a path that is not UTF-8",
            program.display()
        );
    };
    let spec = json!({
        "argv": [program, "kernel", "{connection_file}"],
        "display_name": "Jook (Rust)",
        "language": "rust",
        "interrupt_mode": "message",
        "kernel_protocol_version": PROTOCOL,
        "metadata": { "debugger": false },
    });
    std::fs::create_dir_all(&folder).with_context(cannot)?;
    for (name, logo) in LOGOS {
        std::fs::write(folder.join(name), logo).with_context(cannot)?;
    }
    // Last and in one step: Jupyter looks for this file, also while it is being replaced. A link stays one.
    let place = folder.join("kernel.json");
    let place = place.canonicalize().unwrap_or(place);
    let unfinished = place.with_file_name("kernel.json.new");
    std::fs::write(&unfinished, format!("{spec:#}\n")).with_context(cannot)?;
    std::fs::rename(&unfinished, place).with_context(cannot)?;
    Ok(folder)
}

/// The user's Jupyter data directory, as jupyter_core finds it.
fn user_data_dir() -> Result<PathBuf> {
    match std::env::var_os("JUPYTER_DATA_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => Ok(std::path::absolute(PathBuf::from(dir))?),
        None => jupyter_zmq_client::dirs::user_data_dir().context("could not find the user's Jupyter folder"),
    }
}

/// `sys.prefix` of the Python on PATH.
fn python_prefix() -> Result<PathBuf> {
    for python in ["python3", "python"] {
        let answer = Command::new(python)
            .args(["-c", "import sys; print(sys.prefix)"])
            .output();
        if let Ok(output) = answer
            && output.status.success()
        {
            return Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        }
    }
    bail!(
        "--sys-prefix means the prefix of the Python on PATH, and there is no Python on PATH; give --prefix DIR"
    )
}
