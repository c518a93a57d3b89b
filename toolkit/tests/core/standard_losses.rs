//! The standard losses in recipes: they train, files and studies hold them, and outputs are said to be probabilities
//! only where they are.

use jook::prelude::*;

/// A line whose noise is above it twice as often as below.
fn line(n: usize) -> Dataset {
    let points = datasets::two_moons(n, 0.1, 3).expect("points");
    let features: Vec<f32> = points.rows().map(|row| row[0]).collect();
    let noise = [-0.3, 0.6, 0.9];
    let values = (0..n).map(|i| 0.5 * features[i] + noise[i % 3]).collect();
    Dataset::new("line", 1, features)
        .and_then(|data| data.with_values(values, ["y"]))
        .expect("a dataset")
}

#[test]
fn classifiers_learn_by_each_of_them() -> Result<()> {
    let data = datasets::two_moons(200, 0.1, 1)?.split(0.3, 0)?;
    let net = Mlp::new([2, 24, 2]).build(0)?;
    let alpha = vec![0.5, 0.5];
    for (loss, probable) in [
        (Loss::label_smoothing(0.1), true),
        (Loss::class_weights([1.0, 3.0]), true),
        (Loss::Focal { gamma: 2.0, alpha }, false),
        (Loss::MultiClassHinge { margin: 1.0 }, false),
        (Loss::Huber { delta: 0.5 }, false),
    ] {
        let recipe = Recipe::new().epochs(60).batch(20).adam(0.01).loss(loss.clone());
        let run = net.fit(&data, recipe)?;
        let found = run.evaluation.as_ref().expect("an evaluation");
        assert!(found.accuracy > 0.9, "{loss:?}: {}", found.accuracy);
        assert_eq!(!found.log_loss.is_nan(), probable, "{loss:?}");
        assert_eq!(
            run.predict(&data.test)?.probabilities().is_ok(),
            probable,
            "{loss:?}"
        );
        let path = std::env::temp_dir().join(format!("jook-standard-{}.safetensors", std::process::id()));
        run.save(&path)?;
        let read = Network::load(&path)?;
        std::fs::remove_file(&path).map_err(|e| Error::io(&path, &e))?;
        assert_eq!(
            read.predict(&data.test)?.probabilities().is_ok(),
            probable,
            "{loss:?}"
        );
    }
    Ok(())
}

#[test]
fn quantiles_lie_where_they_should() -> Result<()> {
    let data = line(300);
    let net = Mlp::new([1, 1]).build(0)?;
    let share_below = |loss: Loss| -> Result<f64> {
        let recipe = Recipe::new().epochs(200).batch(60).adam(0.01).loss(loss);
        let run = net.train(&data, recipe)?;
        let found = run.predict(data.features())?;
        let values = data.values().expect("values");
        let below = found.iter().zip(values).filter(|(found, value)| value < found);
        Ok(below.count() as f64 / 300.0)
    };
    // A third of the noise is below, a third between, a third above.
    let (low, high) = (Loss::Quantile { tau: 0.15 }, Loss::Quantile { tau: 0.85 });
    let (low, middle, high) = (
        share_below(low)?,
        share_below(Loss::AbsoluteError)?,
        share_below(high)?,
    );
    assert!(low < 0.34 && high > 0.65, "{low} {high}");
    assert!(low < middle && middle < high, "{low} {middle} {high}");
    Ok(())
}

#[test]
fn a_study_varies_them_and_a_path_into_them() -> Result<()> {
    let data = datasets::iris()?.split(0.3, 0)?;
    let study = Study::new("losses")
        .base(
            Mlp::new([4, 8, 3]),
            Recipe::new().epochs(3).loss(Loss::label_smoothing(0.1)),
        )
        .vary("recipe.loss.CrossEntropy.smoothing", [0.0, 0.2])
        .data(&data)
        .fit()?;
    assert_eq!(study.trials().len(), 2);
    let study = Study::new("losses")
        .base(Mlp::new([4, 8, 3]), Recipe::new().epochs(3))
        .vary(
            "recipe.loss",
            [Loss::SoftmaxCrossEntropy, Loss::label_smoothing(0.1)],
        )
        .data(&data)
        .fit()?;
    assert_eq!(study.trials().len(), 2);
    Ok(())
}

#[test]
fn a_recipe_with_a_wrong_one_is_refused_before_anything_runs() {
    let wrong = Recipe::new().loss(Loss::Quantile { tau: 1.5 });
    let error = wrong.validate().unwrap_err().to_string();
    assert!(
        error.contains("below 1, found 1.5") && error.contains("recipe"),
        "{error}"
    );
    let data = line(20);
    let net = Mlp::new([1, 1]).build(0).expect("a network");
    let error = net.train(&data, Recipe::new().loss(Loss::label_smoothing(0.1)));
    assert!(
        error
            .err()
            .is_some_and(|e| e.to_string().contains("needs classes"))
    );
}
