//! The flame graph page in a browser.

use serde_json::json;
use std::ops::{Deref, DerefMut};
use std::path::Path;

/// A page with a flame graph.
pub(crate) struct FlamePage(ungil_tests::BrowserPage);

impl Deref for FlamePage {
    type Target = ungil_tests::BrowserPage;

    fn deref(&self) -> &ungil_tests::BrowserPage {
        &self.0
    }
}

impl DerefMut for FlamePage {
    fn deref_mut(&mut self) -> &mut ungil_tests::BrowserPage {
        &mut self.0
    }
}

impl FlamePage {
    /// Opens a file and waits until its graph is drawn.
    pub(crate) fn open(file: &Path, width: u32, scheme: &str) -> FlamePage {
        let ready = "document.documentElement?.dataset.ready && ungil.graph.boxes.length > 0";
        FlamePage(ungil_tests::BrowserPage::open(file, width, scheme, ready))
    }

    /// Presses a key, and waits until the page is redrawn.
    #[track_caller]
    pub(crate) fn press(&mut self, key: &str) {
        self.0.press(key);
        self.drawn();
    }

    /// Types a text into the focused element.
    #[track_caller]
    pub(crate) fn insert(&mut self, text: &str) {
        self.0.insert(text);
        self.drawn();
    }

    /// Chooses an option of a list.
    #[track_caller]
    pub(crate) fn choose(&mut self, id: &str, value: &str) {
        let (id, value) = (json!(id), json!(value));
        self.evaluate(&format!(
            "{{ const s = document.getElementById({id}); s.value = {value}; s.dispatchEvent(new Event('change')); }}"
        ));
        self.drawn();
    }

    /// Waits until pending drawing is done.
    #[track_caller]
    pub(crate) fn drawn(&mut self) {
        self.wait_until("!ungil.graph.queued");
    }

    /// Returns the names of the drawn boxes, each with its share of the graph's width in per mille.
    #[track_caller]
    pub(crate) fn boxes(&mut self) -> Vec<(String, i64)> {
        let all = self.evaluate(
            "ungil.graph.boxes.filter(b => b.node).map(b => [ungil.profile.describe(b.node.key).name, \
             Math.round(1000 * b.w / ungil.graph.scroll.clientWidth)])",
        );
        let all = all.as_array().unwrap().iter();
        let mut all: Vec<(String, i64)> =
            all.map(|b| (b[0].as_str().unwrap().into(), b[1].as_i64().unwrap())).collect();
        all.sort();
        all
    }
}
