//! Where a run writes: chosen and tried before anything is built or executed.

use super::Args;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

/// The files a run writes.
#[derive(Debug, PartialEq)]
pub struct Targets {
    /// The executed notebook; a check writes it only when asked.
    pub notebook: Option<PathBuf>,
    /// The page, if wanted.
    pub page: Option<PathBuf>,
}

impl Targets {
    /// Chooses the files and makes their folders. An error names what is in the way.
    pub fn choose(args: &Args) -> Result<Self> {
        let source = &args.notebook;
        let stem = source
            .file_stem()
            .map_or("notebook".into(), |stem| stem.to_string_lossy().into_owned());
        let beside = folder(source).join(format!("{stem}.executed.ipynb"));
        let notebook = match &args.output {
            _ if args.inplace => Some(source.clone()),
            None if args.check => None,
            None => Some(beside),
            Some(path) if path.extension().is_some_and(|ending| ending == "ipynb") && !path.is_dir() => {
                Some(path.clone())
            }
            Some(path) => {
                let inside = path.join(format!("{stem}.ipynb"));
                if same(&inside, source) {
                    Some(path.join(format!("{stem}.executed.ipynb")))
                } else {
                    Some(inside)
                }
            }
        };
        if let Some(notebook) = &notebook
            && same(notebook, source)
            && !args.inplace
        {
            bail!(
                "{} is the notebook itself; --inplace writes the outputs into it",
                notebook.display()
            );
        }
        let page = match &args.html {
            _ if args.no_html => None,
            None if args.check => None,
            None => notebook
                .as_ref()
                .map(|notebook| folder(notebook).join(format!("{stem}.html"))),
            Some(path) if path.is_dir() || path.to_string_lossy().ends_with('/') => {
                Some(path.join(format!("{stem}.html")))
            }
            Some(path) => Some(path.clone()),
        };
        if let Some(page) = &page
            && (same(page, source) || notebook.as_ref().is_some_and(|notebook| same(page, notebook)))
        {
            bail!("{} cannot be both a notebook and a page", page.display());
        }
        for path in [notebook.as_ref(), page.as_ref()].into_iter().flatten() {
            writable(path)?;
        }
        Ok(Self { notebook, page })
    }
}

/// The folder a file is in.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether both paths name one file.
fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Makes the file's folder and tries to write there, so that a long run does not fail at its end.
fn writable(path: &Path) -> Result<()> {
    // The file that a link leads to is the one that is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder = folder(&target);
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    if path.is_dir() {
        bail!("{} is a folder; name a file in it", path.display());
    }
    if target.exists() && !target.is_file() {
        // A device or a pipe is written to, not replaced. Opening it now might wait for its reader.
        return Ok(());
    }
    let trial = folder.join(format!(".jook-{}", std::process::id()));
    std::fs::File::create(&trial)
        .and_then(|_| std::fs::remove_file(&trial))
        .with_context(|| {
            format!(
                "cannot write in {}; --output and --html name other places",
                folder.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("jook-targets-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("a.ipynb"), "{}").unwrap();
            Self(path)
        }

        fn args(&self) -> Args {
            Args {
                notebook: self.0.join("a.ipynb"),
                ..Args::default()
            }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn both_files_stand_beside_the_notebook_by_default() {
        let folder = Folder::new("default");
        let targets = Targets::choose(&folder.args()).unwrap();
        assert_eq!(targets.notebook, Some(folder.0.join("a.executed.ipynb")));
        assert_eq!(targets.page, Some(folder.0.join("a.html")));
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn files_and_folders_can_be_named() {
        let folder = Folder::new("named");
        let new = folder.0.join("deep/er");
        let targets = Targets::choose(&Args {
            output: Some(new.clone()),
            ..folder.args()
        })
        .unwrap();
        assert_eq!(
            (targets.notebook, targets.page),
            (Some(new.join("a.ipynb")), Some(new.join("a.html")))
        );
        let file = folder.0.join("out.ipynb");
        let html = folder.0.join("page.htm");
        let targets = Targets::choose(&Args {
            output: Some(file.clone()),
            html: Some(html.clone()),
            ..folder.args()
        })
        .unwrap();
        assert_eq!(
            targets,
            Targets {
                notebook: Some(file),
                page: Some(html)
            }
        );
        let same_folder = Targets::choose(&Args {
            output: Some(folder.0.clone()),
            ..folder.args()
        })
        .unwrap();
        assert_eq!(same_folder.notebook, Some(folder.0.join("a.executed.ipynb")));
        let none = Targets::choose(&Args {
            no_html: true,
            ..folder.args()
        })
        .unwrap();
        assert_eq!(none.page, None);
    }

    #[test]
    fn the_source_is_only_overwritten_when_asked() {
        let folder = Folder::new("source");
        let source = folder.0.join("a.ipynb");
        let error = Targets::choose(&Args {
            output: Some(source.clone()),
            ..folder.args()
        })
        .unwrap_err();
        assert!(error.to_string().contains("--inplace"));
        let inplace = Targets::choose(&Args {
            inplace: true,
            ..folder.args()
        })
        .unwrap();
        assert_eq!(inplace.notebook.as_ref(), Some(&source));
        assert!(
            Targets::choose(&Args {
                html: Some(source),
                ..folder.args()
            })
            .is_err()
        );
    }

    #[test]
    fn a_check_writes_only_what_is_asked_for() {
        let folder = Folder::new("check");
        let check = Args {
            check: true,
            ..folder.args()
        };
        let none = Targets {
            notebook: None,
            page: None,
        };
        assert_eq!(Targets::choose(&check).unwrap(), none);
        let page = folder.0.join("a.html");
        let targets = Targets::choose(&Args {
            html: Some(page.clone()),
            ..check
        })
        .unwrap();
        assert_eq!(
            targets,
            Targets {
                page: Some(page),
                ..none
            }
        );
    }

    #[test]
    fn a_device_needs_no_place_for_a_draft_beside_it() {
        let folder = Folder::new("device");
        let (_reader, writer) = std::io::pipe().unwrap();
        // In a folder where nobody can make a file.
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        let targets = Targets::choose(&Args {
            html: Some(name.clone().into()),
            ..folder.args()
        })
        .unwrap();
        assert_eq!(targets.page, Some(name.into()));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_first() {
        let folder = Folder::new("blocked");
        let inside_a_file = folder.0.join("a.ipynb/x");
        let error = Targets::choose(&Args {
            html: Some(inside_a_file),
            ..folder.args()
        })
        .unwrap_err();
        assert!(format!("{error:#}").contains("a.ipynb"));
    }
}
