//! The requests of a background job.

use longhaul_core::PartRequest;

use crate::net::{Ask, request};
use longhaul_runner::links::FullUrls;

/// The requests of a job, one for each part, in the order in which the browser is to ask for them.
pub fn requests(
    parts: &[(u32, PartRequest)],
    full: &FullUrls,
    secret_params: &[String],
) -> Result<Vec<web_sys::Request>, wasm_bindgen::JsValue> {
    placed(parts)
        .map(|(resource, part)| {
            let url = part.url(full.url(*resource), secret_params);
            let ask = Ask {
                range: part.range_asked(),
                ..Ask::default()
            };
            request(&url, &ask)
        })
        .collect()
}

/// Items in the places of a list that make Chromium take them in their order: it takes requests in the text order of
/// their numbers in the list (0, 1, 10, 11, 2), whatever their URLs (measured).
fn placed<T>(items: &[T]) -> impl Iterator<Item = &T> {
    let mut held_at = vec![0; items.len()];
    for (item, place) in text_order(items.len()).into_iter().enumerate() {
        held_at[place] = item;
    }
    held_at.into_iter().map(|item| &items[item])
}

/// The numbers below `count`, sorted as texts.
fn text_order(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count.min(1)).collect();
    let mut next = 1;
    while order.len() < count {
        order.push(next);
        if next * 10 < count {
            next *= 10;
            continue;
        }
        while next % 10 == 9 || next + 1 >= count.max(2) {
            next /= 10;
        }
        next += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_in_the_text_order_of_their_places_requests_are_in_order() {
        for count in [0, 1, 2, 9, 10, 11, 12, 99, 100, 101, 500, 1234] {
            let items: Vec<usize> = (0..count).collect();
            let list: Vec<usize> = placed(&items).copied().collect();
            let mut places: Vec<usize> = (0..count).collect();
            places.sort_by_key(usize::to_string);
            let taken: Vec<usize> = places.iter().map(|place| list[*place]).collect();
            assert_eq!(taken, items, "{count}");
        }
    }
}
