//! How many requests may be in flight. A host that has no memory left halves it; its answers let it grow again, by
//! one request each time that as many as fit into it were answered.

/// The window of one disk.
#[derive(Debug)]
pub(super) struct Window {
    most: usize,
    size: usize,
    /// Answers since it changed.
    answers: usize,
    /// Refusals of requests with lower numbers are about a window that has been halved since.
    halved_at: u64,
}

impl Window {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, size: most, answers: 0, halved_at: 0 }
    }

    /// Requests that may be in flight.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The host had no memory for request `number` of the `sent` ones; whether that made the window smaller.
    pub(super) fn refused(&mut self, number: u64, sent: u64) -> bool {
        if number < self.halved_at {
            return false;
        }
        let before = self.size;
        self.size = (self.size / 2).max(1);
        self.answers = 0;
        self.halved_at = sent;
        self.size < before
    }

    /// A request was answered.
    pub(super) fn answered(&mut self) {
        if self.size == self.most {
            return;
        }
        self.answers += 1;
        if self.answers >= self.size {
            self.answers = 0;
            self.size += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_halved_once_for_all_that_was_in_flight_and_grows_again() {
        let mut window = Window::new(16);
        // Requests 0 to 15 are in flight; the host refuses all of them.
        assert!(window.refused(3, 16));
        for number in 4..16 {
            assert!(!window.refused(number, 16));
        }
        assert_eq!(window.size(), 8);
        assert!(window.refused(16, 20));
        assert_eq!(window.size(), 4);
        let mut answers = 0;
        while window.size() < 16 {
            window.answered();
            answers += 1;
        }
        assert_eq!(answers, (4..16).sum::<u32>(), "one more each time that it was filled");
        for _ in 0..100 {
            window.answered();
        }
        assert_eq!(window.size(), 16, "never more than was asked for");
    }

    #[test]
    fn one_request_is_always_possible() {
        assert_eq!(Window::new(0).size(), 1);
        let mut window = Window::new(2);
        for number in 0..5 {
            window.refused(number, number + 1);
            assert_eq!(window.size(), 1);
        }
    }
}
