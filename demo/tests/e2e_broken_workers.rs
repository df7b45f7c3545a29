//! Workers that are deaf, somebody else's, broken or late: downloads begin about as soon as with a good one, the page says in a sentence
//! what is the matter, and once the server is mended the next visit has background jobs again.

mod support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Ending, Generated, Server};
use serde::Deserialize;
use serde_json::json;
use support::engine::Engine;
use support::model::MIB;
use support::page::Page;
use support::site::{Answer, Site};
use support::world::{SOON, World, scenario_in};

/// How much later than with a good worker a download may begin, in milliseconds.
const LATER_MS: u64 = 2_000;

/// The package's own worker, what it is made of, and an app's.
const OURS: &str = "/longhaul/longhaul.worker.js";
const WASM: &str = "/longhaul/longhaul_bg.wasm";
const APPS: &str = "/sw.js";

/// The same wasm, where no worker looks for it.
const ELSEWHERE: &str = "/elsewhere.wasm";

const INDEX: &str = "<!doctype html><title>The site</title><link rel=icon href=data:,><script src=/blank.js></script>";

/// What the fall-back of a single-page app gives for every address.
const FALL_BACK: &str = "<!doctype html><title>The app</title><div id=root></div>";

/// An app's worker with Longhaul in it, as it should be.
const ATTACHED: &str =
    "import { attach } from '/longhaul/sw.js'; attach({ serve: true, takeOver: true });";

/// One way in which a worker is of no use.
struct Case {
    name: &'static str,
    /// What stands where while it is so.
    wrong: Vec<(&'static str, Answer)>,
    /// Whether the app names its own worker.
    of_the_app: bool,
    /// What the sentence must name; alternatives stand between bars.
    named: &'static [&'static str],
}

fn ours(
    name: &'static str,
    path: &'static str,
    wrong: Answer,
    named: &'static [&'static str],
) -> Case {
    Case {
        name,
        wrong: vec![(path, wrong)],
        of_the_app: false,
        named,
    }
}

