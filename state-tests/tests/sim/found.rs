//! What the adversary found, each as one story without it.

use futures_util::FutureExt;
use longhaul_core::{Command, Download, Entry, Preference, Resource, Spec, WaitReason};
use longhaul_runner::ports::histories::{Append, EventStore, Links};
use longhaul_state_tests::prove::Coverage;
use longhaul_state_tests::sim::bytes::digest_of;
use longhaul_state_tests::sim::pages;
use longhaul_state_tests::sim::rng::Rng;
use longhaul_state_tests::sim::run::launch;
use longhaul_state_tests::sim::scenery::{PART, Scenery, Wanted};
use longhaul_state_tests::sim::servers::{Server, Tag, Trouble};
use longhaul_state_tests::sim::stage::Stage;
use longhaul_state_tests::sim::world::{MS, SECOND, World};
use std::rc::Rc;

const ID: &str = "model";

/// One download of five parts from a server that does everything right, and pages that transfer by themselves.
fn scenery() -> Scenery {
    let server = Server {
        file: 0,
        url: "https://app.example/m0".to_owned(),
        size: 5 * PART,
        version: 1,
        claimed: 1,
        tag: Tag::Strong,
        ranges: true,
        sized: true,
        cross_origin: false,
        exposes: true,
        wants_headers: false,
        heeds_conditions: true,
        rate: PART,
        trouble: None,
        down_until: 0,
    };
    let spec = Spec {
        id: ID.to_owned(),
        title: None,
        icons: Vec::new(),
        secret_params: Vec::new(),
        resources: vec![Resource {
            url: server.url.clone(),
            bytes: None,
            sha256: None,
        }],
        headers: false,
    };
    Scenery {
        servers: vec![server],
        wanted: vec![Wanted {
            spec,
            files: vec![0],
        }],
        background: false,
        preference: Preference::Auto,
        patience: 8,
        parallel: 2,
        assist_ms: 6_000,
    }
}

/// The stage of this story; `order` chooses the order of tasks.
fn stage(scenery: Scenery, order: u64) -> Stage {
    let stage = Stage::new(
        scenery,
        Rng::new(order),
        &Rc::new(Coverage::default()),
        false,
    );
    launch(&stage.world, 0);
    stage
}

fn is(world: &World, so: impl Fn(&Download) -> bool) -> bool {
    world.laws.borrow().state(ID).is_some_and(so)
}

fn is_available(world: &World) -> bool {
    is(world, Download::is_available)
}

#[test]
fn a_page_looks_after_a_request_whose_page_died_before_it_told_anybody() {
    let mut stage = stage(scenery(), 1);
    let world = Rc::clone(&stage.world);
    let asking = pages::open(&world);
    pages::open(&world);
    assert!(!stage.until(SECOND, |_| false));
    world.weather.borrow_mut().lost_messages = 1_000;
    pages::request(&world, asking, &world.scenery.wanted[0].spec);
    assert!(stage.until(SECOND, |world| is(world, Download::is_running)));
    pages::crash(&world, asking);
    assert!(stage.until(120 * SECOND, is_available));
    assert_eq!(world.broken(), None);
}

#[test]
fn an_owner_without_headers_makes_way_for_a_page_that_has_them() {
    // One of the two is the owner by then, and the other one is not.
    for asking in 0..2 {
        let mut scenery = scenery();
        scenery.servers[0].wants_headers = true;
        scenery.wanted[0].spec.headers = true;
        let mut stage = stage(scenery, 1);
        let world = Rc::clone(&stage.world);
        let spec = world.scenery.wanted[0].spec.clone();
        let first = pages::open(&world);
        pages::request(&world, first, &spec);
        assert!(
            stage.until(20 * SECOND, |world| is(world, |download| download.stored
                > 0))
        );
        let others = [pages::open(&world), pages::open(&world)];
        assert!(!stage.until(SECOND, is_available));
        pages::crash(&world, first);
        let lacks = |download: &Download| {
            let waiting = download.waiting.as_ref();
            waiting.is_some_and(|waiting| waiting.reason == WaitReason::Headers)
        };
        assert!(stage.until(20 * SECOND, |world| is(world, lacks)));
        pages::request(&world, others[asking], &spec);
        assert!(stage.until(60 * SECOND, is_available));
        assert_eq!(world.broken(), None);
    }
}

#[test]
fn a_page_that_could_not_read_the_stores_when_it_opened_looks_again() {
    let mut stage = stage(scenery(), 1);
    let world = Rc::clone(&stage.world);
    let asking = pages::open(&world);
    pages::request(&world, asking, &world.scenery.wanted[0].spec);
    assert!(stage.until(SECOND, |world| is(world, Download::is_running)));
    pages::crash(&world, asking);
    world.weather.borrow_mut().failed_reads = 1_000;
    pages::open(&world);
    assert!(!stage.until(SECOND, is_available));
    world.weather.borrow_mut().failed_reads = 0;
    assert!(stage.until(30 * SECOND, is_available));
    assert_eq!(world.broken(), None);
}

