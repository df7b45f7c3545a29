//! The smaller surfaces of the browser: locks, the channel, hashing, fetch, timers, exceptions.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::{Either, join, select};
use js_sys::{Array, Uint8Array};
use longhaul_browser::channel::{self, Channel};
use longhaul_browser::hash::sha256;
use longhaul_browser::js::Exception;
use longhaul_browser::net::{Ask, fetch, now_ms, online, sleep, until_online};
use longhaul_browser::{locks, trace};
use longhaul_runner::errors::{HashError, LockError, NetError};
use longhaul_runner::once;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Blob, BroadcastChannel};

use super::{Outcome, cases, ensure, ensure_eq};

cases! {
    /// Runs one case; the name is for its lock or channel.
    fn run(name: &str) {
        a_lock_has_one_owner_until_its_guard_is_dropped,
        waiting_for_a_lock_can_be_aborted,
        a_waiter_that_gave_up_does_not_keep_the_lock,
        waiters_are_served_in_order,
        a_channel_says_read_again_to_all_others_of_its_name,
        a_channel_ignores_what_it_does_not_understand,
        a_closed_channel_is_silent,
        hashes_are_those_of_the_standard,
        a_hash_streams_and_reports_its_progress,
        hashing_can_be_cancelled,
        hashing_lets_other_work_run,
        a_stream_that_fails_has_no_hash,
        an_answer_is_plain_data_beside_its_body,
        a_range_is_asked_for,
        an_error_of_the_network_holds_no_address,
        a_fetch_can_be_aborted,
        a_timer_waits_and_can_be_dropped,
        an_offline_browser_is_waited_for_and_an_online_one_is_not,
        whatever_is_thrown_becomes_plain_data,
        traces_are_installed_once,
    }
}

fn lock_error(error: &LockError) -> String {
    format!("no lock: {error}")
}

async fn a_lock_has_one_owner_until_its_guard_is_dropped(name: &str) -> Outcome {
    ensure!(locks::supported(), "this browser has no Web Locks");
    let guard = locks::acquire(name, None)
        .await
        .map_err(|error| lock_error(&error))?;
    ensure_eq!(locks::is_held(name).await, Ok(true), "held");
    ensure!(
        locks::try_acquire(name)
            .await
            .map_err(|error| lock_error(&error))?
            .is_none(),
        "a second owner"
    );
    let other = locks::try_acquire(&format!("{name} other"))
        .await
        .map_err(|error| lock_error(&error))?;
    ensure!(other.is_some(), "another lock was not to be had");
    let waiting = locks::acquire(name, None);
    let dropping = async { drop(guard) };
    let (second, ()) = join(waiting, dropping).await;
    drop(second.map_err(|error| lock_error(&error))?);
    let third = locks::acquire(name, None)
        .await
        .map_err(|error| lock_error(&error))?;
    drop(third);
    Ok(())
}

async fn waiting_for_a_lock_can_be_aborted(name: &str) -> Outcome {
    let guard = locks::acquire(name, None)
        .await
        .map_err(|error| lock_error(&error))?;
    let controller = AbortController::new().map_err(|_| "no AbortController")?;
    let signal = controller.signal();
    let abort = async { controller.abort_with_reason(&"a reason of any kind".into()) };
    let (waited, ()) = join(locks::acquire(name, Some(&signal)), abort).await;
    ensure_eq!(
        waited.err(),
        Some(LockError::Aborted),
        "aborted while waiting"
    );
    ensure_eq!(
        locks::acquire(name, Some(&signal)).await.err(),
        Some(LockError::Aborted),
        "aborted before"
    );
    drop(guard);
    drop(
        locks::acquire(name, None)
            .await
            .map_err(|error| lock_error(&error))?,
    );
    Ok(())
}

async fn a_waiter_that_gave_up_does_not_keep_the_lock(name: &str) -> Outcome {
    let guard = locks::acquire(name, None)
        .await
        .map_err(|error| lock_error(&error))?;
    {
        let waiting = std::pin::pin!(locks::acquire(name, None));
        ensure!(
            matches!(
                select(waiting, std::future::ready(())).await,
                Either::Right(_)
            ),
            "a second owner"
        );
    }
    drop(guard);
    drop(
        locks::acquire(name, None)
            .await
            .map_err(|error| lock_error(&error))?,
    );
    Ok(())
}