fn of_the_app(name: &'static str, wrong: Answer, named: &'static [&'static str]) -> Case {
    Case {
        name,
        wrong: vec![(APPS, wrong)],
        of_the_app: true,
        named,
    }
}

fn page_of_html() -> Answer {
    Answer::html(FALL_BACK)
}

/// The package's own worker under a policy of its response.
fn under_policy(policy: &str) -> Result<Answer> {
    let script = support::site::package_file("longhaul.worker.js")?;
    let script = String::from_utf8(script)?;
    Ok(Answer::script(&script).with("content-security-policy", policy))
}

/// Workers of the app's own.
fn workers_of_the_app() -> Vec<Case> {
    let attached_without_wasm = |wasm| Case {
        wrong: vec![(APPS, Answer::script(ATTACHED)), (WASM, wasm)],
        ..of_the_app("", Answer::not_found(), &[])
    };
    vec![
        of_the_app(
            "deaf",
            Answer::script("addEventListener('message', () => {})"),
            &["/sw.js", "not answer|no answer"],
        ),
        of_the_app(
            "somebody else's",
            Answer::script(
                "addEventListener('message', ({ data, ports }) => ports[0]?.postMessage(data))",
            ),
            &["/sw.js", "not Longhaul|another|foreign|attach"],
        ),
        of_the_app(
            "of another name",
            Answer::script(
                "import { attach } from '/longhaul/sw.js'; attach({ name: 'elsewhere' })",
            ),
            &["name|elsewhere"],
        ),
        of_the_app(
            "its installation fails",
            Answer::script(
                "addEventListener('install', (event) => event.waitUntil(Promise.reject(new Error('a file is missing'))))",
            ),
            &["/sw.js", "install"],
        ),
        of_the_app(
            "its installation never ends",
            Answer::script(
                "addEventListener('install', (event) => event.waitUntil(new Promise(() => {})))",
            ),
            &["/sw.js", "install"],
        ),
        of_the_app("the app's is 404", Answer::not_found(), &["/sw.js", "404"]),
        of_the_app("the app's is HTML", page_of_html(), &["/sw.js", "HTML"]),
        of_the_app(
            "the app's throws",
            Answer::script("throw new Error('no')"),
            &["/sw.js"],
        ),
        of_the_app(
            "the app's never comes",
            Answer::endless_script(),
            &["/sw.js"],
        ),
        Case {
            name: "the app's has HTML for wasm",
            named: &["longhaul_bg.wasm", "HTML"],
            ..attached_without_wasm(page_of_html())
        },
        Case {
            name: "the app's has 404 for wasm",
            named: &["longhaul_bg.wasm", "404"],
            ..attached_without_wasm(Answer::not_found())
        },
    ]
}

/// The one that comes with the package, and its wasm.
fn workers_of_the_package() -> Result<Vec<Case>> {
    Ok(vec![
        ours(
            "wasm is HTML",
            WASM,
            page_of_html(),
            &["longhaul_bg.wasm", "HTML"],
        ),
        ours(
            "wasm is 404",
            WASM,
            Answer::not_found(),
            &["longhaul_bg.wasm", "404"],
        ),
        ours(
            "wasm is cut short",
            WASM,
            Answer::bytes("application/wasm", b"\0asm\x01\0\0\0\x01".to_vec()),
            &["longhaul_bg.wasm"],
        ),
        ours(
            "wasm never comes",
            WASM,
            Answer::endless_script(),
            &["longhaul.worker.js", "install|longhaul_bg.wasm"],
        ),
        ours(
            "a policy without wasm",
            OURS,
            under_policy("script-src 'self'")?,
            &["wasm-unsafe-eval"],
        ),
        ours(
            "a policy without anything",
            OURS,
            under_policy("default-src 'none'")?,
            &["Content-Security-Policy|connect-src|wasm-unsafe-eval"],
        ),
        ours(
            "the script is 404",
            OURS,
            Answer::not_found(),
            &["longhaul.worker.js", "404"],
        ),
        ours(
            "the script is HTML",
            OURS,
            page_of_html(),
            &["longhaul.worker.js", "HTML"],
        ),
        ours(
            "the script throws",
            OURS,
            Answer::script("throw new Error('no')"),
            &["longhaul.worker.js"],
        ),
        ours(
            "the script never comes",
            OURS,
            Answer::endless_script(),
            &["longhaul.worker.js"],
        ),
    ])
}

/// What a page is opened with that has no wasm to hand over, so that the worker needs its own. A page that gets none either does not open
/// at all (`e2e_policies`).
const COMPILED: &str =
    "args.options.wasm = await WebAssembly.compileStreaming(fetch('/elsewhere.wasm'));";

/// How a first download went.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct First {
    /// Milliseconds from before `open()`.
    opened: u64,
    /// The same for the entry `started`.
    started: u64,
    transport: String,
    why: String,
    problem: Option<String>,
}

const FIRST_DOWNLOAD: &str = "
    const began = Date.now();
    const lh = await longhaul(args.options);
    const opened = Date.now() - began;
    const begun = once(lh, 'entry', ({ detail }) => detail.event.type === 'started');
    await lh.request(args.spec);
    const { at, event } = (await begun).detail;
    return {
      opened, started: at - began, transport: event.transport, why: event.why,
      problem: lh.serviceWorker?.problem ?? null,
    }";

/// Opens Longhaul in the page and asks for a file at once.
async fn first_download(page: &Page, id: &str, of_the_app: bool) -> Result<First> {
    first_download_with(page, id, of_the_app, "").await
}

/// The same; `before` runs before the time does.
async fn first_download_with(
    page: &Page,
    id: &str,
    of_the_app: bool,
    before: &str,
) -> Result<First> {
    let file = Generated::new(MIB, id);
    let options = if of_the_app {
        json!({ "serviceWorker": { "url": APPS, "type": "module" } })
    } else {
        json!({})
    };
    page.gesture().await?;
    page.eval_within(
        Duration::from_secs(50),
        &format!("{before}{FIRST_DOWNLOAD}"),
        json!({ "options": options, "spec": {
            "id": id, "resources": [{ "url": file.path(), "bytes": file.bytes, "sha256": file.sha256() }],
        } }),
    )
    .await
}

/// Demands that a sentence names what it must.
fn check_named(problem: Option<&str>, named: &[&str]) -> Result<()> {
    let problem = problem.context("it does not say what is the matter")?;
    let lower = problem.to_lowercase();
    for one in named {
        let mut any = one.split('|').map(str::to_lowercase);
        ensure!(
            any.any(|word| lower.contains(&word)),
            "`{problem}` does not name {one}"
        );
    }
    ensure!(
        problem.lines().count() == 1 && problem.len() < 400,
        "no sentence: {problem}"
    );
    Ok(())
}

