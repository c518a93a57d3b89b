//! Embeddings in the plane, against scikit-learn and umap-learn: tests/reference/projection.py.

use jook::evaluate::trustworthiness;
use jook::prelude::*;
use jook::seed::{self, rand::Rng as _};

#[derive(serde::Deserialize)]
struct Golden {
    cases: Vec<Case>,
    digits: Vec<Picture>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    width: usize,
    x: Vec<f32>,
    more: Vec<f32>,
    count: usize,
    components: Vec<f64>,
    variance: Vec<f64>,
    share: Vec<f64>,
    places: Vec<f64>,
    more_places: Vec<f64>,
    trustworthiness: Vec<(usize, f64)>,
}

/// How good scikit-learn's and umap-learn's pictures of the digits are.
#[derive(serde::Deserialize)]
struct Picture {
    name: String,
    trustworthiness: Vec<(usize, f64)>,
    knn: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/reference/projection.json")).unwrap()
}

fn near<A: Copy + Into<f64>>(found: &[A], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f64, |most, x| most.max(x.abs()));
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let found: f64 = found.into();
        assert!(
            (found - expected).abs() < 1e-6 * scale,
            "{what}, {i}: {found} for {expected}"
        );
    }
}

#[test]
fn components_are_scikit_learns() {
    for case in golden().cases {
        let x = Dataset::new("x", case.width, case.x).unwrap();
        let more = Dataset::new("more", case.width, case.more).unwrap();
        let pca = Pca::fit(&x, case.count).unwrap();
        let name = |what| format!("{}: {what}", case.name);
        near(pca.components(), &case.components, &name("components"));
        near(pca.explained_variance(), &case.variance, &name("variance"));
        near(pca.explained_share(), &case.share, &name("share"));
        let places = pca.apply(&x).unwrap();
        near(places.features(), &case.places, &name("places"));
        near(
            pca.apply(&more).unwrap().features(),
            &case.more_places,
            &name("other places"),
        );
        let plane: Vec<f32> = places.rows().flat_map(|row| [row[0], row[1]]).collect();
        let plane = Dataset::new("plane", 2, plane).unwrap();
        for (k, expected) in case.trustworthiness {
            near(
                &[trustworthiness(&x, &plane, k).unwrap()],
                &[expected],
                &name("trustworthiness"),
            );
        }
    }
}

#[test]
fn components_without_variance_are_at_right_angles() {
    // Three examples along one line, in four dimensions; and five that are all alike.
    let line = Dataset::new(
        "line",
        4,
        [0.0, 1.0, 2.0]
            .iter()
            .flat_map(|&t| [t, 2.0 * t, 0.0, 1.0])
            .collect(),
    );
    let alike = Dataset::new("alike", 3, [1.0, 2.0, 3.0].repeat(5));
    for (data, count) in [(line.unwrap(), 3), (alike.unwrap(), 3)] {
        let pca = Pca::fit(&data, count).unwrap();
        let rows: Vec<&[f64]> = pca.components().chunks_exact(data.width()).collect();
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                let along: f64 = a.iter().zip(*b).map(|(a, b)| a * b).sum();
                assert!(
                    (along - f64::from(u8::from(i == j))).abs() < 1e-9,
                    "{i} {j}: {along}"
                );
            }
        }
        assert!(
            pca.explained_share()
                .iter()
                .all(|share| (0.0..=1.0 + 1e-9).contains(share))
        );
        assert!(pca.explained_variance()[1] < 1e-9);
        assert!(pca.apply(&data).unwrap().features().iter().all(|x| x.is_finite()));
    }
}

/// Three clouds of 40 in ten dimensions, far apart.
fn clouds() -> Dataset {
    let mut rng = seed::stream(1, "clouds");
    let x = (0..1200)
        .map(|i| rng.random_range(-2.0..2.0) + if i % 10 == i / 400 { 12.0 } else { 0.0 })
        .collect();
    let labels = (0..120).map(|i| i / 40).collect();
    let names = ["a", "b", "c"].map(String::from).to_vec();
    Dataset::new("clouds", 10, x)
        .unwrap()
        .with_labels(labels, names)
        .unwrap()
}

/// The share of examples whose class most of the 5 nearest others in the picture have.
fn by_neighbors(picture: &Dataset) -> f64 {
    let labels = picture.labels().unwrap();
    EmbeddingEvaluation::of(picture.features(), 2, labels)
        .unwrap()
        .knn_accuracy
}

