//! The image that the present thread works on.
//!
//! A registry's client blocks, and tells of retries on the thread that asked: this says for which image.

use std::cell::RefCell;

thread_local! {
    static IMAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Restores the thread's earlier image when it is dropped.
pub(crate) struct CurrentImage {
    before: Option<String>,
}

/// Sets the image that the present thread works on.
pub(crate) fn set(image: &str) -> CurrentImage {
    CurrentImage {
        before: IMAGE.replace(Some(image.to_owned())),
    }
}

/// Calls `tell` with the image that the present thread works on.
pub(crate) fn with<T>(tell: impl FnOnce(Option<&str>) -> T) -> T {
    let image = IMAGE.with_borrow(Clone::clone);
    tell(image.as_deref())
}

impl Drop for CurrentImage {
    fn drop(&mut self) {
        IMAGE.set(self.before.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_at_the_image_that_it_took_up_last_and_has_not_left() {
        let now = || with(|image| image.map(str::to_owned));
        assert_eq!(now(), None);
        let outer = set("a");
        {
            let _inner = set("b");
            assert_eq!(now().as_deref(), Some("b"));
            assert_eq!(
                std::thread::spawn(|| with(|image| image.is_none())).join().ok(),
                Some(true)
            );
        }
        assert_eq!(now().as_deref(), Some("a"));
        drop(outer);
        assert_eq!(now(), None);
    }
}
