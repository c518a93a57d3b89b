//! The declarative form of a study: a base network and recipe as data, and paths into them.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::settings::Settings;
use crate::data::Dataset;
use crate::net::NetSpec;
use crate::net::builder::for_each_builder;
use crate::train::{Budget, Recipe};
use crate::{Error, Result};

/// A network and a recipe in their serde form, the recipe with all its fields.
#[derive(Clone, Debug)]
pub(super) struct Base {
    net: Json,
    recipe: Json,
    /// Examples that the recipe watches, which it is not written down with.
    watched: Option<Dataset>,
    /// What they say, for keys: without what is as by default.
    text: String,
}

impl Base {
    pub(super) fn new(net: &NetSpec, recipe: &Recipe) -> Result<Self> {
        net.validate()?;
        recipe.validate()?;
        if recipe.uses_files() {
            return Err(
                Error::spec("trials would write or resume one and the same checkpoint")
                    .at("the study's base")
                    .fix("leave .checkpoint and .resume out: the study keeps finished trials by itself"),
            );
        }
        let lost = |e: serde_json::Error| Error::spec(e.to_string()).at("the study's base");
        Ok(Self {
            net: serde_json::to_value(net).map_err(lost)?,
            recipe: recipe.whole().map_err(lost)?,
            watched: recipe.validation_examples().cloned(),
            text: format!("{} {}", net.digest(), recipe.digest()),
        })
    }

    /// The same with another length of the recipe.
    pub(super) fn of_length(&self, length: Budget) -> Result<Self> {
        let none = Settings::new(Vec::new());
        let mut recipe = self.recipe(&none)?;
        recipe.length = length;
        Self::new(&self.net(&none)?, &recipe)
    }

    /// How long its recipe trains.
    pub(super) fn length(&self) -> Result<Budget> {
        Ok(self.recipe(&Settings::new(Vec::new()))?.length)
    }

    /// What they say, for keys.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The base network with the settings of `net. ..` put in.
    pub(super) fn net(&self, settings: &Settings) -> Result<NetSpec> {
        let net: NetSpec = put_all(&self.net, "net", settings)?;
        net.validate()
            .map_err(|e| e.at(format!("a trial with {settings}")))?;
        Ok(net)
    }

    /// The base recipe with the settings of `recipe. ..` put in.
    pub(super) fn recipe(&self, settings: &Settings) -> Result<Recipe> {
        let mut recipe: Recipe = put_all(&self.recipe, "recipe", settings)?;
        if let Some(watched) = self.watched.as_ref().filter(|_| recipe.validation.is_some()) {
            recipe = recipe.validation(watched);
        }
        recipe
            .validate()
            .map_err(|e| e.at(format!("a trial with {settings}")))?;
        Ok(recipe)
    }

    /// Whether every setting names a path in the base and fits there.
    ///
    /// # Errors
    /// When a path leads nowhere or a value does not fit.
    pub(super) fn check(&self, settings: &Settings) -> Result<()> {
        for value in settings.values() {
            let name = value.name();
            if name != "net" && !name.starts_with("net.") && !name.starts_with("recipe.") {
                return Err(Error::spec(format!(
                    "expected a path that starts with net. or recipe., found \"{name}\""
                ))
                .fix("name a field, such as \"recipe.batch\"; or say what the name means in .run(|t| ..)"));
            }
            if name == "recipe.seed" {
                return Err(
                    Error::spec("the recipe's seed is the trial's seed").fix("vary it with .seeds(n)")
                );
            }
        }
        self.net(settings)?;
        self.recipe(settings)?;
        Ok(())
    }
}