#[test]
fn groups_stay_groups_with_the_same_bits_on_any_number_of_threads() {
    let data = clouds();
    let on = |threads: usize, work: &(dyn Fn() -> Result<Dataset> + Sync)| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(work).unwrap().features().to_vec()
    };
    type Way<'a> = Box<dyn Fn(u64) -> Result<Dataset> + Sync + 'a>;
    let ways: [(&str, Way<'_>); 3] = [
        ("PCA", Box::new(|_| data.pca(2))),
        (
            "t-SNE",
            Box::new(|seed| Tsne::new().perplexity(10.0).epochs(400).seed(seed).run(&data)),
        ),
        (
            "UMAP",
            Box::new(|seed| Umap::new().neighbors(10).epochs(150).seed(seed).run(&data)),
        ),
    ];
    for (name, way) in &ways {
        let picture = way(3).unwrap();
        assert_eq!(picture.labels(), data.labels());
        assert_eq!(by_neighbors(&picture), 1.0, "{name}");
        for threads in [1, 3] {
            assert_eq!(
                on(threads, &|| way(3)),
                picture.features(),
                "{name} on {threads} threads"
            );
        }
        assert_eq!(way(4).unwrap().features() == picture.features(), *name == "PCA");
    }
    let from_components = || Tsne::new().perplexity(10.0).epochs(50).run(&data).unwrap();
    assert_eq!(from_components().features(), from_components().features());
}

#[test]
fn pictures_of_the_digits_are_as_good_as_scikit_learns() {
    let digits = datasets::digits().unwrap();
    let half: Vec<usize> = (0..digits.len()).step_by(2).collect();
    let digits = digits.subset(&half).unwrap();
    let expected = golden().digits;
    let ways = [
        ("pca", digits.pca(2).unwrap()),
        ("t-sne", Tsne::new().epochs(500).run(&digits).unwrap()),
        ("umap", Umap::new().epochs(200).run(&digits).unwrap()),
    ];
    for ((name, picture), expected) in ways.iter().zip(&expected) {
        assert_eq!(*name, expected.name);
        for &(k, least) in &expected.trustworthiness {
            let found = trustworthiness(&digits, picture, k).unwrap();
            println!("{name}, {k}: {found} for {least}");
            assert!(found > least - 0.02, "{name}, {k}: {found} for {least}");
        }
        let found = by_neighbors(picture);
        println!("{name}: {found} for {}", expected.knn);
        assert!(
            found > expected.knn - 0.04,
            "{name}: {found} for {}",
            expected.knn
        );
    }
}

#[test]
fn examples_in_one_place_and_without_variance_have_pictures() {
    let mut x = [0.0, 0.0, 5.0, 5.0].repeat(8);
    x.extend([3e18, 1.0].repeat(4));
    let twice = Dataset::new("twice", 2, x).unwrap();
    let alike = Dataset::new("alike", 1, vec![2.0; 20]).unwrap();
    for data in [&twice, &alike] {
        let ways = [
            Tsne::new().perplexity(3.0).epochs(300).run(data),
            Umap::new().neighbors(4).epochs(50).run(data),
        ];
        for picture in ways {
            assert_eq!(picture.unwrap().len(), data.len());
        }
    }
}

#[test]
fn what_has_no_picture_is_refused() {
    let data = clouds();
    let few = data.subset(&[0, 1, 50, 51]).unwrap();
    let refused = |found: Result<Dataset>, word: &str| {
        let error = found.unwrap_err().to_string();
        assert!(error.contains(word), "{word:?} is not in: {error}");
    };
    refused(data.pca(0), "at least 1");
    refused(data.pca(11), "1 to 10 components");
    refused(few.pca(5), "1 to 4 components");
    refused(data.subset(&[0]).unwrap().pca(1), "two examples");
    refused(
        Pca::fit(&data, 2).unwrap().apply(&data.pca(2).unwrap()),
        "10 features",
    );
    refused(Tsne::new().run(&few), "7 examples");
    refused(Tsne::new().perplexity(40.0).run(&data), "take .perplexity(12.0)");
    refused(Tsne::new().perplexity(f64::NAN).run(&data), "2 to 39");
    refused(Tsne::new().epochs(0).run(&data), "1 epoch");
    refused(Tsne::new().exaggeration(f64::INFINITY).run(&data), "1 or more");
    refused(Umap::new().neighbors(121).run(&data), "2 to 120 neighbours");
    refused(Umap::new().least_distance(1.0).run(&data), "below 1");
    refused(Umap::new().run(&few.subset(&[0, 1]).unwrap()), "3 examples");
    let error = trustworthiness(&data, &few, 1).unwrap_err().to_string();
    assert!(error.contains("120 examples"), "{error}");
    let error = trustworthiness(&data, &data, 60).unwrap_err().to_string();
    assert!(error.contains("fewer neighbours"), "{error}");
    let error = View::new("ten").training(&data).unwrap_err().to_string();
    assert!(error.contains("data.pca(2)?"), "{error}");
}