#[test]
fn what_is_asked_for_again_while_its_abort_is_cleared_up_is_heard_of() {
    for order in 0..30 {
        let mut scenery = scenery();
        scenery.servers[0].wants_headers = true;
        scenery.wanted[0].spec.headers = true;
        let mut stage = stage(scenery, order);
        let world = Rc::clone(&stage.world);
        let asking = pages::open(&world);
        pages::request(&world, asking, &world.scenery.wanted[0].spec);
        assert!(stage.until(SECOND, |world| is(world, Download::is_running)));
        pages::crash(&world, asking);
        // A page without the headers aborts, and asks for it again before that is cleared up.
        let page = pages::open(&world);
        assert!(!stage.until(SECOND, |_| false));
        pages::command(&world, page, ID, Command::Abort);
        assert!(stage.until(SECOND, |world| is(world, |of| !of.is_running())));
        pages::command(&world, page, ID, Command::Retry);
        assert!(!stage.until(SECOND, is_available));
        // With the headers it goes on at once.
        pages::request(&world, page, &world.scenery.wanted[0].spec);
        assert!(stage.until(15 * SECOND, is_available), "order {order}");
        assert_eq!(world.broken(), None);
    }
}

#[test]
fn a_part_that_comes_to_rest_while_the_parts_are_listed_is_not_fetched_again() {
    for order in 0..60 {
        let mut scenery = scenery();
        scenery.servers[0].size = 24 * PART;
        scenery.servers[0].rate = 20 * PART;
        scenery.parallel = 4;
        let mut stage = stage(scenery, order);
        let world = Rc::clone(&stage.world);
        let page = pages::open(&world);
        pages::request(&world, page, &world.scenery.wanted[0].spec);
        assert!(stage.until(60 * SECOND, is_available), "order {order}");
        assert_eq!(world.broken(), None, "order {order}");
    }
}

#[test]
fn a_page_that_opens_leaves_what_was_just_removed_to_its_owner() {
    for order in 0..60 {
        let mut scenery = scenery();
        scenery.servers[0].size = 24 * PART;
        scenery.servers[0].rate = 20 * PART;
        scenery.parallel = 4;
        let mut stage = stage(scenery, order);
        let world = Rc::clone(&stage.world);
        let owner = pages::open(&world);
        pages::request(&world, owner, &world.scenery.wanted[0].spec);
        let rests = |world: &World| world.caches.borrow().usage() > 8 * PART;
        assert!(stage.until(60 * SECOND, rests), "order {order}");
        pages::open(&world);
        assert!(!stage.until(order * MS, |_| false));
        pages::command(&world, owner, ID, Command::Remove);
        let gone = |world: &World| world.caches.borrow().keys().is_empty();
        assert!(stage.until(10 * SECOND, gone), "order {order}");
        assert_eq!(world.broken(), None, "order {order}");
    }
}

fn in_background(parts: u64, rate: u64) -> Scenery {
    let mut scenery = scenery();
    scenery.background = true;
    scenery.servers[0].size = parts * PART;
    scenery.servers[0].rate = rate;
    scenery
}

#[test]
fn a_job_whose_records_show_their_answers_late_is_not_helped() {
    for order in 0..30 {
        let mut scenery = in_background(60, 100 * PART);
        scenery.assist_ms = 300_000;
        let mut stage = stage(scenery, order);
        let world = Rc::clone(&stage.world);
        let page = pages::open(&world);
        // Its opening does not hold the job up.
        world.jobs.borrow_mut().frozen_until = 0;
        pages::request(&world, page, &world.scenery.wanted[0].spec);
        assert!(stage.until(60 * SECOND, is_available), "order {order}");
        let assisted = world.coverage.count("a page assists a job");
        assert_eq!(assisted, 0, "order {order}");
        assert_eq!(world.broken(), None, "order {order}");
    }
}

#[test]
fn a_job_that_breaks_off_a_record_and_repeats_what_the_page_brought_is_helped() {
    for order in 0..30 {
        let scenery = in_background(98, 2 * PART);
        let mut stage = stage(scenery, order);
        let world = Rc::clone(&stage.world);
        let page = pages::open(&world);
        // The page's opening holds the job up, so that the page brings nearly everything.
        let thaw = world.jobs.borrow().frozen_until;
        pages::request(&world, page, &world.scenery.wanted[0].spec);
        assert!(
            !stage.until(thaw - world.now(), is_available),
            "order {order}"
        );
        for server in &mut world.network.borrow_mut().servers {
            server.trouble = Some((Trouble::Cut, 1));
        }
        // The job would take its record up again after 20 s, and repeat others meanwhile.
        assert!(stage.until(14 * SECOND, is_available), "order {order}");
        assert_eq!(world.broken(), None, "order {order}");
    }
}

