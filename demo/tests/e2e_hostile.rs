//! Hostile strings in ids, titles, addresses and imported histories: text in the demo's page, whatever they look like.

mod support;

use anyhow::{Context, Result, ensure};
use longhaul_demo::Generated;
use serde::Deserialize;
use serde_json::{Value, json};
use support::model::MIB;
use support::page::Page;
use support::world::{SOON, World, scenario};

/// What each of these would do if it were ever taken for markup or a script is to set this property of the page.
const HOSTILE: [&str; 12] = [
    "<img src=x onerror=\"window.pwned='img'\">",
    "<svg onload=window.pwned='svg'></svg>",
    "</script><script>window.pwned='script'</script>",
    "\"><iframe srcdoc=\"<script>parent.pwned='frame'</script>\"></iframe>",
    "' autofocus onfocus='window.pwned=1' x='",
    "javascript:window.pwned='url'",
    "{{constructor.constructor('window.pwned=1')()}}",
    "${window.pwned='template'}",
    "__proto__",
    "\u{202e}gpj.exe\u{2066}",
    "null\u{0}byte\n<b>line</b>\t",
    "%3Cimg%20src=x%20onerror=window.pwned=1%3E &lt;b&gt;",
];

/// Runs before anything of a page does: notes what a strict policy would stop, and what would ask a person something.
const GUARD: &str = "
    window.violations = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      violations.push(`${violatedDirective} ${blockedURI}`));
    window.dialogs = [];
    for (const name of ['alert', 'confirm', 'prompt', 'open']) window[name] = (text) => void dialogs.push(`${name} ${text}`);
    window.thrown = [];
    addEventListener('error', ({ message }) => thrown.push(message));
    addEventListener('unhandledrejection', ({ reason }) => thrown.push(String(reason)));";

/// What became of the page.
#[derive(Debug, Deserialize)]
struct Harm {
    pwned: bool,
    violations: Vec<String>,
    dialogs: Vec<String>,
    thrown: Vec<String>,
    /// Elements that nothing of the page's own makes.
    foreign: Vec<String>,
}

async fn harm(page: &Page) -> Result<Harm> {
    page.eval(
        "const foreign = document.querySelectorAll(
           'iframe, object, embed, svg, img[src=x], b, [onerror], [onload], [onfocus], [autofocus], a[href^=\"javascript:\" i]');
         const { violations, dialogs, thrown } = window;
         const pwned = window.pwned !== undefined || Object.prototype.pwned !== undefined;
         return { pwned, violations, dialogs, thrown, foreign: [...foreign].map(({ outerHTML }) => outerHTML) }",
        json!(null),
    )
    .await
}

async fn check_unharmed(page: &Page) -> Result<()> {
    let harm = harm(page).await?;
    ensure!(
        !harm.pwned
            && harm.violations.is_empty()
            && harm.dialogs.is_empty()
            && harm.thrown.is_empty()
            && harm.foreign.is_empty(),
        "{harm:?}"
    );
    Ok(())
}

/// Opens the demo's page with the guard in it.
async fn guarded(world: &World) -> Result<Page> {
    let page = world.browser.open("/blank.html").await?;
    page.select().await?;
    let before = json!({ "source": GUARD });
    world
        .browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", before)
        .await?;
    page.goto("/").await?;
    page.shown("html", SOON, "'ready' in element.dataset")
        .await?;
    Ok(page)
}

/// Opens each row of the log and demands that its details show exactly this text of a download's id.
async fn read_all_rows(page: &Page) -> Result<usize> {
    page.eval_within(
        SOON,
        "const rows = [...document.querySelectorAll('[data-testid=log-row]')];
         for (const row of rows) {
           const id = row.dataset.download;
           const cell = row.querySelector('.c-download');
           if (cell.textContent !== id || cell.children.length > 0) throw new Error(`not as text: ${row.outerHTML}`);
           row.click();
           const title = await shown('#details-title', (element) => element.textContent.startsWith(`${id} · `));
           await shown('#details-state', (element) => element.textContent !== '');
           if (title.children.length > 0) throw new Error(title.outerHTML);
           document.querySelector('#details-close').click();
         }
         return rows.length",
        json!(null),
    )
    .await
}

