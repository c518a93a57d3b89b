//! The crate graph that rust-analyzer is given: what a cell can name, and nothing else.
//!
//! evcxr stores a variable under the type that rust-analyzer infers for it, so the graph has to hold every
//! crate whose types reach a cell. It need not hold the four hundred crates that the toolkit is built from:
//! reading them took fifteen seconds of every start.

mod unseen;

use super::cell_crate::CellCrate;
use super::{deps, stand_in};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use unseen::UNSEEN;

/// The target that this program was built for, and builds for.
#[cfg(target_arch = "x86_64")]
pub const HOST: &str = "x86_64-unknown-linux-gnu";
/// The target that this program was built for, and builds for.
#[cfg(not(target_arch = "x86_64"))]
pub const HOST: &str = "aarch64-unknown-linux-gnu";

/// Where the prebuilt toolkit is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToolkitFiles {
    /// The toolkit as one dynamic library, for cells to link against.
    pub dylib: PathBuf,
    /// Folders with the crates that it was built from: rustc reads their metadata when a cell's types lead
    /// there.
    pub deps: Vec<PathBuf>,
    /// Where `libstd` is.
    pub std_dir: PathBuf,
    /// The pruned crate graph.
    pub graph: PathBuf,
    /// What is kept between kernels: built dependencies, answers about the toolchain.
    pub cache: PathBuf,
}

const FILE: &str = "toolkit.json";

impl ToolkitFiles {
    /// Makes the toolkit known to the stand-ins of the kernel with this private directory.
    pub fn announce(&self, private: &Path) -> Result<()> {
        Ok(std::fs::write(private.join(FILE), serde_json::to_vec(self)?)?)
    }

    /// The toolkit of the kernel that started this stand-in.
    pub fn of_session() -> Result<Self> {
        let text = std::fs::read(stand_in::private().join(FILE)).context("the toolkit is not built")?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Where answers and built dependencies are kept.
pub fn cache_dir() -> Option<PathBuf> {
    ToolkitFiles::of_session().ok().map(|files| files.cache)
}

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
        by_id.get(id).is_some_and(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            !UNSEEN.contains(&name) && !is_proc_macro(package)
        })
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

fn library_only(package: &Value) -> Value {
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

/// Answers `cargo metadata` for a cell's crate.
pub fn print(cell: &CellCrate, no_deps: bool) -> Result<i32> {
    let toolkit = ToolkitFiles::of_session()?;
    let kept: Value = if no_deps {
        json!({ "root": null, "packages": [], "nodes": [] })
    } else {
        serde_json::from_slice(&std::fs::read(&toolkit.graph)?)?
    };
    let extra = if no_deps { None } else { deps::metadata(cell)? };
    println!("{}", compose(cell, kept, extra));
    Ok(0)
}

fn compose(cell: &CellCrate, kept: Value, extra: Option<Value>) -> Value {
    let dir = cell.dir.display().to_string();
    let id = format!("path+file://{dir}#ctx@1.0.0");
    let mut packages: Map<String, Value> = Map::new();
    let mut nodes: Map<String, Value> = Map::new();
    let mut own: Vec<Value> = Vec::new();
    let mut names: Vec<Value> = Vec::new();
    if let Some(root) = kept["root"].as_str() {
        own.push(edge("jook", root));
        names.push(requirement("jook"));
    }
    let added = extra
        .as_ref()
        .map(|extra| (&extra["packages"], &extra["resolve"]["nodes"]));
    let added_root = extra.as_ref().map(|extra| extra["workspace_members"][0].clone());
    for (listed, resolved) in [Some((&kept["packages"], &kept["nodes"])), added]
        .into_iter()
        .flatten()
    {
        for package in listed.as_array().into_iter().flatten() {
            if Some(&package["id"]) == added_root.as_ref() {
                continue;
            }
            let id = package["id"].as_str().unwrap_or_default().to_owned();
            packages.entry(id).or_insert_with(|| library_only(package));
        }
        for node in resolved.as_array().into_iter().flatten() {
            if Some(&node["id"]) == added_root.as_ref() {
                own.extend(node["deps"].as_array().cloned().unwrap_or_default());
                continue;
            }
            let id = node["id"].as_str().unwrap_or_default().to_owned();
            match nodes.get_mut(&id) {
                Some(there) => unite(there, node),
                None => drop(nodes.insert(id, node.clone())),
            }
        }
    }
    names.extend(cell.dependencies.iter().map(|(name, _)| requirement(name)));
    let mut package = template();
    package["id"] = json!(id);
    package["dependencies"] = Value::Array(names);
    package["manifest_path"] = json!(format!("{dir}/Cargo.toml"));
    package["targets"][0]["src_path"] = json!(format!("{dir}/src/lib.rs"));
    let dependencies: Vec<Value> = own.iter().map(|dep| dep["pkg"].clone()).collect();
    let mut all_packages: Vec<Value> = packages.into_iter().map(|(_, package)| package).collect();
    all_packages.push(package);
    let mut all_nodes: Vec<Value> = nodes.into_iter().map(|(_, node)| node).collect();
    all_nodes.push(json!({ "id": id, "dependencies": dependencies, "deps": own, "features": [] }));
    json!({
        "packages": all_packages,
        "workspace_members": [id],
        "workspace_default_members": [id],
        "resolve": { "nodes": all_nodes, "root": id },
        "target_directory": format!("{dir}/target"),
        "version": 1,
        "workspace_root": dir,
        "metadata": null,
    })
}

fn edge(name: &str, package: &str) -> Value {
    json!({ "name": name, "pkg": package, "dep_kinds": [{ "kind": null, "target": null }] })
}

fn requirement(name: &str) -> Value {
    json!({ "name": name, "source": null, "req": "*", "kind": null, "rename": null, "optional": false,
            "uses_default_features": true, "features": [], "target": null, "registry": null })
}

fn template() -> Value {
    json!({
        "name": "ctx", "version": "1.0.0", "license": null, "license_file": null, "description": null,
        "source": null, "features": {}, "metadata": null, "publish": null, "authors": [], "categories": [],
        "keywords": [], "readme": null, "repository": null, "homepage": null, "documentation": null,
        "edition": "2024", "links": null, "default_run": null, "rust_version": null,
        "targets": [{ "kind": ["cdylib"], "crate_types": ["cdylib"], "name": "ctx", "edition": "2024",
                      "doc": true, "doctest": false, "test": true, "src_path": "" }],
    })
}

/// One crate that both the toolkit and an added dependency use: with the features of both.
fn unite(there: &mut Value, node: &Value) {
    for (list, key) in [("deps", "pkg"), ("features", ""), ("dependencies", "")] {
        let new: Vec<Value> = node[list].as_array().cloned().unwrap_or_default();
        let Some(old) = there[list].as_array_mut() else {
            continue;
        };
        for item in new {
            let same = |other: &Value| {
                if key.is_empty() {
                    *other == item
                } else {
                    other[key] == item[key]
                }
            };
            if !old.iter().any(same) {
                old.push(item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, kind: &str) -> Value {
        json!({ "name": name, "id": name, "targets": [{ "kind": [kind] }, { "kind": ["test"] }] })
    }

    fn node(name: &str, deps: &[&str]) -> Value {
        let deps: Vec<Value> = deps.iter().map(|dep| edge(dep, dep)).collect();
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