#[test]
fn settings_read_back_as_they_were_written() {
    let (tsne, umap) = (
        Tsne::new().perplexity(12.5).seed(3),
        Umap::new().epochs(40).seed(9),
    );
    let text = serde_json::to_string(&tsne).unwrap();
    assert_eq!(serde_json::from_str::<Tsne>(&text).unwrap(), tsne);
    let text = serde_json::to_string(&umap).unwrap();
    assert_eq!(serde_json::from_str::<Umap>(&text).unwrap(), umap);
    assert_eq!(
        tsne.to_string(),
        "t-SNE, perplexity 12.5, 1000 epochs, exaggeration 12, from places of seed 3"
    );
    assert_eq!(
        umap.to_string(),
        "UMAP, 15 neighbours, least distance 0.1, 40 epochs, seed 9"
    );
}

fn traces(plot: &plotly::Plot) -> (Vec<serde_json::Value>, serde_json::Value) {
    let figure: serde_json::Value = serde_json::from_str(&plot.to_json()).unwrap();
    (
        figure["data"].as_array().unwrap().clone(),
        figure["layout"].clone(),
    )
}

#[test]
fn a_view_has_both_parts_of_each_class_and_one_scale() {
    let data = datasets::iris()
        .unwrap()
        .split(0.3, 0)
        .unwrap()
        .standardized()
        .unwrap();
    let net = Mlp::new([4, 16, 2, 3]).build(0).unwrap();
    let view = net.view("dense2", &data).unwrap();
    let (drawn, layout) = traces(&view.chart());
    assert_eq!(
        (drawn.len(), layout["yaxis"]["scaleanchor"].as_str()),
        (7, Some("x"))
    );
    let first = net.features("dense2", &data.train).unwrap();
    let of_class = data.train.rows_of(0);
    assert_eq!(
        drawn[0]["x"][1].as_f64().unwrap() as f32,
        first.row(of_class[1])[0]
    );
    let words = drawn[0]["text"][1].as_str().unwrap();
    assert_eq!(words, format!("training {}, class setosa", of_class[1]));
    assert_eq!(
        (&drawn[0]["marker"]["symbol"], &drawn[1]["marker"]["symbol"]),
        (&"circle".into(), &"circle-open".into())
    );
    assert_eq!(
        (&drawn[0]["showlegend"], &drawn[1]["showlegend"]),
        (&true.into(), &false.into())
    );
    let mean: f64 = of_class
        .iter()
        .map(|&row| f64::from(first.row(row)[0]))
        .sum::<f64>()
        / of_class.len() as f64;
    assert!((drawn[6]["x"][0].as_f64().unwrap() - mean).abs() < 1e-9);
    // Of a wider layer the principal components of the training part.
    let wide = net.view("dense1", &data).unwrap();
    let (_, layout) = traces(&wide.chart());
    let title = layout["xaxis"]["title"]["text"].as_str().unwrap();
    assert!(title.starts_with("component 1, "), "{title}");
    let (drawn, layout) = traces(&View::beside(&[view.clone(), wide.clone()]).unwrap());
    assert_eq!((drawn.len(), &drawn[7]["xaxis"]), (14, &"x2".into()));
    assert_eq!(layout["yaxis2"]["scaleanchor"], "x2");
    assert!(
        View::beside(&[]).is_err()
            && View::beside(&[view.clone(), view.clone(), view.clone(), view]).is_err()
    );
    let other = datasets::wine().unwrap().pca(2).unwrap();
    let error = wide.test(&other).unwrap_err().to_string();
    assert!(error.contains("one split"), "{error}");
    assert!(net.view("logits", &data).is_ok());
    let narrow = Mlp::new([4, 1, 3])
        .build(0)
        .unwrap()
        .view("dense1", &data)
        .unwrap_err();
    assert!(narrow.to_string().contains("layer dense1"), "{narrow}");
    let _ = net.view("dense1", &data).unwrap().bundle();
}
