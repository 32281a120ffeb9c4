//! Pages as people use them: in a browser, by keyboard and pointer, with nothing known of how they are made.

mod console;
mod election;

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use peers::Browser;
use thirtyfour::{ChromiumLikeCapabilities, error::WebDriverErrorInner, prelude::*};

/// How long a walk waits for something to be seen. Machines that run tests are busy.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Somebody in front of a browser of their own.
pub(crate) struct Walker {
    pub(crate) page: WebDriver,
    browser: Arc<Browser>,
}

impl Walker {
    /// Opens a browser as large as a desktop's window.
    pub(crate) async fn new() -> Self {
        Self::with(Arc::new(Browser::start().expect("a browser"))).await
    }

    /// Somebody else, on a device that knows nothing of the first.
    pub(crate) async fn another(&self) -> Self {
        Self::with(self.browser.clone()).await
    }

    async fn with(browser: Arc<Browser>) -> Self {
        let mut wanted = DesiredCapabilities::chrome();
        for argument in Browser::arguments() {
            wanted.add_arg(argument).expect("an argument");
        }
        let address = format!("http://{}", browser.address);
        let page = loop {
            match WebDriver::new(&address, wanted.clone()).await {
                Ok(page) => break page,
                // It takes a moment to listen.
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        page.set_window_rect(0, 0, 1200, 1000).await.expect("a window");
        Self { page, browser }
    }

    pub(crate) async fn go(&self, address: &str) {
        self.page.goto(address).await.expect("the page opens");
    }

    /// Waits for an element and gives it.
    pub(crate) async fn see(&self, css: &str) -> WebElement {
        let found = self.page.query(By::Css(css)).wait(PATIENCE, LOOK_EVERY).first().await;
        match found {
            Ok(found) => found,
            Err(_) => panic!("{css} is not to be seen; the page says:\n{}", self.text().await),
        }
    }

    /// Waits until the page says this.
    pub(crate) async fn read(&self, text: &str) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while !self.text().await.contains(text) {
            assert!(
                tokio::time::Instant::now() < until,
                "{text:?} is not to be read; the page says:\n{}",
                self.text().await
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(crate) async fn text(&self) -> String {
        let script = "return document.body ? document.body.innerText : ''";
        let said = self.page.execute(script, Vec::new()).await.expect("the page has text");
        said.convert().unwrap_or_default()
    }

    /// Presses the button or link that says this.
    pub(crate) async fn press(&self, text: &str) {
        let path = format!(
            "//*[self::button or self::a or self::summary][not(@disabled)][contains(normalize-space(.), {text:?})]"
        );
        self.click(By::XPath(&path), &format!("nothing to press says {text:?}")).await;
    }

    /// Presses an element.
    pub(crate) async fn press_at(&self, css: &str) {
        self.click(By::Css(css), &format!("{css} is not to be seen")).await;
    }

    /// Finds an element and clicks it: once more, if the page has drawn itself anew in between.
    async fn click(&self, by: By, otherwise: &str) {
        loop {
            let found = self.page.query(by.clone()).wait(PATIENCE, LOOK_EVERY).first().await;
            let Ok(found) = found else { panic!("{otherwise}; the page says:\n{}", self.text().await) };
            let clicked = match found.scroll_into_view().await {
                Ok(()) => found.click().await,
                Err(error) => Err(error),
            };
            match clicked {
                Ok(()) => return,
                Err(error) if matches!(*error, WebDriverErrorInner::StaleElementReference(_)) => {}
                Err(error) => panic!("{otherwise}, or it cannot be pressed: {error}"),
            }
        }
    }

    /// Fills in a field, by its identifier.
    pub(crate) async fn fill(&self, id: &str, text: &str) {
        self.fill_at(&format!("[id={id:?}]"), text).await;
    }

    /// Fills in a field.
    pub(crate) async fn fill_at(&self, css: &str, text: &str) {
        let field = self.see(css).await;
        field.clear().await.expect("it can be emptied");
        field.send_keys(text).await.expect("it takes text");
    }

    /// Chooses what a list calls so.
    pub(crate) async fn choose(&self, css: &str, value: &str) {
        self.press_at(&format!("{css} option[value={value:?}]")).await;
    }

    /// Chooses the radio button or box that is labelled so.
    pub(crate) async fn mark(&self, label: &str) {
        let path = format!("//label[normalize-space(.)={label:?}]");
        self.click(By::XPath(&path), &format!("nothing is labelled {label:?}")).await;
    }

    /// An attribute of an element that is to be seen.
    pub(crate) async fn told(&self, css: &str, attribute: &str) -> String {
        let found = self.see(css).await.attr(attribute).await.expect("it is still there");
        found.unwrap_or_else(|| panic!("{css} has no {attribute}"))
    }

    /// Keeps a picture of the whole page, for whoever wants to look, where `HOLDFAST_PICTURES` says.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("HOLDFAST_PICTURES").map(PathBuf::from) else { return };
        fs::create_dir_all(&folder).expect("a folder for pictures");
        let picture = self.page.screenshot_as_png().await.expect("a picture");
        fs::write(folder.join(format!("{name}.png")), picture).expect("the picture is kept");
    }

    /// Closes the browser.
    pub(crate) async fn leave(self) {
        self.page.clone().quit().await.expect("the browser closes");
    }
}

impl Drop for Walker {
    fn drop(&mut self) {
        // Left as it is when a walk has failed: closing it here would wait for an answer that this thread has to read. The
        // driver ends it.
        drop(self.page.clone().leak());
    }
}
