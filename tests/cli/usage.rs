//! Wrong usage: each message says what is wrong and what to type instead.

use crate::program::{assert_error, barewire, site_folder};

#[test]
fn wrong_usage_says_what_is_wrong_and_what_to_type() {
    let folder = site_folder();
    let port = "For example:  barewire -p 9000";
    for (arguments, what, advice) in [
        (&["--port", "abc"][..], "--port takes a number from 0 to 65535, not \"abc\".", port),
        (&["-p", "65536"], "--port takes a number from 0 to 65535, not \"65536\".", port),
        (&["-p", "-1"], "--port takes a number from 0 to 65535, not \"-1\".", port),
        (&["-p", "+80"], "--port takes a number from 0 to 65535, not \"+80\".", port),
        (&["-p"], "--port needs a value.", port),
        (&["--prot", "80"], "there is no option --prot.", "Did you mean --port ?"),
        (&["--indx=a"], "there is no option --indx.", "Did you mean --index ?"),
        (&["--zzz"], "there is no option --zzz.", "See all options:  barewire -h"),
        (&["-x"], "there is no option -x.", "See all options:  barewire -h"),
        (&[""], "the path is empty.", "Serve the folder you are in:  barewire ."),
        (&["explain", ""], "the name of the file is empty.", "See all options:  barewire explain --help"),
        (
            &["site", "b"],
            "only one folder or file can be served, and \"b\" is a second one.",
            "Serve it with a second server:  barewire b",
        ),
        (
            &["--symlinks", "maybe"],
            "--symlinks does not take \"maybe\". It takes one of these words: inside, deny, any.",
            "For example:  barewire --symlinks deny",
        ),
        (
            &["-b", "localhost"],
            "--bind takes an address such as 127.0.0.1, 0.0.0.0 or ::1, not \"localhost\".",
            "For example:  barewire -b 192.168.1.20",
        ),
        (
            &["-b", "127.0.0.1:80"],
            "--bind takes an address without port, not \"127.0.0.1:80\". The option for the port is --port.",
            "For example:  barewire -b 192.168.1.20",
        ),
        (
            &["--trust", "proxy.example.org"],
            "--trust takes an address such as 192.0.2.1 or a network such as 10.0.0.0/8, not \"proxy.example.org\".",
            "For example:  barewire --trust 127.0.0.1 --trust ::1",
        ),
        (
            &["--trust", "10.0.0.0/33"],
            "--trust takes an address such as 192.0.2.1 or a network such as 10.0.0.0/8, not \"10.0.0.0/33\".",
            "For example:  barewire --trust 127.0.0.1 --trust ::1",
        ),
        (
            &["--trust", "10.0.0.1/8"],
            "--trust takes 10.0.0.1 for one address or 10.0.0.0/8 for the network, not \"10.0.0.1/8\".",
            "For example:  barewire --trust 127.0.0.1 --trust ::1",
        ),
        (
            &["--trust", "::1", "--trust-field", "x-real-ip"],
            "--trust-field does not take \"x-real-ip\". It takes one of these words: x-forwarded-for, forwarded.",
            "For example:  barewire --trust 10.0.0.0/8 --trust-field forwarded",
        ),
        (
            &["--trust-field", "forwarded"],
            "--trust-field says how proxies name their clients, but no proxy is trusted.",
            "Trust one:  barewire --trust 127.0.0.1",
        ),
        (
            &["--proxy-protocol"],
            "--proxy-protocol says how proxies name their clients, but no proxy is trusted.",
            "Trust one:  barewire --trust 127.0.0.1",
        ),
        (
            &["--trust", "::1", "--proxy-protocol", "--trust-field", "forwarded"],
            "--trust-field and --proxy-protocol both say where clients are named, and only one place is read.",
            "Leave out one of them:  barewire --trust 127.0.0.1 --proxy-protocol",
        ),
        (
            &["-b", "fe80::1"],
            "--bind takes a link-local address with its interface, such as fe80::1%eth0, not \"fe80::1\".",
            "For example:  barewire -b 192.168.1.20",
        ),
        (
            &["-b", "fe80::1%none0"],
            "--bind takes an interface of this computer after the %, not \"fe80::1%none0\".",
            "For example:  barewire -b 192.168.1.20",
        ),
        (
            &["-b", "127.0.0.1%lo"],
            "--bind takes an interface only after a link-local address, such as fe80::1%eth0, not \"127.0.0.1%lo\".",
            "For example:  barewire -b 192.168.1.20",
        ),
        (
            &["-H", "Content-Length: 5"],
            "--header may not set Content-Length: the server writes this field itself.",
            "For example:  barewire -H 'X-Robots-Tag: noindex'",
        ),
        (
            &["-H", "X: a\rY: b"],
            "--header takes a field such as 'X-Robots-Tag: noindex', not \"X: a\\rY: b\".",
            "For example:  barewire -H 'X-Robots-Tag: noindex'",
        ),
        (
            &["-H", "X: a\nY: b"],
            "--header takes one line, and no line break in it.",
            "For example:  barewire -H 'X-Robots-Tag: noindex'",
        ),
        (
            &["--head-timeout", "10"],
            "--head-timeout takes a time such as 10s, 500ms or 2m, more than 0 and up to 24h, not \"10\".",
            "For example:  barewire --head-timeout 60s",
        ),
        (
            &["--max-head", "64K"],
            "--max-head takes a size from 1K to 63K, such as 16K, not \"64K\".",
            "For example:  barewire --max-head 32K",
        ),
        (
            &["--max-body", "0"],
            "--max-body takes a size from 1 to 1024T, such as 16K, not \"0\".",
            "For example:  barewire --upload --max-body 500M",
        ),
        (
            &["--cache", "1h"],
            "--cache takes revalidate, off or a number of seconds, not \"1h\".",
            "For example:  barewire --cache 3600",
        ),
        (
            &["--lan", "-b", "::1"],
            "--lan opens every address, --bind only some: they exclude each other.",
            "Leave out one of them:  barewire --lan",
        ),
    ] {
        assert_error(&mut barewire(&folder, arguments), 2, &format!("barewire: {what}\n{advice}\n"));
    }
    assert_error(&mut barewire(&folder, &["--lan=yes"]), 2, "barewire: --lan takes no value, not even \"yes\".\n");
}

#[test]
fn options_of_the_view_mean_nothing_without_it() {
    let folder = site_folder();
    for (arguments, complaint) in [
        (
            &["--wire-port", "9001"][..],
            "--wire-port is for the view in a browser, which is off.\nSwitch it on:  barewire --study",
        ),
        (
            &["--wire", "--wire-memory", "8M"],
            "--wire-memory is for the view in a browser, which is off.\nSwitch it on:  barewire --study",
        ),
        (
            &["--study", "--wire-port", "x"],
            "--wire-port takes a number from 0 to 65535, not \"x\".\nFor example:  barewire --study --wire-port 9001",
        ),
        (
            &["--study", "--wire-memory", "1M"],
            "--wire-memory takes a size from 4M to 1G, such as 4M, not \"1M\".\nFor example:  barewire --study --wire-memory 64M",
        ),
        (
            &["-p", "9000", "--study", "--wire-port", "9000"],
            "--wire-port is the port of the server itself.\nGive it another one:  barewire -p 9000 --study --wire-port 0",
        ),
        (
            &["--study", "--lan", "--wire-secrets"],
            "--wire-secrets would show the secrets of others, so it is not possible where others can connect.\nLeave it out:  barewire --lan --wire",
        ),
    ] {
        assert_error(&mut barewire(&folder, arguments), 2, &format!("barewire: {complaint}\n"));
    }
}
