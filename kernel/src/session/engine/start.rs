//! How evcxr starts: in a folder of the session's own, with a process for cells.

use crate::session::build::home;
use crate::session::build::private;
use crate::session::control::Control;
use crate::session::life::door::DOOR;
use crate::session::options::Options;
use crate::session::process;
use crate::session::talk::pipes::Pipes;
use crate::session::tell::report;
use anyhow::Result;
use evcxr::{CommandContext, EvalContext};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Starts evcxr in a folder of the session's own, with a process for cells that writes to `pipes`.
///
/// # Errors
/// When the folder cannot be made, or evcxr does not start.
pub fn evcxr(
    options: &Options,
    control: &Arc<Control>,
    pipes: &Pipes,
) -> Result<(CommandContext, String, PathBuf)> {
    // evcxr reads the environment of the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = home::session_folder()?;
    let door = control.open_door(&folder.join("door"), &options.comms)?;
    let crate_dir = folder.join("cell-crate");
    std::fs::create_dir(&crate_dir)?;
    let mut child = Command::new(home::program());
    home::outside(&mut child)
        .arg0(process::NAME)
        .current_dir(&options.working_dir)
        .env(DOOR, &door);
    pipes.give_to(&mut child);
    // SAFETY: as in `home`: done when a session starts; Rust code reads the environment under std's own lock.
    unsafe {
        std::env::set_var(private::CELL_CRATE, &crate_dir);
        std::env::set_var(DOOR, &door);
    }
    // A configuration of evcxr's that lies beside the notebook is not for this kernel: it has its own.
    let _ = std::env::set_current_dir(&home::enter()?.dir);
    let started = EvalContext::with_subprocess_command(child);
    let _ = std::env::set_current_dir(&options.working_dir);
    let (context, outputs) = started.map_err(|error| anyhow::anyhow!("{}", report::all_messages(&error)))?;
    // evcxr's own pipes carry its words alone; whatever else comes there is for the kernel's log.
    std::thread::spawn(move || outputs.stdout.iter().for_each(|line| eprintln!("jook: {line}")));
    std::thread::spawn(move || outputs.stderr.iter().for_each(|line| eprintln!("jook: {line}")));
    let opt = context.state().opt_level().to_owned();
    Ok((CommandContext::with_eval_context(context), opt, crate_dir))
}
