//! `#[cfg(..)]` above a statement or an item: evcxr knows items by their names, and would take the second of two that
//! share one for the first made anew.

use cargo_platform::{Cfg, CfgExpr, Ident};
use ra_ap_syntax::ast::{self, HasAttrs as _};
use ra_ap_syntax::{AstNode as _, SyntaxNode};

/// Whether the compiler would leave this out. What this program cannot tell is left to it.
pub fn leave_out(node: &SyntaxNode) -> bool {
    let Some(with_attributes) = ast::AnyHasAttrs::cast(node.clone()) else {
        return false;
    };
    let here = here();
    with_attributes
        .attrs()
        .filter_map(|attr| condition(&attr))
        .any(|condition| is_known(&condition, &here) && !condition.matches(&here))
}

fn condition(attr: &ast::Attr) -> Option<CfgExpr> {
    let text = attr.syntax().text().to_string();
    let inside = text
        .strip_prefix("#[")?
        .trim_start()
        .strip_prefix("cfg")?
        .trim_start();
    let (inside, _) = inside.strip_prefix('(')?.rsplit_once(')')?;
    inside.trim().trim_end_matches(',').parse().ok()
}

/// What holds where cells are compiled, which is where this program was, with the checks of a debug build.
fn here() -> Vec<Cfg> {
    use std::env::consts;
    let name = |name: &str| Cfg::Name(ident(name));
    let pair = |key: &str, value: &str| Cfg::KeyPair(ident(key), value.to_owned());
    vec![
        name("unix"),
        name("debug_assertions"),
        pair("target_os", consts::OS),
        pair("target_arch", consts::ARCH),
        pair("target_family", consts::FAMILY),
        pair("target_pointer_width", &usize::BITS.to_string()),
        pair(
            "target_endian",
            if cfg!(target_endian = "little") {
                "little"
            } else {
                "big"
            },
        ),
        pair("panic", "unwind"),
    ]
}

fn ident(name: &str) -> Ident {
    Ident {
        name: name.to_owned(),
        raw: false,
    }
}

/// Whether nothing else is asked for than what [`here`] has, or what holds in no cell.
fn is_known(condition: &CfgExpr, here: &[Cfg]) -> bool {
    const NOWHERE: [&str; 6] = ["windows", "test", "doc", "doctest", "miri", "feature"];
    let of = |cfg: &Cfg| match cfg {
        Cfg::Name(ident) | Cfg::KeyPair(ident, _) => ident.name.clone(),
    };
    match condition {
        CfgExpr::Not(inner) => is_known(inner, here),
        CfgExpr::All(all) | CfgExpr::Any(all) => all.iter().all(|one| is_known(one, here)),
        CfgExpr::Value(asked) => {
            NOWHERE.contains(&of(asked).as_str()) || here.iter().any(|known| of(known) == of(asked))
        }
        CfgExpr::True | CfgExpr::False => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::session::cell::builtin::Around;
    use crate::session::cell::items::Items;

    fn text(code: &str) -> String {
        Items::default().name(code, code, &Around::default()).0.text
    }

    #[test]
    fn of_two_the_one_that_holds_stays_in_its_line() {
        let twins = "#[cfg(debug_assertions)]\nstatic N: u8 = 1;\n#[cfg(not(debug_assertions))]\nstatic N: u8 = 2;\nN";
        assert_eq!(text(twins), "#[cfg(debug_assertions)]\nstatic N: u8 = 1;\n\n\nN");
        let swapped = "/// Of this system.\n#[cfg(any(windows, target_os = \"macos\"))]\nfn f() {}\n#[cfg(unix)] fn f() { 1 }";
        assert_eq!(text(swapped), "\n\n\n#[cfg(unix)] fn f() { 1 }");
        assert_eq!(text("#[cfg( test )]\nmod tests {}\n1"), "\n\n1");
        assert_eq!(text("#[cfg(feature = \"gpu\")] let x = 1;\n2"), "\n2");
        let named = Items::default().name(twins, twins, &Around::default()).0;
        assert!(named.defines.contains("N"));
    }

    #[test]
    fn what_is_not_known_here_is_left_to_the_compiler() {
        for code in [
            "#[cfg(target_feature = \"avx2\")] fn f() {}",
            "#[cfg(all(unix, not(tokio_unstable)))] fn f() {}",
            "#[cfg(all(unix, not(windows)))] fn f() {}",
            "#[cfg_attr(unix, inline)] fn f() {}",
            "#[cfg(unix, windows)] fn f() {}",
        ] {
            assert_eq!(text(code), code);
        }
    }
}
