//! Which image the present thread is at.
//!
//! A registry's client blocks, and tells of retries on the thread that asked: this says for which image.

use std::cell::RefCell;

thread_local! {
    static IMAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The present thread is at an image until this is dropped.
pub(crate) struct AtWork {
    before: Option<String>,
}

/// Says which image the present thread is at.
pub(crate) fn on(image: &str) -> AtWork {
    AtWork {
        before: IMAGE.replace(Some(image.to_owned())),
    }
}

/// Tells of something on the present thread, with the image that it is at.
pub(crate) fn tell<T>(tell: impl FnOnce(Option<&str>) -> T) -> T {
    let image = IMAGE.with_borrow(Clone::clone);
    tell(image.as_deref())
}

impl Drop for AtWork {
    fn drop(&mut self) {
        IMAGE.set(self.before.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_at_the_image_that_it_took_up_last_and_has_not_left() {
        let now = || tell(|image| image.map(str::to_owned));
        assert_eq!(now(), None);
        let outer = on("a");
        {
            let _inner = on("b");
            assert_eq!(now().as_deref(), Some("b"));
            assert_eq!(
                std::thread::spawn(|| tell(|image| image.is_none())).join().ok(),
                Some(true)
            );
        }
        assert_eq!(now().as_deref(), Some("a"));
        drop(outer);
        assert_eq!(now(), None);
    }
}
