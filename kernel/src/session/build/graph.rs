//! The crate graph that rust-analyzer is given: what a cell can name, and nothing else.
//!
//! evcxr stores a variable under the type that rust-analyzer infers for it, so the graph has to hold every
//! crate whose types reach a cell. It need not hold the four hundred crates that the toolkit is built from:
//! reading them took fifteen seconds of every start.

mod unseen;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use unseen::UNSEEN;

/// Cuts cargo's metadata of the workspace down to the toolkit and what its types lead to.
pub fn prune(metadata: &Value) -> Result<Value> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata without packages")?;
    let by_id: BTreeMap<&str, &Value> = packages
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .context("cargo metadata without a resolved graph")?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let visible = |id: &str| {
        by_id
            .get(id)
            .is_some_and(|package| !is_unseen(package) && !is_proc_macro(package))
    };
    let root = packages
        .iter()
        .find(|package| package["name"] == "jook")
        .and_then(|package| package["id"].as_str())
        .context("the toolkit is not in its own workspace")?;
    let mut kept = BTreeSet::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if !kept.insert(id) {
            continue;
        }
        let deps = nodes.get(id).and_then(|node| node["deps"].as_array());
        for dep in deps.into_iter().flatten().filter(|dep| is_normal(dep)) {
            if let Some(target) = dep["pkg"].as_str()
                && visible(target)
            {
                open.push(target);
            }
        }
    }
    let packages: Vec<Value> = kept
        .iter()
        .filter_map(|id| by_id.get(id))
        .map(|package| library_only(package))
        .collect();
    let nodes: Vec<Value> = kept
        .iter()
        .filter_map(|id| nodes.get(id))
        .map(|node| {
            let mut node = (*node).clone();
            if let Some(deps) = node["deps"].as_array_mut() {
                deps.retain(|dep| is_normal(dep) && dep["pkg"].as_str().is_some_and(|id| kept.contains(id)));
            }
            node["dependencies"] = Value::Array(
                node["deps"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|dep| dep["pkg"].clone())
                    .collect(),
            );
            node
        })
        .collect();
    Ok(json!({ "root": root, "packages": packages, "nodes": nodes }))
}

/// Whether a package is listed in [`UNSEEN`], in any version or in its own.
fn is_unseen(package: &Value) -> bool {
    let name = package["name"].as_str().unwrap_or_default();
    let version = package["version"].as_str().unwrap_or_default();
    UNSEEN.iter().any(|unseen| match unseen.split_once('@') {
        Some((unseen, of)) => {
            unseen == name && version.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'))
        }
        None => *unseen == name,
    })
}

fn is_normal(dep: &Value) -> bool {
    dep["dep_kinds"]
        .as_array()
        .is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

fn has_kind(target: &Value, wanted: &[&str]) -> bool {
    target["kind"]
        .as_array()
        .is_some_and(|kinds| kinds.iter().any(|kind| wanted.iter().any(|w| kind == w)))
}

fn is_proc_macro(package: &Value) -> bool {
    package["targets"]
        .as_array()
        .is_some_and(|targets| targets.iter().any(|target| has_kind(target, &["proc-macro"])))
}

pub fn library_only(package: &Value) -> Value {
    let mut package = package.clone();
    if let Some(targets) = package["targets"].as_array_mut() {
        targets.retain(|target| has_kind(target, &["lib", "rlib", "dylib", "proc-macro"]));
    }
    for long in ["dependencies", "authors", "categories", "keywords"] {
        package[long] = json!([]);
    }
    package["metadata"] = Value::Null;
    package
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, kind: &str) -> Value {
        json!({ "name": name, "id": name, "targets": [{ "kind": [kind] }, { "kind": ["test"] }] })
    }

    fn node(name: &str, deps: &[&str]) -> Value {
        let deps: Vec<Value> = deps
            .iter()
            .map(|dep| json!({ "name": dep, "pkg": dep, "dep_kinds": [{ "kind": null }] }))
            .collect();
        json!({ "id": name, "deps": deps, "features": [] })
    }

    #[test]
    fn the_graph_keeps_what_a_cell_can_name() {
        let metadata = json!({
            "packages": [package("jook", "lib"), package("polars", "lib"), package("tokio", "lib"),
                         package("serde_derive", "proc-macro"), package("only-of-tokio", "lib")],
            "resolve": { "nodes": [node("jook", &["polars", "serde_derive"]), node("polars", &["tokio"]),
                                   node("tokio", &["only-of-tokio"]), node("serde_derive", &[]),
                                   node("only-of-tokio", &[])] },
        });
        let pruned = prune(&metadata).unwrap();
        let names: Vec<&str> = pruned["packages"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|p| p["name"].as_str())
            .collect();
        assert_eq!(names, ["jook", "polars"]);
        assert_eq!(pruned["nodes"][1]["deps"], json!([]));
        assert_eq!(pruned["packages"][0]["targets"].as_array().unwrap().len(), 1);
    }
}