/// `base` with each setting under `root.` put at its path, read back as `T`.
fn put_all<T: DeserializeOwned>(base: &Json, root: &str, settings: &Settings) -> Result<T> {
    let mut json = base.clone();
    let read = |json: &Json| T::deserialize(json);
    for value in settings.values() {
        let Some(rest) = value.name().strip_prefix(root) else {
            continue;
        };
        let new = value.to_json()?;
        match rest.strip_prefix('.') {
            Some(path) => {
                put(&mut json, path, new).map_err(|e| e.at(format!("vary(\"{}\", ..)", value.name())))?;
            }
            // The whole of it: networks of different depth, say.
            None if rest.is_empty() => json = new,
            None => continue,
        }
        // One by one, so that the error names the setting that does not fit.
        read(&json).map_err(|e| {
            Error::spec(format!("{value} does not fit: {e}")).at(format!("vary(\"{}\", ..)", value.name()))
        })?;
    }
    read(&json).map_err(|e| Error::spec(e.to_string()).at(format!("the study's base {root}")))
}

/// Replaces what is at `path`: names of fields and variants, numbers or `name`s of list entries, with dots
/// between. A field that is as by default may not be written there; whoever reads the whole knows if there is one.
fn put(json: &mut Json, path: &str, new: Json) -> Result<()> {
    let mut here = json;
    let last = path.split('.').count() - 1;
    for (depth, part) in path.split('.').enumerate() {
        let unknown = |known: String| {
            let before: Vec<_> = path.split('.').take(depth).collect();
            let place = if before.is_empty() {
                String::new()
            } else {
                format!(" in {}", before.join("."))
            };
            Error::spec(format!("there is no \"{part}\"{place}")).fix(format!("use one of: {known}"))
        };
        here = match here {
            Json::Object(fields) => {
                if depth == last && fields.contains_key("kind") {
                    fields.entry(part).or_insert(Json::Null);
                }
                let known = fields.keys().cloned().collect::<Vec<_>>().join(", ");
                fields.get_mut(part).ok_or_else(|| unknown(known))?
            }
            Json::Array(entries) => {
                let name = |entry: &Json| entry.get("name").and_then(Json::as_str).map(str::to_owned);
                let known = format!(
                    "0 to {}; {}",
                    entries.len().saturating_sub(1),
                    entries.iter().filter_map(name).collect::<Vec<_>>().join(", ")
                );
                let by_name = entries
                    .iter()
                    .position(|entry| name(entry).as_deref() == Some(part));
                let index = by_name.or_else(|| part.parse().ok());
                index
                    .and_then(|i| entries.get_mut(i))
                    .ok_or_else(|| unknown(known))?
            }
            other => {
                return Err(
                    Error::spec(format!("there is no \"{part}\" in {other}, which has no fields"))
                        .fix("end the path before it"),
                );
            }
        };
    }
    // A whole number written as 16.0 fits where a count was.
    *here = match new.as_f64() {
        Some(x)
            if (here.is_u64() || here.is_i64() || here.is_null()) && x.fract() == 0.0 && x.abs() < 9e15 =>
        {
            (x as i64).into()
        }
        _ => new,
    };
    Ok(())
}

