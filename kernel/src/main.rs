//! `jook`: Rust notebooks with the toolkit preloaded. See `jook --help`.

mod install;
mod lab;
#[cfg(test)]
mod layers;
mod page;
mod run;
mod session;
mod wire;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Tests ask how much memory a reader takes.
#[cfg(test)]
#[global_allocator]
static MEMORY: jook_fuzz::Counting = jook_fuzz::Counting;

#[derive(Parser)]
#[command(
    name = "jook",
    version,
    about = "Rust notebooks for deep learning on little data"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    /// Open JupyterLab on the notebooks with the Jook kernel; installs JupyterLab privately when there is none
    Lab(lab::Args),
    /// Register the kernel with Jupyter
    Install(install::Args),
    /// Serve a Jupyter client (Jupyter starts this itself)
    Kernel {
        /// The connection file that the client wrote
        connection_file: PathBuf,
    },
}

fn main() -> ExitCode {
    // A kernel starts this program again as the process that runs the cells; such a process stays in here.
    session::runtime_hook();
    session::keep_memory();
    session::on_plot(session::Drawing {
        complete: page::plotly::self_contained_html,
        live: page::plotly::live_html,
    });
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Lab(args) => lab::lab(args),
        Command::Install(args) => install::install(args).map(|()| ExitCode::SUCCESS),
        Command::Kernel { connection_file } => wire::serve(&connection_file).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("jook: {error:#}");
        ExitCode::FAILURE
    })
}
