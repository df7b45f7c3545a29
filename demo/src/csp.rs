//! The Content-Security-Policy of the demo's pages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The policy for pages whose HTML is given; `others` are origins beside their own that they may fetch from.
///
/// Strict where hostile strings could do harm: no inline script or style, no plug-in, no foreign script, no form, no base.
/// What is allowed has its reason: `wasm-unsafe-eval` for Longhaul's machine and for wllama, `blob:` workers because wllama
/// makes its worker from a text of its own, `blob:` and `data:` to read what is stored. Inline scripts of the page's own (an
/// import map has to be inline) are allowed by their hash.
pub(crate) fn policy(html: &str, others: &[String]) -> String {
    use std::fmt::Write as _;
    let mut scripts = String::new();
    for script in inline_scripts(html) {
        let hash = STANDARD.encode(Sha256::digest(script));
        write!(scripts, " 'sha256-{hash}'").expect("writing to a string cannot fail");
    }
    let others = others.join(" ");
    [
        "default-src 'none'",
        &format!("script-src 'self' 'wasm-unsafe-eval'{scripts}"),
        "worker-src 'self' blob:",
        // A loopback address on any port: tests talk to servers of their own, and to ports where nobody answers.
        &format!("connect-src 'self' blob: data: http://127.0.0.1:* http://localhost:* {others}"),
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "font-src 'self'",
        "manifest-src 'self'",
        "frame-src 'self'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    .map(str::trim_end)
    .join("; ")
}

/// The texts of all `<script>` elements without a `src`, byte for byte, as a browser hashes them.
fn inline_scripts(html: &str) -> Vec<&str> {
    let mut scripts = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find("<script") {
        let Some((attributes, after)) = rest[start..].split_once('>') else {
            break;
        };
        let Some((text, after)) = after.split_once("</script>") else {
            break;
        };
        if !attributes.contains("src=") {
            scripts.push(text);
        }
        rest = after;
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::policy;

    #[test]
    fn an_inline_script_is_allowed_by_its_hash_and_nothing_else_is() {
        let html =
            "<!doctype html><script type=\"importmap\">{}</script><script src=\"/a.js\"></script>";
        let policy = policy(html, &[]);
        // printf '{}' | openssl dgst -sha256 -binary | base64
        let hash = "'sha256-RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o='";
        let expected = format!("script-src 'self' 'wasm-unsafe-eval' {hash};");
        assert!(policy.contains(&expected), "{policy}");
        assert!(!policy.contains("'unsafe-inline'"), "{policy}");
    }
}
