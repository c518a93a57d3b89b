//! Answers `cargo metadata` for a cell's crate: the toolkit's pruned graph, and what the notebook has added.

use crate::session::build::deps;
use crate::session::build::graph::library_only;
use crate::session::build::manifest::CellCrate;
use crate::session::build::private;
use anyhow::Result;
use serde_json::{Map, Value, json};

/// Answers `cargo metadata` for a cell's crate.
pub fn print(cell: &CellCrate, no_deps: bool) -> Result<i32> {
    let toolkit = private::ToolkitFiles::of_session()?;
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
