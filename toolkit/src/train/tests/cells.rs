//! Cells as a notebook has them: every prelude at once, names must not collide.

#![allow(unused_imports)]

use crate::prelude::*;
use dfdx::prelude::*;
use plotly::{Layout, Plot};
use polars::prelude::*;

use super::clouds;
use super::loops::undisturbed;

/// The names that cells use without saying whose they are: one that two preludes have does not compile here. (`Sigmoid`
/// and `Tanh` are ours and dfdx's: a cell with both preludes has to say whose it means.)
#[test]
fn the_names_of_a_cell_are_of_one_prelude_each() {
    fn is<T: ?Sized>() {}
    is::<(Dataset, Split, Role, ImageFolder, ImagePreparation)>();
    is::<(
        Mlp,
        Cnn,
        InceptionV3,
        Network,
        NetSpec,
        Activation,
        Init,
        Prepared,
    )>();
    is::<(Recipe, Run, Ending, History)>();
    is::<(Evaluation, ConfusionMatrix)>();
    is::<(
        Study,
        StudyResult,
        Settings,
        Domain,
        Measured,
        Trial,
        Mean,
        Paired,
    )>();
    is::<(Comparison, Comparisons, Against)>();
    is::<(Features<'_>, FeatureSet, Weights)>();
    is::<(Table, Bundle, Progress, Error)>();
    is::<(Layout, Plot, DataFrame, Column, Series)>();
    is::<(Cpu, AutoDevice, Tensor<Rank1<3>, f32, Cpu>)>();
    is::<(Linear<2, 3>, Dropout, BatchNorm1D<3>)>();
    let activations = [Relu, Maxout(2), Elu(1.0), Selu, Silu, Mish, HardTanh, Softsign];
    let inits = [
        HeUniform,
        HeNormal,
        XavierUniform,
        XavierNormal,
        LecunUniform,
        LecunNormal,
        Orthogonal(1.0),
        Sparse(15, 1.0),
    ];
    assert_eq!((activations.len(), inits.len()), (8, 8));
    assert_eq!(datasets::digits().map(|digits| digits.len()).ok(), Some(1797));
}

#[test]
fn a_cell_with_all_preludes_trains_both_kinds_of_model() -> crate::Result<()> {
    let _turn = undisturbed();
    let data = clouds(100, 6, 3, 0.2, 41);
    let few = data.few_shot(10, 0)?;
    let net = Mlp::new([6, 16, 3]).activation(Relu).init(HeUniform).dropout(0.2);
    let run = net.train(
        &few.train,
        Recipe::new().epochs(30).batch(8).sgd(0.05).early_stopping(0.2),
    )?;
    assert!(run.evaluate(&few.test)?.accuracy > 0.95);
    let run = net.fit(&few, Recipe::new().epochs(30).batch(8).adam(0.01))?;
    assert!(run.evaluation.is_some());
    let run = net.train_with(&few.train, Recipe::new().epochs(2), |logits, targets| {
        cross_entropy_with_logits_loss(logits, targets)
    })?;
    let frame: DataFrame = run.history().frame();
    assert_eq!(frame.height(), 2);

    let dev = Cpu::default();
    let model = dev.build_module::<(Linear<6, 32>, ReLU, Linear<32, 3>), f32>();
    let run = model.train(&few.train, Recipe::new().epochs(30).batch(8).adam(0.01))?;
    assert!(run.evaluate(&few.test)?.accuracy > 0.95);
    let deep = dev.build_module::<(Linear<6, 32>, Dropout, (Linear<32, 16>, Tanh), Linear<16, 3>), f32>();
    assert!(deep.train(&few.train, Recipe::new().epochs(1)).is_ok());
    let linear = dev.build_module::<Linear<6, 3>, f32>();
    assert!(linear.train(&few.train, Recipe::new().epochs(1)).is_ok());
    Ok(())
}

/// Cells of dfdx's examples, `use dfdx::prelude::*` and all, beside our prelude. They need no more than to compile, and
/// what they assert to hold.
mod of_dfdx {
    use crate::prelude::*;
    use dfdx::optim::{Adam, Momentum, RMSprop, Sgd, SgdConfig};
    use dfdx::prelude::*;

    #[test]
    fn tensors_and_ops() {
        let dev: AutoDevice = AutoDevice::default();
        let _: Tensor<Rank1<5>, f32, Cpu> = dev.tensor([1.0, 2.0, 3.0, 4.0, 5.0]);
        let _: Tensor<(usize, Const<3>), f32, _> = dev.zeros_like(&(2, Const::<3>));
        let a: Tensor<(usize, usize), f32, _> = dev.ones_like(&(2, 3));
        let _: Tensor<(usize, Const<3>), f32, _> = a.try_realize().expect("3 columns");
        let a: Tensor<Rank3<2, 3, 4>, f32, _> = dev.sample_uniform();
        let data: [[[f32; 4]; 3]; 2] = a.array();
        assert_eq!(a.as_vec().len(), data.len() * 12);
        let a: Tensor<Rank2<2, 3>, f32, _> = dev.sample_normal();
        let e = (a + dev.sample_normal()).relu().tanh().sigmoid() + 0.5;
        assert!(e.mean::<Rank0, _>().array() > 0.5);
        let a: Tensor<Rank2<3, 5>, f32, _> = dev.tensor([1.0f32, 2.0, 3.0, 4.0, 5.0]).broadcast();
        let _ = a.clone().permute::<Rank2<5, 3>, _>();
        let _ = a.clone().select(dev.tensor(0));
        let _ = a.clone().gather(dev.tensor([0, 0, 1]));
        let b: Tensor<Rank2<5, 7>, f32, _> = dev.zeros();
        let c: Tensor<Rank2<3, 7>, f32, _> = a.matmul(b);
        let _: Tensor<Rank1<3>, f32, _> = c.max::<Rank1<3>, _>().ge(0.0).choose(dev.ones(), dev.zeros());
    }

    #[test]
    fn modules_by_type_and_by_value() {
        let dev = AutoDevice::default();
        type Mlp = (Linear<4, 2>, ReLU, Linear<2, 1>, Tanh, Sigmoid);
        let mlp = Mlp::build_on_device(&dev);
        let x: Tensor<Rank1<4>, f32, _> = dev.sample_normal();
        let whole = mlp.forward(x.clone());
        // A value both have is named with its owner: `dfdx::prelude::Tanh`.
        let parts = mlp
            .4
            .forward(mlp.3.forward(mlp.2.forward(ReLU.forward(mlp.0.forward(x)))));
        assert_eq!(whole.array(), parts.array());
        type Headed = SplitInto<(Linear<1, 3>, Linear<1, 5>)>;
        let headed = dev.build_module::<Headed, f32>();
        let (y1, y2): (Tensor<Rank1<3>, f32, _>, Tensor<Rank1<5>, f32, _>) =
            headed.forward(dev.tensor([1.0]));
        assert_eq!((y1.array().len(), y2.array().len()), (3, 5));
        let _ = dev.build_module::<(
            Dropout,
            Residual<Linear<3, 3>>,
            LayerNorm1D<3>,
            Repeated<Linear<3, 3>, 2>,
        ), f32>();
        let _ = dev.build_module::<(Embedding<5, 3>, PReLU1D<Const<3>>, FastGeLU, Softmax), f32>();
    }

    /// Example 07: a module of one's own, generic over shape, number and device.
    struct Own<const IN: usize, const OUT: usize, E: Dtype, D: Device<E>> {
        layer: dfdx::nn::modules::Linear<IN, OUT, E, D>,
        relu: ReLU,
    }

    impl<const IN: usize, const OUT: usize, D: Device<f32>> TensorCollection<f32, D> for Own<IN, OUT, f32, D> {
        type To<E2: Dtype, D2: Device<E2>> = Own<IN, OUT, E2, D2>;

        fn iter_tensors<V: ModuleVisitor<Self, f32, D>>(
            visitor: &mut V,
        ) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
            visitor.visit_fields(Self::module("layer", |s| &s.layer, |s| &mut s.layer), |layer| {
                Own {
                    layer,
                    relu: Default::default(),
                }
            })
        }
    }

    impl<S: Shape, T: Tape<f32, D>, const IN: usize, const OUT: usize, D: Device<f32>>
        Module<Tensor<S, f32, D, T>> for Own<IN, OUT, f32, D>
    where
        dfdx::nn::modules::Linear<IN, OUT, f32, D>: Module<Tensor<S, f32, D, T>, Error = D::Err>,
        ReLU: Module<
                <dfdx::nn::modules::Linear<IN, OUT, f32, D> as Module<Tensor<S, f32, D, T>>>::Output,
                Error = D::Err,
            >,
    {
        type Output = <ReLU as Module<
            <dfdx::nn::modules::Linear<IN, OUT, f32, D> as Module<Tensor<S, f32, D, T>>>::Output,
        >>::Output;
        type Error = D::Err;

        fn try_forward(&self, x: Tensor<S, f32, D, T>) -> Result<Self::Output, D::Err> {
            self.relu.try_forward(self.layer.try_forward(x)?)
        }
    }

    #[test]
    fn a_module_of_ones_own() {
        let dev = AutoDevice::default();
        let own = Own::<4, 2, f32, Cpu> {
            layer: BuildModule::build(&dev),
            relu: ReLU,
        };
        let batch: Tensor<Rank2<3, 4>, f32, _> = dev.sample_normal();
        let _: Tensor<Rank2<3, 2>, f32, _, _> = own.forward(batch.leaky_trace());
        assert_eq!(own.num_trainable_params(), 10);
    }

    #[test]
    fn a_q_network_learns() {
        const BATCH: usize = 16;
        let dev = AutoDevice::seed_from_u64(0);
        let mut q_net = dev.build_module::<((Linear<4, 32>, ReLU), Linear<32, 2>), f32>();
        let mut target_q_net = q_net.clone();
        let mut grads = q_net.alloc_grads();
        let config = SgdConfig {
            lr: 1e-1,
            momentum: Some(Momentum::Nesterov(0.9)),
            weight_decay: None,
        };
        let mut sgd = Sgd::new(&q_net, config);
        let state = dev.sample_normal::<Rank2<BATCH, 4>>();
        let action: Tensor<Rank1<BATCH>, usize, _> = dev.tensor([1; BATCH]);
        let (reward, done) = (dev.sample_normal::<Rank1<BATCH>>(), dev.zeros::<Rank1<BATCH>>());
        let next_state = dev.sample_normal::<Rank2<BATCH, 4>>();
        let mut losses = Vec::new();
        for _ in 0..10 {
            let action_qs = q_net.forward(state.trace(grads)).select(action.clone());
            let max_next_q = target_q_net.forward(next_state.clone()).max::<Rank1<BATCH>, _>();
            let target_q = (max_next_q * (-done.clone() + 1.0)) * 0.99 + reward.clone();
            let loss = huber_loss(action_qs, target_q, 1.0);
            losses.push(loss.array());
            grads = loss.backward();
            sgd.update(&mut q_net, &grads).expect("Unused params");
            q_net.zero_grads(&mut grads);
        }
        target_q_net.clone_from(&q_net);
        assert!(losses[9] < losses[0]);
        let _: Adam<_, f32, Cpu> = Adam::new(&q_net, Default::default());
        let _: RMSprop<_, f32, Cpu> = RMSprop::new(&q_net, Default::default());
    }

    #[test]
    fn losses_of_two_parts() {
        let dev = AutoDevice::default();
        let logits: Tensor<Rank2<4, 2>, f32, _> = dev.sample_normal();
        let old = logits.clone().log_softmax::<Axis<1>>();
        let ratio = (logits.leaky_trace().log_softmax::<Axis<1>>() - old).exp();
        let first = ratio.with_empty_tape() * 2.0;
        let second = ratio.clamp(0.8, 1.2) * 2.0;
        let loss = -(second.minimum(first).mean());
        let gradients: Gradients<f32, Cpu> = loss.backward();
        assert_eq!(gradients.get(&logits).as_vec().len(), 8);
    }

    /// And ours beside them.
    #[test]
    fn names_of_ours() -> Result<()> {
        let data = Dataset::new("plain", 2, vec![0.0, 1.0, 1.0, 0.0])?;
        let net = Mlp::new([2, 4, 2])
            .activation(Activation::Tanh)
            .init(XavierUniform);
        assert_eq!(net.build(0)?.predict(data.features())?.len(), 4);
        let _ = (
            Recipe::new().loss(Loss::MeanSquaredError),
            Activation::Sigmoid,
            Gelu,
            Zeros,
        );
        Ok(())
    }
}
