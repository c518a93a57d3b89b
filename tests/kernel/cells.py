"""Cells that several tests run."""

# A training and a study that would take hours, with a variable made before them.
TRAINING = """
let before = 41;
let digits = datasets::digits()?;
println!("started");
let run = Mlp::new([64, 32, 10]).train(&digits, Recipe::new().epochs(1_000_000).batch(32).sgd(0.01))?;
"""
STUDY = """
let before = 41;
let digits = datasets::digits()?;
let study = Study::new("stopped")
    .vary("hidden", [8, 16])
    .seeds(2_000)
    .in_memory()
    .on_finished(|_| println!("started"))
    .run(move |t| {
        let few = digits.few_shot(10, t.seed())?;
        let net = Mlp::new([64, 8, 10]).hidden(t["hidden"]);
        net.fit(&few, Recipe::new().epochs(500).batch(32).sgd(0.05).seed(t.seed()))
    })?;
"""