/// So that a study's base can be given as a builder.
macro_rules! bases {
    ($($builder:ty)*) => {$(
        impl TryFrom<$builder> for NetSpec {
            type Error = Error;

            fn try_from(builder: $builder) -> Result<Self> {
                builder.spec()
            }
        }

        impl TryFrom<&$builder> for NetSpec {
            type Error = Error;

            fn try_from(builder: &$builder) -> Result<Self> {
                builder.spec()
            }
        }
    )*};
}
for_each_builder!(bases);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;
    use crate::net::{Init, LayerKind, Mlp};
    use crate::study::value::Value;
    use crate::train::{Budget, RateSchedule, Rule};

    fn base() -> Base {
        let net = Mlp::new([4, 8, 3]).spec().unwrap();
        Base::new(&net, &Recipe::new().epochs(3).sgd(0.1)).unwrap()
    }

    fn units(net: &NetSpec, layer: usize) -> usize {
        match net.layers[layer].kind {
            LayerKind::Dense { units, .. } => units,
            _ => 0,
        }
    }

    #[test]
    fn settings_go_where_their_path_leads() {
        let settings = Settings::from(vec![
            ("net.layers.0.kind.Dense.units", Value::from(16.0)),
            ("net.layers.logits.kind.Dense.init", Init::Normal(0.01).into()),
            ("recipe.batch", 64.into()),
            ("recipe.rule.Sgd.rate", 0.5.into()),
        ]);
        base().check(&settings).unwrap();
        let net = base().net(&settings).unwrap();
        assert_eq!(units(&net, 0), 16);
        assert!(matches!(
            net.layers.last().unwrap().kind,
            LayerKind::Dense {
                init: Init::Normal(0.01),
                ..
            }
        ));
        let recipe = base().recipe(&settings).unwrap();
        assert_eq!((recipe.batch, recipe.rule.rate()), (64, 0.5));
        assert_eq!(recipe.length, base().recipe(&[("x", 1)].into()).unwrap().length);
    }

    #[test]
    fn whole_parts_and_absent_values_are_settings_too() {
        let deeper = Mlp::new([4, 5, 6, 3]).spec().unwrap();
        let settings = Settings::from(vec![
            ("net", Value::from(deeper.clone())),
            ("net.layers.0.kind.Dense.units", 7.into()),
            (
                "recipe.rule",
                Rule::Nesterov {
                    rate: 0.1,
                    momentum: 0.9,
                }
                .into(),
            ),
            ("recipe.length", Budget::Steps(40).into()),
            (
                "recipe.schedule",
                RateSchedule::Stepped {
                    factor: 0.5,
                    every: Budget::Epochs(2),
                }
                .into(),
            ),
            ("recipe.loss", Loss::MeanSquaredError.into()),
            ("recipe.early_stopping", Some(0.2).into()),
            ("recipe.patience", 5.0.into()),
            ("recipe.check_every", None::<usize>.into()),
        ]);
        base().check(&settings).unwrap();
        let net = base().net(&settings).unwrap();
        assert_eq!(net.layers.len(), deeper.layers.len());
        assert_eq!(units(&net, 0), 7);
        let recipe = base().recipe(&settings).unwrap();
        assert_eq!(
            recipe.rule,
            Rule::Nesterov {
                rate: 0.1,
                momentum: 0.9
            }
        );
        assert_eq!(recipe.length, Budget::Steps(40));
        assert_eq!((recipe.loss, recipe.patience), (Loss::MeanSquaredError, Some(5)));
        assert_eq!((recipe.early_stopping, recipe.check_every), (Some(0.2), None));
        assert_eq!(
            Rule::try_from(settings.get("recipe.rule").unwrap()).unwrap(),
            recipe.rule
        );
    }

    #[test]
    fn paths_that_lead_nowhere_are_errors() {
        let wrong = |name: &str, value: Value, said: &[&str]| {
            let error = base().check(&vec![(name, value)].into()).unwrap_err().to_string();
            assert!(said.iter().all(|part| error.contains(part)), "{error}");
        };
        wrong("network", 1.into(), &["recipe.batch"]);
        wrong("recipe.batchsize", 1.into(), &["batchsize", "batch,"]);
        wrong("recipe.rule.Adam.rate", 0.1.into(), &["Adam", "Sgd"]);
        wrong("net.layers.9.frozen", true.into(), &["\"9\"", "logits"]);
        wrong("net.input.x", 1.into(), &["no fields"]);
        wrong("recipe.batch", "many".into(), &["many", "recipe.batch"]);
        wrong("recipe.batch", 0.5.into(), &["0.5", "recipe.batch"]);
        wrong("recipe.batch", 0.into(), &["batch"]);
        wrong("batch", 8.into(), &["recipe.batch"]);
        wrong("recipe.seed", 8.into(), &["seeds"]);
    }
}
