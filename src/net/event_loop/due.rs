//! Turns of connections for which no event comes: at a deadline, and when there is memory again for an upload.

use crate::net::event_loop::EventLoop;

/// Entries of closed connections that may stay in the heap of deadlines and in the queue for memory.
/// Without this margin a loop with few connections would clean up again and again.
pub(super) const STALE_ENTRIES: usize = 1024;

impl EventLoop {
    pub(super) fn handle_deadlines(&mut self) {
        // All are taken out before the first is served. A connection that enters a deadline for this very moment waits
        // for the next turn of the loop, so this function always ends.
        let mut due = Vec::new();
        while let Some(entry) = self.deadlines.take_due(self.context.now) {
            due.push(entry);
        }
        for (id, at) in due {
            self.serve(id, |connection, context| {
                // The connection has a newer entry, so this one does not count.
                if connection.deadline_entry != Some(at) {
                    return Ok(());
                }
                connection.deadline_entry = None;
                connection.time_is_up(context)
            });
        }
    }

    /// Gives turns to uploads that wait for memory, as long as there is some. Who has waited longest comes first.
    pub(super) fn resume_uploads(&mut self) {
        // Clients may come and go while the disk hangs.
        if self.waiting.len() > 2 * self.connections.len() + STALE_ENTRIES {
            self.waiting.retain(|id| self.connections.get(*id).is_some());
        }
        // Once around: those that find none are queued again.
        for _ in 0..self.waiting.len() {
            if self.context.upload_memory.wait(&self.waker) {
                return;
            }
            if let Some(id) = self.waiting.pop_front() {
                self.serve(id, |connection, context| {
                    connection.leave_memory_queue();
                    connection.turn(context)
                });
            }
        }
        // Given back since they were queued.
        if !self.waiting.is_empty() && !self.context.upload_memory.wait(&self.waker) {
            let _ = self.waker.wake();
        }
    }
}
