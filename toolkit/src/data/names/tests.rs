use crate::data::{Dataset, Shape, Split, Standardizer};
use crate::evaluate::Evaluation;
use crate::net::{Mlp, Network};
use crate::show::Show;
use crate::study::Study;
use crate::testing::Scratch;
use crate::train::{Recipe, Run};

/// Examples that a line tells apart: the class is the sign of x.
const TRAIN: &str =
    "x,y,kind\n-2,0,zebra\n-1,1,zebra\n-1.5,0,zebra\n1,0,ant\n2,1,ant\n1.5,0,ant\n3,0,bee\n3.5,1,bee\n";

struct Files(Scratch);

impl Files {
    fn new() -> Self {
        Self(Scratch::new())
    }

    fn csv(&self, name: &str, text: &str) -> Dataset {
        Dataset::from_csv(self.0.file(name, text), "kind").unwrap()
    }

    fn trained(&self) -> (Dataset, Run) {
        let train = self.csv("train.csv", TRAIN);
        let run = Mlp::new([2, 16, 3]).train(&train, recipe()).unwrap();
        assert_eq!(run.evaluate(&train).unwrap().accuracy, 1.0);
        (train, run)
    }
}

fn recipe() -> Recipe {
    Recipe::new().epochs(300).batch(8).adam(0.02)
}

fn same(a: &Evaluation, b: &Evaluation) -> bool {
    (a.accuracy, a.log_loss, &a.confusion) == (b.accuracy, b.log_loss, &b.confusion)
}

#[test]
fn a_test_set_without_a_class_is_matched_by_name() {
    let files = Files::new();
    let (train, run) = files.trained();
    // Alone it would count zebra as 0 and bee as nothing.
    let test = files.csv("test.csv", "x,y,kind\n-1.8,0,zebra\n-1.2,1,zebra\n3.2,0,bee\n");
    assert_eq!(test.class_names(), ["bee", "zebra"]);
    let found = run.evaluate(&test).unwrap();
    assert_eq!((found.accuracy, found.n), (1.0, 3));
    assert_eq!(found.confusion.classes(), train.class_names());
    assert_eq!(run.class_names(), ["ant", "bee", "zebra"]);

    let split = Split {
        train,
        validation: None,
        test,
    };
    let fitted = Mlp::new([2, 16, 3]).fit(&split, recipe()).unwrap();
    assert!(same(fitted.evaluation.as_ref().unwrap(), &found));
    let joined = Split::new(split.train.clone(), split.test.clone()).unwrap();
    assert_eq!(joined.test.labels(), Some(&[2, 2, 1][..]));
    let text = split.bundle().plain().to_owned();
    for part in ["ant        3     0", "bee        2     1", "zebra      3     2"] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
    let study = Study::new("s").in_memory().quiet().data(&split);
    let result = study.base(Mlp::new([2, 16, 3]), recipe()).fit().unwrap();
    let chosen = result.chosen().unwrap();
    assert_eq!(chosen.on_test().unwrap().mean, 1.0);
}

#[test]
fn classes_and_features_in_another_order_are_matched_by_name() {
    let files = Files::new();
    let (train, run) = files.trained();
    let whole = run.evaluate(&train).unwrap();
    let reversed: Vec<String> = train.class_names().iter().rev().cloned().collect();
    let other = train.with_classes_of(&reversed).unwrap();
    assert_ne!(other.labels(), train.labels());
    assert!(same(&run.evaluate(&other).unwrap(), &whole));

    let moved = files.csv(
        "moved.csv",
        "y,kind,x\n0,zebra,-2\n1,zebra,-1\n0,bee,3\n1,ant,2\n",
    );
    assert_eq!(run.evaluate(&moved).unwrap().accuracy, 1.0);
    let standardizer = Standardizer::fit(&train).unwrap();
    let standardized = standardizer.apply(&moved).unwrap();
    assert_eq!(standardized.feature_names(), ["x", "y"]);
    let by_hand = standardizer.apply(&train.subset(&[0, 1, 6, 4]).unwrap()).unwrap();
    assert_eq!(standardized.features(), by_hand.features());
    let kept: Standardizer = serde_json::from_str(&serde_json::to_string(&standardizer).unwrap()).unwrap();
    assert_eq!(kept, standardizer);
}

