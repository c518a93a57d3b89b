//! What tests of several modules need.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Device;

/// A folder of its own for a test, removed with all that is in it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("jook-test-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it, with the folders on the way.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// This test binary, about to run one ignored test: what reaches a whole process, a stop for instance, is tried in
/// a child.
pub fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

/// Runs such a child, in which the test must pass.
pub fn passes(mut child: Command) {
    let Output {
        status,
        stdout,
        stderr,
    } = child.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && text.contains("1 passed"), "{text}{errors}");
}

/// A GPU to test on: a stand-in that runs its kernels on the processor (`cuda/stand_in`); the one that is there where
/// `JOOK_TEST_GPU` is set. None without a C++ compiler, which is an error in CI.
pub fn device() -> Option<Device> {
    static READY: OnceLock<bool> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        if std::env::var_os("JOOK_TEST_GPU").is_some() {
            return true;
        }
        let folder = std::env::temp_dir().join(format!("jook-stand-in-{}", std::process::id()));
        let build = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cuda/stand_in/build");
        let built = Command::new("bash").arg(build).arg(&folder).status();
        if !built.is_ok_and(|status| status.success()) {
            assert!(
                std::env::var_os("CI").is_none(),
                "no C++ compiler for the stand-in of a GPU"
            );
            eprintln!("skipped: no C++ compiler (g++) for the stand-in of a GPU");
            return false;
        }
        // SAFETY: once, before anything in this process asks for it.
        unsafe { std::env::set_var("JOOK_CUDA_LIBS", &folder) };
        // Opened for good; nothing is left behind.
        let opened = Device::cuda(0).is_ok() && jook_cuda::library::nvrtc(13).is_ok();
        let _ = std::fs::remove_dir_all(folder);
        opened
    });
    ready.then(|| Device::cuda(0).expect("a device"))
}
