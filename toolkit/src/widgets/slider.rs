//! A number between two others.

use std::sync::Arc;

use serde_json::{Value, json};

use super::interact::Control;
use super::model::{Fields, Kind, Model, wrong};
use crate::show::{Bundle, Show, readable_number};
use crate::{Error, Result};

/// A slider for a whole number.
pub type IntSlider = Slider<i64>;
/// A slider for a number.
pub type FloatSlider = Slider<f64>;

/// A slider: [`IntSlider`] or [`FloatSlider`]. Clones are the same slider.
#[derive(Clone)]
pub struct Slider<N> {
    pub(super) model: Arc<Model>,
    number: std::marker::PhantomData<N>,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for i64 {}
    impl Sealed for f64 {}
}

/// The numbers that a slider can have: whole ones (`i64`) or any (`f64`). A slider's own type, rather than
/// [`Number`](crate::Number), so that half a step of a whole number does not compile.
pub trait SliderNumber: sealed::Sealed + Copy + Into<Value> + Send + 'static {
    #[doc(hidden)]
    const NAME: &'static str;
    #[doc(hidden)]
    const ZERO: Self;
    #[doc(hidden)]
    fn of(value: &Value) -> Option<Self>;
    #[doc(hidden)]
    fn within(self, low: Self, high: Self) -> Self;
    #[doc(hidden)]
    fn readable(self) -> String;
    /// The step of a new slider.
    #[doc(hidden)]
    fn step(low: Self, high: Self) -> Self;
    /// How the front end writes the value, in the notation of D3.
    #[doc(hidden)]
    fn format(step: Self) -> String;
}

impl SliderNumber for i64 {
    const NAME: &'static str = "IntSlider";
    const ZERO: Self = 0;

    fn of(value: &Value) -> Option<Self> {
        value
            .as_i64()
            .or_else(|| Some(value.as_f64().filter(|x| x.is_finite())?.round() as i64))
    }

    fn within(self, low: Self, high: Self) -> Self {
        self.min(high).max(low)
    }

    fn readable(self) -> String {
        self.to_string()
    }

    fn step(_: Self, _: Self) -> Self {
        1
    }

    fn format(_: Self) -> String {
        "d".into()
    }
}

impl SliderNumber for f64 {
    const NAME: &'static str = "FloatSlider";
    const ZERO: Self = 0.0;

    fn of(value: &Value) -> Option<Self> {
        value.as_f64()
    }

    fn within(self, low: Self, high: Self) -> Self {
        self.min(high).max(low)
    }

    fn readable(self) -> String {
        readable_number(self)
    }

    /// A hundredth of the way; a front end that drags moves by it.
    fn step(low: Self, high: Self) -> Self {
        (high - low) / 100.0
    }

    /// As many decimals as a step needs, and two at least.
    fn format(step: Self) -> String {
        let decimals = if step > 0.0 { -step.log10().floor() } else { 2.0 };
        format!(".{}f", decimals.clamp(2.0, 9.0))
    }
}

impl<N: SliderNumber> Slider<N> {
    /// A slider from `low` to `high` that stands at `value`, or at the end that is nearer to it.
    pub fn new(label: impl Into<String>, low: impl Into<N>, high: impl Into<N>, value: impl Into<N>) -> Self {
        let (low, high) = (low.into(), high.into());
        let step = N::step(low, high);
        let kind = Kind {
            name: N::NAME,
            style: "SliderStyle",
            field: "value",
            accept: |fields, asked| {
                Some(
                    N::of(asked)?
                        .within(end::<N>(fields, "min")?, end(fields, "max")?)
                        .into(),
                )
            },
            check: check::<N>,
        };
        let fields = json!({
            "description": label.into(), "min": low.into(), "max": high.into(),
            "value": value.into().within(low, high).into(), "step": step.into(), "disabled": false,
            "orientation": "horizontal", "readout": true, "readout_format": N::format(step),
            "continuous_update": true, "behavior": "drag-tap",
        });
        Self {
            model: Model::new(kind, fields),
            number: std::marker::PhantomData,
        }
    }

    /// Sets by how much it moves.
    pub fn step(self, step: impl Into<N>) -> Self {
        let step = step.into();
        self.model.set("step", step.into());
        self.model.set("readout_format", N::format(step).into());
        self
    }

    /// Reports a value only when the person lets go of it: for what takes long.
    pub fn when_released(self) -> Self {
        self.model.set("continuous_update", false.into());
        self
    }

    /// Where it stands.
    pub fn value(&self) -> N {
        let (value, low) = (self.model.get("value"), self.model.get("min"));
        N::of(&value).or_else(|| N::of(&low)).unwrap_or(N::ZERO)
    }

    /// Moves it. Handlers hear of what the person does, not of this.
    pub fn set_value(&self, value: impl Into<N>) {
        self.model.set("value", value.into().into());
    }

    /// Calls `handler` with each value that the person moves it to, beside the handlers it has.
    pub fn on_change(&self, mut handler: impl FnMut(N) + Send + 'static) {
        self.model.on_act(move |model| {
            if let Some(value) = N::of(&model.get("value")) {
                handler(value);
            }
        });
    }
}

fn end<N: SliderNumber>(fields: &Fields, name: &str) -> Option<N> {
    N::of(fields.get(name)?)
}

fn check<N: SliderNumber>(fields: &Fields) -> Result<()> {
    let number = |name: &str| end::<N>(fields, name).and_then(|number| number.into().as_f64());
    let fails = |what: &str, remedy: &str| Err(wrong(fields, what, remedy));
    match (number("min"), number("max"), number("step")) {
        (Some(low), Some(high), _) if low >= high => fails(
            "a slider ends where it begins, or before",
            "give the lower end first: new(label, low, high, value)",
        ),
        (Some(_), Some(_), Some(step)) if step > 0.0 => Ok(()),
        (Some(_), Some(_), _) => fails("a slider's step must be above 0", "give .step(…) such a number"),
        _ => fails("a slider's ends must be finite numbers", "give it two of them"),
    }
}

impl<N: SliderNumber> Show for Slider<N> {
    fn bundle(&self) -> Bundle {
        let [label, low, high] = ["description", "min", "max"].map(|field| self.model.get(field));
        let readable = |value: &Value| N::of(value).map_or("?".to_owned(), N::readable);
        self.model.view(format!(
            "{}: {} (slider {} to {})",
            label.as_str().unwrap_or_default(),
            self.value().readable(),
            readable(&low),
            readable(&high)
        ))
    }
}

impl<N: SliderNumber> std::fmt::Debug for Slider<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}({}: {})",
            N::NAME,
            self.model.get("description"),
            self.value().readable()
        )
    }
}

impl<N: SliderNumber> Control for Slider<N> {
    type Value = N;

    fn value(&self) -> N {
        self.value()
    }

    fn check(&self) -> Result<(), Error> {
        self.model.check()
    }

    fn watch(&self, changed: Arc<dyn Fn() + Send + Sync>) {
        self.model.on_act(move |_| changed());
    }

    fn display(&self) {
        crate::show::show(self);
    }
}
