//! When the next build of an app's worker takes over: when the app says so.

mod support;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use support::apps::{OPTIONS, app, open, own_answer, site_with, worker};
use support::model::{MIB, Model};
use support::world::{SOON, World};

#[tokio::test]
async fn an_update_waits_for_the_app_unless_it_is_to_take_over() -> Result<()> {
    let site = site_with(worker(1, true, "{ serve: true }"));
    app("serve_update", &site, async |world: &mut World| {
        // The first visit: the worker is active and leaves the page alone.
        let page = world.browser.open("/").await?;
        open(&page).await?;
        let model = Model::unthrottled(world, "first", MIB);
        page.request(&model.spec).await?;
        page.until_available(model.id(), SOON).await?;
        let controls: bool = page
            .eval(
                "return Boolean(navigator.serviceWorker.controller)",
                json!(null),
            )
            .await?;
        ensure!(!controls, "claimed");
        page.reload().await?;
        ensure!(own_answer(&page).await? == "build 1");

        site.put("/sw.js", worker(2, true, "{ serve: true }"));
        page.eval::<()>(
            "const registration = await navigator.serviceWorker.getRegistration('/');
             e2e.changes = 0;
             navigator.serviceWorker.addEventListener('controllerchange', () => (e2e.changes += 1));
             const found = once(registration, 'updatefound');
             await registration.update();
             await found;
             const worker = registration.installing ?? registration.waiting;
             if (worker.state === 'installing') await once(worker, 'statechange')",
            json!(null),
        )
        .await?;
        // A page opens Longhaul, and downloads, beside the update.
        open(&page).await?;
        let second = Model::unthrottled(world, "second", MIB);
        page.request(&second.spec).await?;
        page.until_available(second.id(), SOON).await?;
        let state =
            "const { waiting, installing } = await navigator.serviceWorker.getRegistration('/');
             return [waiting?.state ?? null, installing?.state ?? null, e2e.changes]";
        let (waiting, installing, changes): (Option<String>, Option<String>, u32) =
            page.eval(state, json!(null)).await?;
        ensure!(
            waiting.as_deref() == Some("installed") && installing.is_none() && changes == 0,
            "{waiting:?} {installing:?} {changes}"
        );
        ensure!(
            own_answer(&page).await? == "build 1",
            "the update took over"
        );

        page.eval::<()>(
            "const changed = once(navigator.serviceWorker, 'controllerchange');
             (await navigator.serviceWorker.getRegistration('/')).waiting.postMessage('update');
             await changed",
            json!(null),
        )
        .await?;
        ensure!(own_answer(&page).await? == "build 2", "the app's word");

        site.put("/sw.js", worker(3, true, "{ serve: true, takeOver: true }"));
        page.eval::<()>(
            "const changed = once(navigator.serviceWorker, 'controllerchange');
             await (await navigator.serviceWorker.getRegistration('/')).update();
             await changed",
            json!(null),
        )
        .await
        .context("told to take over")?;
        ensure!(own_answer(&page).await? == "build 3", "told to take over");
        Ok(())
    })
    .await?;

    // At a first visit, too.
    let site = site_with(worker(1, true, "{ takeOver: true }"));
    app("serve_take_over", &site, async |world: &mut World| {
        let page = world.browser.open("/").await?;
        page.eval::<()>(
            &format!(
                "const controlled = navigator.serviceWorker.controller || once(navigator.serviceWorker, 'controllerchange');
                 await longhaul({OPTIONS});
                 await controlled"
            ),
            json!(null),
        )
        .await
        .context("a page that is not claimed")?;
        ensure!(own_answer(&page).await? == "build 1");
        let controls: bool = page.eval("return (await longhaul()).serviceWorker.controls", json!(null)).await?;
        ensure!(controls, "it does not know");
        Ok(())
    })
    .await
}
