use crate::{complaint::Complaint, options::Options};
pub(crate) fn run(options: Options) -> Result<(), Complaint> { eprintln!("{options:#?}"); Ok(()) }