async fn waiters_are_served_in_order(name: &str) -> Outcome {
    let order = RefCell::new(Vec::new());
    let turn = |number: u32| {
        let order = &order;
        async move {
            let guard = locks::acquire(name, None)
                .await
                .map_err(|error| lock_error(&error))?;
            order.borrow_mut().push(number);
            drop(guard);
            Ok::<(), String>(())
        }
    };
    for outcome in futures_util::future::join_all((0..5).map(turn)).await {
        outcome?;
    }
    ensure_eq!(*order.borrow(), [0, 1, 2, 3, 4], "order");
    Ok(())
}

type Heard = Rc<RefCell<Vec<Option<String>>>>;

/// A channel that writes down what it hears.
fn listening(name: &str) -> Result<(Channel, Heard), String> {
    let heard = Heard::default();
    let writing = heard.clone();
    let channel = Channel::open(name, move |download| writing.borrow_mut().push(download));
    Ok((
        channel.ok_or("this browser has no BroadcastChannel")?,
        heard,
    ))
}

/// Waits until a message that is posted now has reached everybody, and so everything posted before.
async fn delivered(name: &str) -> Outcome {
    let (done, arrived) = once::channel();
    let mut done = Some(done);
    let _last = Channel::open(name, move |download| {
        if download.as_deref() == Some("last")
            && let Some(done) = done.take()
        {
            let _ = done.send(());
        }
    });
    let sender = Channel::open(name, |_| {}).ok_or("this browser has no BroadcastChannel")?;
    sender.post(Some("last"));
    arrived.await.ok_or_else(|| "the channel was closed".into())
}

async fn a_channel_says_read_again_to_all_others_of_its_name(name: &str) -> Outcome {
    let (first, own) = listening(name)?;
    let (_second, other) = listening(name)?;
    let (_stranger, nothing) = listening(&format!("{name} stranger"))?;
    first.post(Some("m"));
    first.post(None);
    delivered(name).await?;
    let last = Some(String::from("last"));
    ensure_eq!(
        *other.borrow(),
        [Some("m".into()), None, last.clone()],
        "heard by the other"
    );
    ensure_eq!(*own.borrow(), [last], "heard by the sender");
    ensure!(
        nothing.borrow().is_empty(),
        "a channel of another name heard something"
    );
    Ok(())
}

async fn a_channel_ignores_what_it_does_not_understand(name: &str) -> Outcome {
    let (_channel, heard) = listening(name)?;
    let raw =
        BroadcastChannel::new(&format!("longhaul/{name}")).map_err(|_| "no BroadcastChannel")?;
    let wrong_name = channel::message("another", Some("m"));
    let wrong_id = channel::message(name, None);
    longhaul_browser::js::set(&wrong_id, "download", &JsValue::from(5));
    let no_name = js_sys::Object::new();
    let odd = [
        JsValue::UNDEFINED,
        JsValue::NULL,
        JsValue::from(5),
        JsValue::from_str("read again"),
        JsValue::TRUE,
        Array::new().into(),
        no_name.into(),
        wrong_name,
        wrong_id,
        js_sys::Date::new_0().into(),
    ];
    for message in odd {
        raw.post_message(&message).map_err(|_| "not posted")?;
    }
    raw.post_message(&channel::message(name, Some("m")))
        .map_err(|_| "not posted")?;
    delivered(name).await?;
    raw.close();
    ensure_eq!(
        *heard.borrow(),
        [Some("m".into()), Some("last".into())],
        "heard"
    );
    Ok(())
}

async fn a_closed_channel_is_silent(name: &str) -> Outcome {
    let (closed, heard) = listening(name)?;
    drop(closed);
    delivered(name).await?;
    ensure!(
        heard.borrow().is_empty(),
        "a closed channel heard something"
    );
    Ok(())
}

fn blob(bytes: &[u8]) -> Result<Blob, String> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes)))
        .map_err(|_| "no Blob".into())
}

