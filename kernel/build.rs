//! Lets the toolkit, which cells' code brings into the process, find what this program offers it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=jook_kernel");
}