/// One case at an origin of its own, in the browser of all.
async fn disturbed(world: &World, case: &Case, undisturbed: &First) -> Result<()> {
    let site = Site::new(case.wrong.iter().cloned());
    site.put("/index.html", Answer::html(INDEX));
    let wasm = support::site::package_file("longhaul_bg.wasm")?;
    site.put(ELSEWHERE, Answer::bytes("application/wasm", wasm));
    let server = Server::builder().site(Arc::clone(&site) as _).spawn()?;
    let address = format!("{}/", server.origin());
    let page = world.browser.open(&address).await?;

    let needs_its_own = case.wrong.iter().any(|(path, _)| *path == WASM);
    let before = if needs_its_own { COMPILED } else { "" };
    let first = first_download_with(&page, "first", case.of_the_app, before).await?;
    println!("{}: {first:?}", case.name);
    let limit = undisturbed.started + LATER_MS;
    ensure!(
        first.opened < undisturbed.opened + LATER_MS,
        "opened late: {first:?}"
    );
    ensure!(
        first.started < limit,
        "began late, with a limit of {limit} ms: {first:?}"
    );
    ensure!(
        first.transport == "foreground" && first.why == "no-worker",
        "{first:?}"
    );
    // What is said is one thing, what happens next another: both are told.
    let named = check_named(first.problem.as_deref(), case.named);
    page.until_available("first", SOON).await?;
    let second = first_again(&page).await?;
    ensure!(second < LATER_MS, "the second one began after {second} ms");

    // The server is mended, and what hung in it ends.
    for (path, _) in &case.wrong {
        site.remove(path);
    }
    if case.of_the_app {
        site.put(APPS, Answer::script(ATTACHED));
    }
    server.close(Ending::Rst);
    server.open()?;
    // As the browser does with workers that have been idle for a while, or at work for too long.
    page.select().await?;
    world.browser.stop_workers().await?;
    page.goto(&address).await?;
    if case.wrong[0].0 == APPS && case.wrong.len() == 1 {
        // A new script is the app's own business, which it does as it likes.
        page.eval::<()>(UPDATED, json!(APPS)).await?;
        page.goto(&address).await?;
    }
    let mended = first_download(&page, "mended", case.of_the_app).await?;
    ensure!(
        mended.transport == "background-fetch" && mended.problem.is_none(),
        "mended: {mended:?}"
    );
    page.eval::<()>(
        "const lh = await longhaul(); await (await lh.get('mended')).abort(); lh.close()",
        json!(null),
    )
    .await?;
    page.close().await?;
    named
}

/// The app brings its worker's mended script in.
const UPDATED: &str = "
    const registration = await navigator.serviceWorker.getRegistration('/');
    if (!registration) return;
    const active = registration.active;
    await registration.update();
    await eventually(() => registration.active && registration.active !== active);";

/// A further download with the same worker; milliseconds until it begins.
async fn first_again(page: &Page) -> Result<u64> {
    let file = Generated::new(MIB, "second");
    page.eval(
        "const began = Date.now();
         const lh = await longhaul();
         const begun = once(lh, 'entry', ({ detail }) => detail.event.type === 'started');
         await lh.request({ id: 'second', resources: [args] });
         return (await begun).detail.at - began",
        json!(file.path()),
    )
    .await
}

#[tokio::test]
async fn a_worker_that_is_of_no_use_costs_about_a_second_and_is_named() -> Result<()> {
    let site = Site::new([("/index.html", Answer::html(INDEX))]);
    let server = Server::builder().site(site as _).spawn()?;
    scenario_in(
        Engine::Chromium,
        server,
        "broken_workers",
        async |world: &mut World| {
            let page = world.browser.open("/").await?;
            let undisturbed = first_download(&page, "undisturbed", false).await?;
            ensure!(
                undisturbed.transport == "background-fetch",
                "{undisturbed:?}"
            );
            page.until_available("undisturbed", SOON).await?;
            println!("undisturbed: {undisturbed:?}");
            let mut failed = Vec::new();
            for case in workers_of_the_app()
                .iter()
                .chain(&workers_of_the_package()?)
            {
                if let Err(error) = disturbed(world, case, &undisturbed).await {
                    println!("{} ... FAILED: {error:#}", case.name);
                    failed.push(format!("{}: {error:#}", case.name));
                }
            }
            ensure!(failed.is_empty(), "{}", failed.join("\n"));
            Ok(())
        },
    )
    .await
}
