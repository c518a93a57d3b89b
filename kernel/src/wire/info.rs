//! `kernel_info`: what a client may expect of this kernel.

use super::message::{PROTOCOL, child};
use jupyter_protocol::{
    CodeMirrorMode, HelpLink, JupyterMessage, KernelInfoReply, LanguageInfo, ReplyStatus,
};
use serde_json::json;

/// What a client can use beyond the protocol version; names from the protocol's own list.
const FEATURES: [&str; 1] = ["kernel subshells"];

/// The reply to `request`; `rustc` is the compiler's version.
pub fn kernel_info(rustc: &str, request: &JupyterMessage) -> JupyterMessage {
    // jupyter-protocol's reply has no field for the features.
    let mut content = serde_json::to_value(reply(rustc)).unwrap_or_default();
    content["supported_features"] = json!(FEATURES);
    child("kernel_info_reply", content, request)
}

fn reply(rustc: &str) -> KernelInfoReply {
    let version = env!("CARGO_PKG_VERSION");
    let link = |text: &str, url: &str| HelpLink {
        text: text.to_string(),
        url: url.to_string(),
    };
    KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: PROTOCOL.to_string(),
        implementation: "jook".to_string(),
        implementation_version: version.to_string(),
        language_info: LanguageInfo {
            name: "rust".to_string(),
            version: rustc.to_string(),
            // The MIME type by which both CodeMirror 5 (Notebook 6) and 6 (JupyterLab) know Rust.
            mimetype: Some("text/x-rustsrc".to_string()),
            file_extension: Some(".rs".to_string()),
            pygments_lexer: Some("rust".to_string()),
            codemirror_mode: Some(CodeMirrorMode::Simple("rust".to_string())),
            nbconvert_exporter: None,
        },
        banner: format!("Jook {version}: Rust {rustc} notebooks for deep learning on little data"),
        help_links: vec![
            link("The Rust book", "https://doc.rust-lang.org/book/"),
            link("Rust standard library", "https://doc.rust-lang.org/std/"),
            link("polars", "https://docs.rs/polars"),
            link("plotly", "https://docs.rs/plotly"),
            link("dfdx", "https://docs.rs/dfdx"),
        ],
        debugger: false,
        error: None,
    }
}
