//! Files of another origin, from hosts that expose their headers and from hosts that expose none: in parts, each once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use longhaul_demo::{Entry, Generated};
use serde_json::json;

use crate::suite::{Cell, Suite};
use crate::support::model::{
    Asked, BYTES, IN_FLIGHT, MIB, PART, PARTS, check_course, range, settled,
};
use crate::support::page::Page;
use crate::support::world::{SOON, World};

/// Bytes of everything that is asked for beside the parts.
const PROBES: u64 = MIB / 2;
/// How many requests that may be, redirects not counted.
const MOST_PROBES: usize = 8;

/// From the request on, with nothing that slows it down.
const TOOK: Duration = Duration::from_secs(30);

/// A host, and whether the app knows the file's hash.
struct Case {
    name: &'static str,
    query: &'static str,
    hashed: bool,
}

/// Nothing is known of a file but its address, unless its hash is.
const CASES: [Case; 6] = [
    Case {
        name: "headers exposed",
        query: "run=exposed",
        hashed: false,
    },
    Case {
        name: "headers exposed, a hash",
        query: "run=hashed",
        hashed: true,
    },
    Case {
        name: "no header exposed",
        query: "hideHeaders=1",
        hashed: false,
    },
    Case {
        name: "no header exposed, no HEAD",
        // Fast enough, and slow enough that a whole answer is broken off before much of it is on its way.
        query: "hideHeaders=1&noHead=cors&rateTotal=16000000",
        hashed: false,
    },
    Case {
        name: "behind a hub",
        query: "redirect=third&noPreflight=1",
        hashed: false,
    },
    Case {
        name: "behind a hub, no header exposed",
        query: "redirect=third&hideHeaders=1",
        hashed: false,
    },
];

pub(crate) fn announce(suite: &mut Suite) {
    suite.for_each_engine("another origin", another_origin);
}

async fn another_origin(world: &mut World, cell: &Cell) -> Result<()> {
    let page = settled(world).await?;
    let mut failed = Vec::new();
    for case in CASES {
        let began = Instant::now();
        let outcome = case.run(world, &page).await;
        cell.case(case.name, began.elapsed(), &outcome);
        if outcome.is_err() {
            failed.push(case.name);
        }
        page.forget(&case.file().seed).await?;
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

impl Case {
    fn file(&self) -> Generated {
        Generated::new(BYTES, &self.name.replace([' ', ','], "-"))
    }

    async fn run(&self, world: &World, page: &Page) -> Result<()> {
        let file = self.file();
        let id = file.seed.as_str();
        let url = format!(
            "{}{}?{}",
            world.server.second_origin(),
            file.path(),
            self.query
        );
        let mut resource = json!({ "url": url });
        if self.hashed {
            resource["sha256"] = json!(file.sha256());
        }
        page.request(&json!({ "id": id, "resources": [resource] }))
            .await?;
        page.until_available(id, SOON).await?;
        let history = page.history(id).await?;
        check_course(world.browser.engine(), &history)?;
        let took = Duration::from_millis(history.took()?);
        ensure!(took <= TOOK, "took {took:?}");
        let read = page.hash_of(id).await?;
        ensure!(read == (BYTES, file.sha256()), "wrong bytes: {read:?}");
        // In parts, of which a page that helps a job may ask for those in flight a second time.
        let mut log = world.server.log().entries();
        log.retain(|request| request.path == file.path() && request.status != Some(302));
        let part = |request: &Entry| range(request).is_some_and(|(first, last)| first < last);
        let (parts, probes): (Vec<_>, Vec<_>) = log.into_iter().partition(part);
        Asked::among(&parts, PART).check(PARTS, IN_FLIGHT)?;
        let sent: u64 = probes.iter().map(|request| request.sent).sum();
        ensure!(
            probes.len() <= MOST_PROBES && sent <= PROBES,
            "{sent} bytes for {} probes: {probes:?}",
            probes.len()
        );
        let rest = page.at_rest().await?;
        ensure!(
            rest.parts().len() == PARTS && rest.jobs.is_empty(),
            "at rest: {rest:?}"
        );
        Ok(())
    }
}
