//! Inception's second head, which sends a gradient into the middle of the network (Szegedy et al. 2016).

use jook::prelude::*;

/// A small network with a head half-way, as Inception's.
fn two_heads() -> Result<Network> {
    let mut spec = Cnn::new((8, 8, 1), 3).spec()?;
    let half = spec
        .layers
        .iter()
        .position(|layer| layer.kind == jook::net::LayerKind::Flatten);
    let half = half.expect("a flatten layer");
    let from = spec.layers[half - 1].name.clone();
    let last = spec.layers.last().cloned().expect("a last layer");
    let layer = |name: &str, kind, from: &str| jook::net::Layer {
        name: name.into(),
        kind,
        from: vec![from.into()],
        frozen: false,
    };
    spec.layers.insert(half, layer("aux", last.kind, "aux_pool"));
    spec.layers.insert(
        half,
        layer("aux_pool", jook::net::LayerKind::GlobalAvgPool, &from),
    );
    spec.layers[half + 2].from = vec![from];
    Network::new(&spec, 0)
}

fn squares(n: usize) -> Result<Dataset> {
    let noise = datasets::two_moons(32 * n, 0.1, 1)?;
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 3).collect();
    let pixels = noise.features().iter().enumerate();
    let features = pixels
        .map(|(i, x)| 0.2 * x + (labels[i / 64] as usize * 2 == i % 64 / 8) as u8 as f32)
        .collect();
    let names = ["top", "middle", "low"].map(String::from).to_vec();
    Dataset::new("squares", (8, 8, 1), features)?.with_labels(labels, names)
}

#[test]
fn a_head_half_way_learns_too() -> Result<()> {
    let (net, data) = (two_heads()?, squares(60)?);
    let both = || {
        let loss = Loss::SoftmaxCrossEntropy;
        Sum::of(1.0, loss.clone().at("logits")).plus(0.4, loss.at("aux"))
    };
    let recipe = Recipe::new().epochs(20).batch(10).adam(0.01);
    let run = net.training().objective(both()).run(&data, &recipe)?;
    let accuracy = |layer: &str| -> Result<f64> {
        let mut prepared = run.network().prepare(&[layer])?;
        let outputs = prepared.run(data.features())?[0].to_vec();
        Ok(Evaluation::of(&outputs, data.require_labels()?, data.class_names())?.accuracy)
    };
    assert!(
        accuracy("logits")? > 0.95 && accuracy("aux")? > 0.9,
        "{} {}",
        accuracy("logits")?,
        accuracy("aux")?
    );
    // Without a loss of its own it stays as it began.
    let alone = net.train(&data, &recipe)?;
    assert_eq!(alone.network().tensor("aux.weight"), net.tensor("aux.weight"));
    Ok(())
}

#[test]
fn inceptions_head_has_gradients() -> Result<()> {
    let net = InceptionV3::new().classes(3).aux(true).build(0)?;
    let image: Vec<f32> = (0..net.inputs())
        .map(|i| ((i % 97) as f32 / 97.0) - 0.5)
        .collect();
    let mut stepper = Stepper::tapped(&net, Recipe::new().batch(2), &["fc", "AuxLogits-fc"])?;
    let two = [image.clone(), image.iter().map(|x| -x).collect()].concat();
    stepper.forward(&two)?;
    stepper.backward_at(&[(0, &[0.0; 6]), (1, &[0.3, -0.3, 0.1, 0.2, -0.1, -0.2])], false)?;
    let gradients = stepper.gradients().to_vec();
    let size = |name: &str| {
        let tensor = net
            .tensors()
            .iter()
            .find(|tensor| tensor.name == name)
            .expect(name);
        gradients[tensor.range.clone()]
            .iter()
            .fold(0.0f32, |most, g| most.max(g.abs()))
    };
    assert!(size("AuxLogits-fc.weight") > 0.0 && size("Conv2d_1a_3x3-conv.weight") > 0.0);
    // Nothing flows into what lies behind the place where the head leaves.
    assert_eq!(size("fc.weight"), 0.0);
    Ok(())
}
