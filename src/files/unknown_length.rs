//! Files whose length is known only when they have been read: those of size 0 on FUSE.
//!
//! A program that makes its files as they are read (a document of a web service, a view of another program's state)
//! often gives them the size 0. An empty response would be wrong. So such a file is read to its end by a worker and
//! sent without a length. It has no validators, since its size and times do not change with its content, and so no
//! ranges either.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, pread, retry_on_intr};

use crate::service::Source;

/// Bytes that one read asks for: the most that FUSE reads at once without a special setting is 128 KiB.
const PIECE: usize = 128 * 1024;

/// The content of a file that has some, though its size is 0.
pub(crate) struct UnknownLength {
    file: OwnedFd,
    /// Where the next read begins.
    at: u64,
    /// Read to find out that there is content, and not sent yet.
    first: Option<Vec<u8>>,
}

impl UnknownLength {
    /// `None` if the file is empty indeed. Blocks.
    pub(crate) fn begin(file: OwnedFd) -> Result<Option<UnknownLength>, Errno> {
        let mut content = UnknownLength { file, at: 0, first: None };
        content.first = content.read()?;
        Ok(content.first.is_some().then_some(content))
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, Errno> {
        let mut piece = vec![0; PIECE];
        let count = retry_on_intr(|| pread(&self.file, &mut piece[..], self.at))?;
        piece.truncate(count);
        self.at += count as u64;
        Ok((count > 0).then_some(piece))
    }
}

impl Source for UnknownLength {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        Ok(self.read()?)
    }
}
