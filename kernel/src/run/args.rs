//! What `jook run` is told on the command line.

use std::path::PathBuf;

/// Execute a notebook without Jupyter; write it back with its outputs, and as one HTML page that opens offline
///
/// Exit code 0 only if every cell ran; 1 if a cell failed; 130 if stopped with Ctrl-C. What ran up to then
/// is written in each case; only a second Ctrl-C ends at once, with what had been saved by then.
///
/// A cell tagged skip-execution is not run, and one tagged raises-exception may fail: neither counts as a
/// failure.
///
/// Parameters are papermill's: a code cell tagged parameters holds `let` statements with defaults, and values
/// given with -p or --parameters-file are set in a cell after it, tagged injected-parameters.
///
/// With --check nothing is written, unless --output or --html asks for it: what cells put out is compared with
/// what the notebook holds, and exit code 1 says that something differs. Streams are compared by name, results
/// and displays as Plotly JSON or else as plain text, errors by name. Left out are colours, times such as
/// `12.3 s` or `1 min 05 s` and the column `seconds` of a table, rates such as `90 images/s`, what was found in a cache,
/// addresses, how wide columns are, progress bars that only one of both has, and cells tagged check-skip or
/// nbval-ignore-output.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Args {
    /// The notebook (.ipynb); its folder is where its cells run. Several run one after another, also behind one that
    /// fails; a parameter is given to those that have it
    #[arg(required = true, value_name = "NOTEBOOK")]
    pub notebooks: Vec<PathBuf>,

    /// The one that is run here
    #[arg(skip)]
    pub notebook: PathBuf,

    /// Where the executed notebook goes: a file (.ipynb) or a folder [default: NAME.executed.ipynb beside it]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,

    /// Where the page goes: a file or a folder [default: NAME.html beside the executed notebook]
    #[arg(long, value_name = "PATH", conflicts_with = "no_html")]
    pub html: Option<PathBuf>,

    /// Write no page
    #[arg(long)]
    pub no_html: bool,

    /// Write the outputs into the notebook itself
    #[arg(long, conflicts_with = "output")]
    pub inplace: bool,

    /// Go on after a cell that fails; the exit code still says so
    #[arg(long)]
    pub keep_going: bool,

    /// Stop a cell after this many seconds, as a failure
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,

    /// Print what cells print, while they run
    #[arg(long)]
    pub echo: bool,

    /// Set a parameter of the notebook, as in -p epochs 5 -p name "x"; lists in JSON
    #[arg(short = 'p', long = "parameter", num_args = 2, value_names = ["NAME", "VALUE"], allow_hyphen_values = true)]
    pub parameters: Vec<String>,

    /// Set the parameters that this file holds as a JSON object; -p goes before it
    #[arg(long, value_name = "FILE")]
    pub parameters_file: Option<PathBuf>,

    /// Compare what the cells put out with what the notebook holds; write nothing
    #[arg(long, conflicts_with = "inplace")]
    pub check: bool,

    /// With --check: numbers may differ by this share of the stored one [default: 0, as texts]
    #[arg(long, value_name = "SHARE", requires = "check", value_parser = distance)]
    pub rtol: Option<f64>,

    /// With --check: numbers may differ by this much [default: 0]
    #[arg(long, value_name = "DISTANCE", requires = "check", value_parser = distance)]
    pub atol: Option<f64>,
}

fn distance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number),
        _ => Err("a tolerance is a number from 0 up, as 1e-6".to_string()),
    }
}
