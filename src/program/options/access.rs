//! Checks of the options about passwords and trusted proxies that only make sense together.

use barewire::service::Credentials;

use crate::program::error::{StartError, TEXTS};
use crate::program::options::{AuthFor, Options, Origins, definition::command, example, wrong_usage};

impl Origins<'_> {
    /// Passwords, and what they are needed for.
    pub(super) fn check_access(&self, options: &mut Options) -> Result<(), StartError> {
        let access = &mut options.access;
        // Taken out of the options, so that no password in clear outlives this function.
        access.is_visible = self.is_typed("auth");
        access.credentials = self.credentials(&std::mem::take(&mut access.auth))?;
        let has_users = access.auth_file.is_some() || !access.credentials.is_empty();
        access.password_for = has_users.then(|| access.auth_for.unwrap_or(AuthFor::All));
        let password_for = access.password_for;
        // The user expects a password, so do not start without one.
        if access.auth_for.is_some() && password_for.is_none() {
            return Err(wrong_usage("no password", &[("name", &self.name("auth_for"))]));
        }
        // Without a right to change files the password would never be asked for, and its owner would not notice.
        if password_for == Some(AuthFor::Write) && options.write.option().is_none() {
            return Err(wrong_usage("no changes", &[("name", &self.name("auth_for"))]));
        }
        // `*` says that every page may read, the password that only some people may: one of them is a mistake.
        if password_for.is_some() && options.files.cors.as_deref() == Some("*") {
            let auth = self.name(if access.auth_file.is_some() { "auth_file" } else { "auth" });
            return Err(wrong_usage("open and closed", &[("cors", &self.name("cors")), ("auth", &auth)]));
        }
        Ok(())
    }

    /// The users of `--auth`, one a line. No error repeats the text, since there is a password in it.
    fn credentials(&self, texts: &[String]) -> Result<Credentials, StartError> {
        let name = self.name("auth");
        let failed = |text, values| Err(wrong_usage(text, values).advising(example(&command(), "--auth")));
        let mut credentials = Credentials::new();
        for text in texts {
            let is_list = text.lines().nth(1).is_some();
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
                if let Err(error) = credentials.add(line) {
                    return match is_list {
                        true => {
                            failed("bad password line", &[("name", &name), ("line", &(at + 1)), ("reason", &error)])
                        }
                        false => failed("bad password", &[("name", &name), ("reason", &error)]),
                    };
                }
            }
        }
        if credentials.is_empty() && !texts.is_empty() {
            // A variable that is set but holds no user is a mistake: the user relies on a password.
            let reason = TEXTS.say("no users", &[]);
            return failed("bad password", &[("name", &name), ("reason", &reason)]);
        }
        Ok(credentials)
    }

    /// `--trust`, and what of the trusted proxies is believed.
    pub(super) fn check_trust(&self, options: &Options) -> Result<(), StartError> {
        let access = &options.access;
        let given = [("trust_field", access.trust_field.is_some()), ("proxy_protocol", access.proxy_protocol)];
        let mut names = given.into_iter().filter(|(_, is_given)| *is_given).map(|(id, _)| self.name(id));
        let Some(name) = names.next() else { return Ok(()) };
        // Only one source: a proxy passes on the others as its clients send them.
        if let Some(other) = names.next() {
            return Err(wrong_usage("two sources", &[("field", &name), ("header", &other)]));
        }
        // Without a trusted peer it has no effect.
        match access.trust.concat().is_empty() {
            true => Err(wrong_usage("no trust", &[("name", &name)])),
            false => Ok(()),
        }
    }
}
