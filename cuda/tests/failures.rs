//! What goes wrong with drivers, libraries and cards is told with its cure: staged by the stand-ins (`cuda/stand_in`),
//! each in a process of its own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The folder with the stand-ins; none without a C++ compiler, which is an error in CI.
fn stand_ins() -> Option<&'static PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stand-ins");
            let build = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("stand_in/build");
            let built = Command::new("bash").arg(build).arg(&folder).status();
            if built.is_ok_and(|status| status.success()) {
                return Some(folder);
            }
            assert!(
                std::env::var_os("CI").is_none(),
                "no C++ compiler for the stand-in of a GPU"
            );
            eprintln!("skipped: no C++ compiler (g++) for the stand-in of a GPU");
            None
        })
        .as_ref()
}

/// What the check says, and whether all was well.
fn check(staged: &str, arguments: &[&str], more: &[(&str, &str)]) -> Option<(String, bool)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-check"));
    command
        .args(arguments)
        .env("JOOK_CUDA_LIBS", stand_ins()?)
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("STAND_IN", staged)
        .env_remove("CUDA_VISIBLE_DEVICES");
    command.envs(more.iter().copied());
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    Some((
        String::from_utf8_lossy(&said).into_owned(),
        output.status.success(),
    ))
}

#[test]
fn networks_are_trained_on_the_stand_in() {
    let Some((said, fine)) = check("", &["--tiny"], &[]) else {
        return;
    };
    assert!(fine && said.contains("trained 5 small networks"), "{said}");
}

#[test]
fn every_failure_names_its_cure() {
    let cases: &[(&str, &[&str], &str, &str)] = &[
        ("init=100", &[], "finds no GPU", "nvidia-smi"),
        ("init=803", &[], "different versions", "restart the machine"),
        ("init=804", &[], "compatibility library", "LD_LIBRARY_PATH"),
        ("init=34", &[], "the stub for linking", "LD_LIBRARY_PATH"),
        ("init=999", &[], "CUDA_ERROR_999", "nvidia-smi"),
        ("devices=0", &[], "there is no GPU 0", "nvidia-smi"),
        (
            "version=11080",
            &[],
            "takes CUDA 11.8 at most",
            "update NVIDIA's driver",
        ),
        (
            "version=12040",
            &["--tiny"],
            "newer than the driver",
            "nvidia-cuda-nvrtc-cu12",
        ),
        ("compile=6", &["--tiny"], "NVRTC answered", "reinstall"),
        (
            "major=12,minor=0",
            &["--tiny"],
            "does not take the PTX",
            "no newer than the driver",
        ),
        (
            "major=3,minor=5",
            &["--tiny"],
            "too old",
            "nvidia-cuda-nvrtc-cu12",
        ),
        ("load=209", &["--tiny"], "does not fit this GPU", "delete"),
        (
            "memory=2000",
            &["--tiny"],
            "asked for on stand-in",
            "fewer networks at once",
        ),
        (
            "launch=700",
            &["--tiny"],
            "a kernel on the GPU failed",
            "restart the kernel",
        ),
        (
            "launch=719",
            &["--tiny"],
            "a kernel on the GPU failed",
            "restart the kernel",
        ),
        ("launch=702", &["--tiny"], "ran too long", "restart the kernel"),
    ];
    for (staged, arguments, what, cure) in cases {
        let cache = format!(
            "{}/{}",
            env!("CARGO_TARGET_TMPDIR"),
            staged.replace(['=', ','], "-")
        );
        let Some((said, fine)) = check(staged, arguments, &[("XDG_CACHE_HOME", &cache)]) else {
            return;
        };
        assert!(!fine, "{staged}: {said}");
        assert!(said.contains(what) && said.contains(cure), "{staged}: {said}");
        assert!(!said.contains("panicked"), "{staged}: {said}");
    }
}

#[test]
fn a_hidden_gpu_is_told_by_the_variable_that_hides_it() {
    let Some((said, fine)) = check("init=100", &[], &[("CUDA_VISIBLE_DEVICES", "7")]) else {
        return;
    };
    assert!(!fine && said.contains("CUDA_VISIBLE_DEVICES is \"7\""), "{said}");
}

#[test]
fn without_a_driver_it_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-check"));
    let output = command
        .env("JOOK_CUDA_LIBS", "/nowhere")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // On a machine with a GPU it works.
    assert!(
        output.status.success() || said.contains("no NVIDIA driver answers"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_damaged_cache_is_made_anew() {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("damaged");
    // Of an earlier run of the tests.
    let _ = std::fs::remove_dir_all(&cache);
    let more = [("XDG_CACHE_HOME", cache.to_str().expect("a path"))];
    let Some((said, fine)) = check("", &["--tiny"], &more) else {
        return;
    };
    assert!(fine, "{said}");
    let kept: Vec<PathBuf> = std::fs::read_dir(cache.join("jook/cuda"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let whole = std::fs::read(&kept[0]).expect("a kernel");
    std::fs::write(&kept[0], &whole[..whole.len() / 2]).expect("cut");
    let (said, fine) = check("", &["--tiny"], &more).expect("stand-ins");
    assert!(fine && said.contains("trained 5"), "{said}");
    assert_eq!(std::fs::read(&kept[0]).expect("a kernel").len(), whole.len());
}
