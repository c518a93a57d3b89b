//! Errors of the file system name the file or folder that they are about, whatever was to be done with it.

use std::path::{Path, PathBuf};

use jook::prelude::*;

/// What is done with a path, and its name.
type Named = (&'static str, fn(&Path) -> Result<()>);

/// Everything that takes a path and reads what is there.
fn readers() -> Vec<Named> {
    vec![
        ("a store", |path| Store::open(path).map(drop)),
        ("weights", |path| Weights::read(path).map(drop)),
        ("a network", |path| Network::load(path).map(drop)),
        ("a run", |path| Run::resume(path, &data()).map(drop)),
        ("a resumed recipe", |path| train(recipe().resume(path))),
        ("images", |path| ImageFolder::open(path).map(drop)),
        ("a table", |path| Dataset::from_csv(path, None).map(drop)),
    ]
}

/// Everything that takes a path and puts something there.
fn writers() -> Vec<Named> {
    vec![
        ("weights", |path| weights().write(path)),
        ("a run", |path| {
            Mlp::new([2, 2]).train(&data(), recipe())?.save(path)
        }),
        ("a checkpoint", |path| train(recipe().checkpoint(path, 1))),
        ("a study", |path| {
            let study = Study::new("s").quiet().store(path).run(|_| Ok(1.0))?;
            study.trouble().cloned().map_or(Ok(()), Err)
        }),
        ("features", |path| {
            let network = Mlp::new([2, 3, 2]).build(0)?;
            let features = Features::of(&network, "dense1").cache(path).run(&data())?;
            features.problems.first().cloned().map_or(Ok(()), Err)
        }),
    ]
}

fn data() -> Dataset {
    datasets::two_moons(20, 0.1, 0).unwrap()
}

fn recipe() -> Recipe {
    Recipe::new().epochs(1)
}

fn train(recipe: Recipe) -> Result<()> {
    Mlp::new([2, 2]).train(&data(), recipe).map(drop)
}

fn weights() -> Weights {
    Weights::new([("a", vec![1], vec![0.0])]).unwrap()
}

#[test]
fn every_error_of_a_file_names_it() {
    let folder = std::env::temp_dir().join(format!("jook-paths-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("file");
    std::fs::write(&file, "no folder").unwrap();
    let (missing, inside): (PathBuf, PathBuf) = (folder.join("none"), file.join("part"));
    for (what, read) in readers() {
        for path in [&missing, &inside] {
            let error = read(path).expect_err(what).to_string();
            assert!(error.contains(&path.display().to_string()), "{what}: {error}");
        }
    }
    for (what, write) in writers() {
        let error = write(&inside).expect_err(what).to_string();
        assert!(error.contains(&file.display().to_string()), "{what}: {error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