async fn hashes_are_those_of_the_standard(_name: &str) -> Outcome {
    // FIPS 180-4, examples; the last is a million times "a".
    for (bytes, expected) in [
        (
            vec![],
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            b"abc".to_vec(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            vec![b'a'; 1_000_000],
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ] {
        let found = sha256(&blob(&bytes)?.stream(), |_| true).await;
        ensure_eq!(found.as_deref(), Ok(expected), "{} bytes", bytes.len());
    }
    Ok(())
}

async fn a_hash_streams_and_reports_its_progress(_name: &str) -> Outcome {
    let mut seen = Vec::new();
    let bytes: Vec<u8> = (0..5_000_000_u32)
        .map(|number| (number % 251).to_le_bytes()[0])
        .collect();
    let found = sha256(&blob(&bytes)?.stream(), |done| {
        seen.push(done);
        true
    })
    .await;
    ensure!(found.is_ok(), "no hash: {found:?}");
    ensure_eq!(seen.last(), Some(&5_000_000), "bytes done at the end");
    ensure!(seen.len() > 1 && seen.is_sorted(), "progress: {seen:?}");
    Ok(())
}

async fn hashing_can_be_cancelled(_name: &str) -> Outcome {
    let mut seen = 0;
    let found = sha256(&blob(&vec![0; 5_000_000])?.stream(), |done| {
        seen = done;
        false
    })
    .await;
    ensure_eq!(found, Err(HashError::Cancelled), "hash");
    ensure!((1..5_000_000).contains(&seen), "stopped after {seen} bytes");
    Ok(())
}

async fn hashing_lets_other_work_run(_name: &str) -> Outcome {
    let blob = blob(&vec![0; 40_000_000])?;
    let stream = blob.stream();
    let hashing = std::pin::pin!(sha256(&stream, |_| true));
    match select(hashing, std::pin::pin!(sleep(1))).await {
        Either::Right(((), hashing)) => ensure!(hashing.await.is_ok(), "no hash"),
        Either::Left(_) => return Err("a timer of 1 ms waited for 40 MB to be hashed".into()),
    }
    Ok(())
}

async fn a_stream_that_fails_has_no_hash(name: &str) -> Outcome {
    let store = longhaul_browser::parts::PartStore::new(name);
    // The first part may be read before it is deleted; the second is not asked for by then.
    for start in [0, 100] {
        store
            .put("f", start, &blob(&[1; 100])?)
            .await
            .map_err(|error| error.to_string())?;
    }
    let stream = store
        .compose_stream("f", 0, 200)
        .await
        .map_err(|error| error.to_string())?;
    store.delete("f").await.map_err(|error| error.to_string())?;
    let found = sha256(&stream, |_| true).await;
    ensure_eq!(found, Err(HashError::Read("Error".into())), "hash");
    Ok(())
}

/// The address of bytes that are nowhere but here.
fn local(bytes: &[u8]) -> Result<String, String> {
    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = URL, js_name = createObjectURL)]
        fn create_object_url(blob: &Blob) -> String;
    }
    Ok(create_object_url(&blob(bytes)?))
}

async fn an_answer_is_plain_data_beside_its_body(_name: &str) -> Outcome {
    let url = local(&[1, 2, 3])?;
    let (answer, response) = fetch(
        &url,
        &Ask {
            no_store: true,
            ..Ask::default()
        },
    )
    .await
    .map_err(|error| error.to_string())?;
    ensure_eq!(answer.status, 200, "status");
    ensure_eq!(answer.content_length, Some(3), "length");
    ensure!(
        !answer.redirected && answer.etag.is_none() && answer.content_range.is_none(),
        "answer: {answer:?}"
    );
    let body = response.blob().map_err(|_| "no body")?;
    let body: Blob = JsFuture::from(body)
        .await
        .map_err(|_| "no body")?
        .unchecked_into();
    ensure_eq!(body.size().to_string(), "3", "size of the body");
    Ok(())
}