#[tokio::test]
async fn hostile_ids_titles_and_addresses_are_text_in_the_page() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = guarded(world).await?;
        let policy: String = page
            .eval(
                "return (await fetch('/')).headers.get('content-security-policy')",
                json!(null),
            )
            .await?;
        ensure!(
            policy.contains("default-src 'none'")
                && policy.contains("script-src 'self'")
                && !policy.contains("unsafe-inline")
                && !policy.contains("'unsafe-eval'"),
            "{policy}"
        );

        let long = "\u{202e}<i>".repeat(80);
        let file = Generated::new(MIB / 4, "hostile");
        let mut ids: Vec<&str> = HOSTILE.to_vec();
        ids.push(&long);
        for (n, id) in ids.iter().enumerate() {
            // In the query, which the identity keeps; in the fragment; and in a path that is not there.
            let url = match n % 3 {
                0 => format!("{}{}?x={id}#{id}", world.server.origin(), file.path()),
                1 => format!("{}/models/{id}", world.server.origin()),
                _ => format!("{}{}?n={n}&y={id}", world.server.origin(), file.path()),
            };
            let mut resource = json!({ "url": url });
            if n % 3 == 2 {
                // A wrong hash: the failure's message names the address.
                resource["sha256"] = json!("0".repeat(64));
            }
            let spec = json!({ "id": id, "title": format!("{id}{id}"), "resources": [resource] });
            page.request(&spec)
                .await
                .with_context(|| format!("{id:?}"))?;
            let ended = page.until_ended(id, SOON).await?;
            let phase = ["available", "failed", "failed"][n % 3];
            ensure!(ended.phase == phase, "{id:?}: {ended:?}");
        }
        for address in [
            "javascript:window.pwned=1",
            "data:text/html,<script>1</script>",
            "blob:x",
        ] {
            let spec = json!({ "id": "address", "resources": [address] });
            let refused = page.refused(&spec).await?;
            ensure!(refused.code() == "invalid-spec", "{refused}");
        }

        // Shown as they happened, and again when the page opens anew.
        for _ in 0..2 {
            let cards =
                "[...document.querySelectorAll('.card')].map(({ dataset }) => dataset.download)";
            let missing: Vec<String> = page
                .eval(
                    &format!(
                        "await eventually(() => args.every((id) => {cards}.includes(id)));
                         const text = document.body.textContent;
                         return args.filter((id) => !text.includes(`${{id}}${{id}}`))"
                    ),
                    json!(ids),
                )
                .await?;
            ensure!(missing.is_empty(), "titles that are not shown: {missing:?}");
            let rows = read_all_rows(&page).await?;
            ensure!(rows >= 3 * ids.len(), "{rows} rows");
            check_unharmed(&page).await?;
            page.reload().await?;
            page.shown("html", SOON, "'ready' in element.dataset")
                .await?;
        }

        // The guard sees what it must not see: the policy stops this, and says so.
        page.eval::<()>(
            "document.body.insertAdjacentHTML('beforeend', args);
             await eventually(() => violations.length > 0)",
            json!(HOSTILE[0]),
        )
        .await?;
        let harm = harm(&page).await?;
        ensure!(!harm.pwned && !harm.foreign.is_empty(), "{harm:?}");
        Ok(())
    })
    .await
}

/// Lines of an export that nobody exported: known and unknown types in any shape, hostile strings in every field.
fn hostile_history() -> (String, usize, usize) {
    let mut lines = Vec::new();
    let entry = |id: &str, seq: u64, version: u32, event: &Value| {
        json!({
            "download": id, "seq": seq, "at": 1_790_000_000_000_u64 + seq,
            "origin": if seq.is_multiple_of(2) { json!({ "toString": id }) } else { json!(id) },
            "version": version, "event": event, "__proto__": { "pwned": 1 },
        })
        .to_string()
    };
    for (n, text) in HOSTILE.iter().enumerate() {
        let id = format!("{text}{n}");
        let spec = json!({ "id": id, "title": text, "resources": [{ "url": text }] });
        let events = [
            json!({ "type": "requested", "attempt": 1, "spec": spec }),
            json!({ "type": "started", "transfer": text, "try": text, "transport": text, "why": text, "missing": [null, { "parts": text }] }),
            json!({ "type": "waiting", "reason": text, "until": text }),
            json!({ "type": "failure", "reason": text, "message": text }),
            json!({ "type": "requested", "spec": null }),
            json!({ "type": "success", "sizes": [text], "verified": text }),
            json!({ "type": "unreadable", "text": text }),
            json!({ "type": text, "toString": text, "constructor": { "prototype": text } }),
            json!({ "type": { "toString": text } }),
            json!(text),
        ];
        for (seq, event) in (1..).zip(&events) {
            lines.push(entry(&id, seq, 1 + u32::from(seq == 8), event));
        }
    }
    let imported = lines.len();
    // No entries: counted, and passed over.
    lines.extend(HOSTILE.iter().map(|text| text.replace('\n', " ")));
    lines.push(json!({ "download": { "x": 1 }, "seq": "1", "at": null, "version": 1 }).to_string());
    let skipped = lines.len() - imported;
    (lines.join("\n"), imported, skipped)
}

#[tokio::test]
async fn a_hostile_history_is_imported_as_text_and_nothing_of_it_is_kept() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = guarded(world).await?;
        let databases = page.at_rest().await?.databases;
        let (text, imported, skipped) = hostile_history();
        page.eval::<()>(
            "const files = new DataTransfer();
             files.items.add(new File([args.text], args.name));
             const input = document.querySelector('[data-testid=log-import]');
             input.files = files.files;
             input.dispatchEvent(new Event('change'))",
            json!({ "text": text, "name": HOSTILE[0] }),
        )
        .await?;
        let banner = page
            .shown("[data-testid=log-banner]", SOON, "!element.hidden")
            .await?;
        let told = format!("{imported} entries, {skipped} lines skipped");
        ensure!(
            banner.contains(&told) && banner.contains(HOSTILE[0]),
            "{banner} instead of {told}"
        );
        let rows = read_all_rows(&page).await?;
        ensure!(rows == imported, "{rows} rows of {imported}");
        check_unharmed(&page).await?;
        ensure!(page.list().await?.is_empty(), "something was begun");
        ensure!(
            page.at_rest().await?.databases == databases,
            "something was written"
        );
        Ok(())
    })
    .await
}
