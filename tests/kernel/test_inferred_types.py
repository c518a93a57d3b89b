"""Lines of everyday programs whose variables are kept with the type that the compiler finds, without one being written."""

import pytest

from client import ok

CELLS = [
    'use std::collections::*; let mut counts: HashMap<String, usize> = HashMap::new();\n'
    'for w in "a b a".split(" ") { *counts.entry(w.to_string()).or_insert(0) += 1; }',
    "let found = counts.get(\"a\").cloned(); let or = counts.get(\"z\").copied().unwrap_or_default();",
    "let mut sorted: Vec<_> = counts.iter().map(|(k, v)| (k.clone(), *v)).collect(); sorted.sort();",
    "let most = counts.iter().max_by_key(|(_, n)| **n).map(|(w, _)| w.clone());",
    "let copies: Vec<_> = counts.values().cloned().collect(); let largest = counts.values().max().cloned();",
    "let names: BTreeSet<_> = counts.keys().cloned().collect(); let set: HashSet<_> = names.iter().map(String::len).collect();",
    "let one = set.iter().next().copied(); let both: Vec<_> = set.intersection(&HashSet::from([1])).cloned().collect();",
    'let nested = HashMap::from([("a", HashMap::from([(1u8, vec![1.5f64])]))]); let deep = nested["a"][&1].iter().sum::<f64>();',
    'let length = nested.get("a").and_then(|m| m.get(&1)).map(|v| v.len());',
    "let lock = std::sync::RwLock::new(HashMap::<u8, u8>::new()); let read = lock.read().unwrap().get(&1).copied();",
    "let shared = std::sync::Arc::new(std::sync::Mutex::new(vec![1, 2])); let inner = shared.lock().unwrap().clone();",
    "let cells = std::rc::Rc::new(std::cell::RefCell::new(vec![1.5f32])); let last = cells.borrow().last().copied();",
    "let parsed: Result<Vec<i32>, _> = \"1 2 x\".split(\" \").map(str::parse::<i32>).collect();",
    'let split = "k=v".split_once("=").map(|(a, b)| (a.to_string(), b.to_string()));',
    "let sums = [1, 2, 3].windows(2).map(|w| w[0] + w[1]).collect::<Vec<_>>();",
]


def test_types_that_are_found(module_kernel):
    for code in CELLS:
        ok(module_kernel.run(code))
    shown = module_kernel.run(
        "((found, or, &sorted[0], most.as_deref(), copies.len(), largest, names.len(), one, both.len()), "
        "(deep, length, read, inner.len(), last, parsed.is_err(), split.map(|s| s.1), sums[1]))"
    )
    assert "".join(ok(shown).contents("execute_result")[0]["data"]["text/plain"].split()).replace(",)", ")") == (
        '((Some(2),0,("a",2),Some("a"),2,Some(2),2,Some(1),1),(1.5,Some(1),None,2,Some(1.5),true,Some("v"),5))'
    )


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("counts.get(\"a\").unwrap().", "trailing_zeros()"),
        ("counts.values().next().unwrap().", "trailing_zeros()"),
        ("set.iter().next().unwrap().", "trailing_zeros()"),
        ("vec![1u8].", "sort_unstable()"),
        ("std::cell::RefCell::new(1).", "borrow_mut()"),
    ],
)
def test_what_a_map_lends_is_completed(module_kernel, before, words):
    kept = module_kernel.run("use std::collections::*; let counts: HashMap<String, usize> = HashMap::new(); let set: HashSet<u8> = HashSet::new();")
    ok(kept)
    assert words in module_kernel.reply(module_kernel.kc.complete(before, len(before)))["content"]["matches"]