async fn a_range_is_asked_for(_name: &str) -> Outcome {
    let headers = web_sys::Headers::new().map_err(|_| "no Headers")?;
    headers
        .append("Accept-Language", "tlh")
        .map_err(|_| "not appended")?;
    let ask = Ask {
        range: Some(longhaul_core::Range::new(5, 19_999_999_996)),
        headers: Some(&headers),
        ..Ask::default()
    };
    let request = longhaul_browser::net::request("https://longhaul.invalid/#part=0001", &ask)
        .map_err(|_| "no Request")?;
    ensure_eq!(
        request.headers().get("Range").ok().flatten().as_deref(),
        Some("bytes=5-20000000000"),
        "Range"
    );
    ensure_eq!(
        request
            .headers()
            .get("Accept-Language")
            .ok()
            .flatten()
            .as_deref(),
        Some("tlh"),
        "further header"
    );
    ensure_eq!(
        request.url(),
        "https://longhaul.invalid/#part=0001",
        "address"
    );
    Ok(())
}

async fn an_error_of_the_network_holds_no_address(_name: &str) -> Outcome {
    for url in [
        "https://user:secret@longhaul.invalid/secret",
        "http://127.0.0.1:1/secret?token=secret",
        "secret://",
    ] {
        match fetch(url, &Ask::default()).await {
            Ok(_) => return Err(format!("{url} was answered")),
            Err(error) => ensure!(
                !format!("{error} {error:?}").contains("secret"),
                "the error tells: {error}"
            ),
        }
    }
    Ok(())
}

async fn a_fetch_can_be_aborted(_name: &str) -> Outcome {
    let controller = AbortController::new().map_err(|_| "no AbortController")?;
    let signal = controller.signal();
    let url = local(&[1, 2, 3])?;
    let ask = Ask {
        signal: Some(&signal),
        ..Ask::default()
    };
    let abort = async { controller.abort_with_reason(&"a reason of any kind".into()) };
    let (fetched, ()) = join(fetch(&url, &ask), abort).await;
    ensure_eq!(fetched.map(|_| ()), Err(NetError::Aborted), "fetch");
    Ok(())
}

async fn a_timer_waits_and_can_be_dropped(_name: &str) -> Outcome {
    let start = now_ms();
    ensure!(start > 1_700_000_000_000, "the clock says {start}");
    let never = std::pin::pin!(sleep(u32::MAX));
    match select(never, std::pin::pin!(sleep(50))).await {
        Either::Right(_) => {}
        Either::Left(_) => return Err("a delay beyond the browser's range fired at once".into()),
    }
    // Timers may be a little early by the coarse clock.
    ensure!(
        now_ms() - start >= 45,
        "a timer of 50 ms took {} ms",
        now_ms() - start
    );
    Ok(())
}

#[wasm_bindgen(inline_js = r#"
export const pretend = (online) => Object.defineProperty(navigator, "onLine", { value: online, configurable: true });
export const pretend_no_more = () => { delete navigator.onLine; };
export const say_online = () => { globalThis.dispatchEvent(new Event("online")); };
"#)]
extern "C" {
    fn pretend(online: bool);
    fn pretend_no_more();
    fn say_online();
}

async fn an_offline_browser_is_waited_for_and_an_online_one_is_not(_name: &str) -> Outcome {
    pretend(true);
    until_online().await;
    pretend(false);
    let seen = online();
    let waited = {
        let (waiting, limit) = (std::pin::pin!(until_online()), std::pin::pin!(sleep(20)));
        matches!(select(waiting, limit).await, Either::Right(_))
    };
    let ((), ()) = join(until_online(), async { say_online() }).await;
    pretend_no_more();
    ensure!(
        !seen && waited,
        "an offline browser was taken for an online one"
    );
    Ok(())
}

async fn whatever_is_thrown_becomes_plain_data(_name: &str) -> Outcome {
    let type_error = js_sys::TypeError::new("no");
    for (thrown, name, message) in [
        (JsValue::from(type_error), "TypeError", "no"),
        (JsValue::from_str("text"), "Error", "text"),
        (JsValue::UNDEFINED, "Error", ""),
        (JsValue::NULL, "Error", ""),
        (JsValue::from(5), "Error", ""),
        (js_sys::Object::new().into(), "Error", ""),
    ] {
        ensure_eq!(
            Exception::from(thrown),
            Exception::new(name, message),
            "exception"
        );
    }
    Ok(())
}

async fn traces_are_installed_once(_name: &str) -> Outcome {
    // A second installation that reached the console's layer would trap the module.
    trace::install();
    trace::install();
    Ok(())
}