#[test]
fn a_worker_whose_time_does_not_suffice_for_the_hash_leaves_it_to_the_next_page() {
    let mut scenery = in_background(60, 100 * PART);
    scenery.assist_ms = 300_000;
    let hash = digest_of(0, 1, scenery.servers[0].size);
    scenery.wanted[0].spec.resources[0].sha256 = Some(hash);
    let mut stage = stage(scenery, 1);
    let world = Rc::clone(&stage.world);
    // Ten minutes for all parts.
    world.weather.borrow_mut().slow_hash_ms = 10_000;
    let page = pages::open(&world);
    world.jobs.borrow_mut().frozen_until = 0;
    pages::request(&world, page, &world.scenery.wanted[0].spec);
    assert!(stage.until(20 * SECOND, |world| !world.jobs.borrow().known.is_empty()));
    pages::close(&world, page);
    let handled = |world: &World| world.coverage.count("a completion was handled") > 0;
    assert!(!stage.until(230 * SECOND, handled));
    assert!(stage.until(60 * SECOND, handled));
    assert_eq!(
        world.coverage.count("a handler was stopped for its time"),
        0
    );
    assert!(is(&world, |download| download.is_running()
        && download.stored == 60 * PART));

    world.weather.borrow_mut().slow_hash_ms = 0;
    pages::open(&world);
    assert!(stage.until(20 * SECOND, is_available));
    assert_eq!(world.broken(), None);
}

#[test]
fn a_plain_record_whose_rest_is_answered_with_everything_has_every_byte_once() {
    for order in 0..30 {
        let mut scenery = in_background(1, PART);
        // Of one part, and so asked for without a range.
        scenery.servers[0].size = PART / 2;
        scenery.assist_ms = 300_000;
        let mut stage = stage(scenery, order);
        let world = Rc::clone(&stage.world);
        let page = pages::open(&world);
        world.jobs.borrow_mut().frozen_until = 0;
        pages::request(&world, page, &world.scenery.wanted[0].spec);
        let trouble = |world: &World, trouble| {
            for server in &mut world.network.borrow_mut().servers {
                server.trouble = Some((trouble, 1));
            }
        };
        let asked = |world: &World| !world.jobs.borrow().known.is_empty();
        assert!(stage.until(SECOND, asked), "order {order}");
        trouble(&world, Trouble::Cut);
        let broken = |world: &World| world.coverage.count("a job resumed inside a part") > 0;
        assert!(stage.until(60 * SECOND, broken), "order {order}");
        trouble(&world, Trouble::IgnoresRange);
        assert!(stage.until(60 * SECOND, is_available), "order {order}");
        let everything = world
            .coverage
            .count("a resumption was answered with everything");
        assert_eq!(everything, 1, "order {order}");
        assert_eq!(world.broken(), None, "order {order}");
    }
}

/// Writes the history of the one download anew, as the first build would have written it: entries of version 1 and a head
/// with the names of then.
fn as_the_first_build_wrote_it(world: &World) {
    let store = &world.history;
    let rows = store.read(ID, 0, None).now_or_never().expect("at once");
    let entries: Vec<String> = rows
        .expect("a store in memory")
        .into_iter()
        .map(|row| {
            row.text
                .replace(r#""version":2,"#, r#""version":1,"#)
                .replace(r#""transfer":"#, r#""try":"#)
                .replace(r#""retries":"#, r#""try":"#)
        })
        .collect();
    let state = Download::fold(ID, entries.iter().map(String::as_str));
    assert!(is(world, |known| *known == state));
    let head = state
        .encode()
        .replace(r#""retries":"#, r#""failedRounds":"#)
        .replace(r#""number":"#, r#""try":"#);
    assert_eq!(Download::decode(&head), None);
    let forgotten = store.forget(ID, state.seq).now_or_never();
    forgotten.expect("at once").expect("nobody else writes");
    let append = Append {
        download: ID.to_owned(),
        expected: 0,
        entries,
        head,
        links: Links::Keep,
    };
    let appended = store.append(&append).now_or_never();
    appended.expect("at once").expect("nobody else writes");
}

#[test]
fn a_download_that_the_first_build_began_is_ended_by_this_one() {
    let mut stage = stage(scenery(), 1);
    let world = Rc::clone(&stage.world);
    let first = pages::open(&world);
    pages::request(&world, first, &world.scenery.wanted[0].spec);
    assert!(stage.until(20 * SECOND, |world| is(world, |of| of.stored > 0)));
    pages::crash(&world, first);
    as_the_first_build_wrote_it(&world);
    pages::open(&world);
    assert!(stage.until(60 * SECOND, is_available));
    assert_eq!(world.broken(), None);
    let rows = world.history.read(ID, 0, None).now_or_never();
    let rows = rows.expect("at once").expect("a store in memory");
    let versions: Vec<bool> = rows
        .iter()
        .map(|row| row.text.contains(r#""version":1"#))
        .collect();
    assert!(versions[0] && !versions[versions.len() - 1]);
    assert!(rows.iter().all(|row| Entry::decode(&row.text).is_ok()));
}