#[test]
fn classes_and_features_that_are_not_known_are_named() {
    let files = Files::new();
    let (train, run) = files.trained();
    let strange = files.csv("strange.csv", "x,y,kind\n-2,0,zebra\n1,0,wasp\n2,0,yak\n");
    let split = Split {
        validation: None,
        train: train.clone(),
        test: strange.clone(),
    };
    let errors = [
        run.evaluate(&strange).unwrap_err(),
        Split::new(train.clone(), strange).unwrap_err(),
        Mlp::new([2, 16, 3]).fit(&split, recipe()).unwrap_err(),
        Study::new("s").in_memory().data(&split).fit().unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        for word in [
            "ant, bee, zebra",
            "found wasp, yak",
            "dataset strange, row 2",
            "of_classes",
        ] {
            assert!(text.contains(word), "no {word:?} in: {text}");
        }
    }
    // A name without examples does no harm.
    let unused = files.csv("unused.csv", "x,y,kind\n-2,0,zebra\n1,0,wasp\n");
    assert_eq!(run.evaluate(&unused.subset(&[0]).unwrap()).unwrap().n, 1);

    let columns = files.csv("columns.csv", "x,height,kind\n-2,0,zebra\n");
    let standardizer = Standardizer::fit(&train).unwrap();
    for error in [
        run.evaluate(&columns).unwrap_err(),
        standardizer.apply(&columns).unwrap_err(),
    ] {
        let text = error.to_string();
        for word in [
            "features x, y",
            "lacking: y",
            "unknown: height",
            "dataset columns",
        ] {
            assert!(text.contains(word), "no {word:?} in: {text}");
        }
    }
    // Without names, their order is all there is.
    let bare = Dataset::new("bare", train.shape(), train.features().to_vec()).unwrap();
    assert!(standardizer.apply(&bare).is_ok());
}

#[test]
fn a_resumed_run_keeps_its_classes() {
    let files = Files::new();
    let train = files.csv("train.csv", TRAIN);
    let path = files.0.path().join("run.safetensors");
    let run = Mlp::new([2, 16, 3]).train(&train, recipe()).unwrap();
    run.save(&path).unwrap();
    let test = files.csv("test.csv", "x,y,kind\n-1.8,0,zebra\n3.2,0,bee\n");
    let resumed = Run::resume(&path, &train).unwrap();
    assert_eq!(resumed.evaluate(&test).unwrap().accuracy, 1.0);
    // A network alone does not know the names, its file does.
    let classes = Network::load_classes(&path).unwrap();
    let placed = test.with_classes_of(&classes).unwrap();
    let logits = Network::load(&path).unwrap().predict(placed.features()).unwrap();
    let found = Evaluation::of(&logits, placed.labels().unwrap(), &classes).unwrap();
    assert_eq!(found.accuracy, 1.0);
    // The same numbers under other names are other data.
    let renamed = train
        .clone()
        .with_labels(
            train.labels().unwrap().to_vec(),
            ["a", "b", "c"].map(str::to_owned).into(),
        )
        .unwrap();
    let error = Run::resume(&path, &renamed).err().unwrap().to_string();
    for word in ["the classes", "ant, bee, zebra", "a, b, c"] {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}

#[test]
fn values_and_shares_are_matched_by_name() {
    let base = Dataset::new("d", Shape::Flat(1), vec![0.0, 1.0]).unwrap();
    let values = |values: Vec<f32>, names: [&str; 2]| base.clone().with_values(values, names).unwrap();
    let known = values(vec![1.0, 10.0, 2.0, 20.0], ["size", "price"]);
    let turned = values(vec![10.0, 1.0, 20.0, 2.0], ["price", "size"]);
    let matched = turned.matched_to(&known.names()).unwrap();
    assert_eq!(
        (matched.values(), matched.value_names()),
        (known.values(), known.value_names())
    );
    assert_eq!(
        known.join(&turned).unwrap().values().unwrap()[4..],
        [1.0, 10.0, 2.0, 20.0]
    );
    let error = values(vec![0.0; 4], ["prize", "size"])
        .matched_to(&known.names())
        .unwrap_err()
        .to_string();
    for word in [
        "expected the values size, price",
        "lacking: price",
        "unknown: prize",
        "with_values",
    ] {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
    assert!(Split::new(known.clone(), turned).unwrap().test.values() == known.values());

    let shares = |shares: Vec<f32>, names: &[&str]| {
        let names = names.iter().map(ToString::to_string).collect();
        base.clone().with_shares(shares, names).unwrap()
    };
    let known = shares(vec![0.75, 0.25, 0.0, 0.0, 0.5, 0.5], &["a", "b", "c"]);
    let turned = shares(vec![0.25, 0.75, 0.0, 0.5, 0.0, 0.5], &["b", "a", "c"]);
    let matched = turned.matched_to(&known.names()).unwrap();
    assert_eq!(
        (matched.targets(), matched.class_names()),
        (known.targets(), known.class_names())
    );
    // A class that nothing has a share of need not be known, and one may be missing.
    let fewer = shares(vec![0.25, 0.75, 0.0, 1.0, 0.0, 0.0], &["b", "a", "z"]);
    let matched = fewer.matched_to(&known.names()).unwrap();
    assert_eq!(
        matched.targets(),
        shares(vec![0.75, 0.25, 0.0, 0.0, 1.0, 0.0], &["a", "b", "c"]).targets()
    );
    let error = shares(vec![0.5, 0.5, 1.0, 0.0], &["a", "z"])
        .matched_to(&known.names())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("found one of z") && error.contains("row 1"),
        "{error}"
    );
    assert_eq!(known.join(&turned).unwrap().len(), 4);
}
