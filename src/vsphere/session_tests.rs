//! Tests of sessions: beginning, ending, being forgotten.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::testing::{COOKIE as SET_COOKIE, fake, fault, returns, session, session_with, usual};
use super::*;

fn time(session: &Session) -> Result<()> {
    let instance = Moref::new("ServiceInstance", "ServiceInstance");
    session.call("asking", |_| Ok(Request::new("CurrentTime", &instance)), |_| Ok(()))
}

#[test]
fn a_session_begins_with_the_first_call_and_ends_with_a_logout() {
    let (session, fake) = session(|method, request| {
        let with_cookie = request.contains("\r\nCookie: vmware_soap_session=\"c0ffee\"\r\n");
        assert_eq!(with_cookie, !matches!(method, "RetrieveServiceContent" | "Login"), "{method}");
        assert!(
            request.contains("\r\nSOAPAction: \"urn:vim25/6.7\"\r\n")
                && request.contains("\r\nHost: vc.test\r\n")
        );
        if method == "Login" {
            assert!(
                request.contains("<userName>root</userName><password>p&lt;&amp;&gt;w</password>"),
                "{request}"
            );
        }
        usual(method, true).unwrap()
    });
    assert!(fake.calls.lock().unwrap().is_empty(), "nothing is sent before it is needed");
    assert!(session.content().unwrap().is_vcenter);
    time(&session).unwrap();
    session.end();
    let calls = fake.calls.lock().unwrap().clone();
    assert_eq!(calls, ["RetrieveServiceContent", "Login", "CurrentTime", "Logout"]);
    assert_eq!(*fake.dials.lock().unwrap(), 1);
}

#[test]
fn a_wrong_password_is_told_with_the_place_and_without_the_password() {
    let (session, _) = session(|method, _| match method {
        "Login" => {
            fault("InvalidLogin", "Cannot complete login due to an incorrect user name or password.", "")
        }
        _ => usual(method, false).unwrap(),
    });
    let error = session.content().unwrap_err();
    assert_eq!(error.kind(), Kind::NoPermission);
    let text = error.to_string();
    assert!(text.starts_with("logging in to server 'vc.test' port 443: user 'root': "), "{text}");
    assert!(text.contains("InvalidLogin") && !text.contains("p<&>w"), "{text}");
    assert!(!format!("{session:?}").contains("p<&>w"));
}

#[test]
fn a_forgotten_session_begins_anew() {
    let left = AtomicUsize::new(1);
    let (session, fake) = session(move |method, _| match method {
        "CurrentTime" if left.load(Ordering::SeqCst) > 0 => {
            left.fetch_sub(1, Ordering::SeqCst);
            fault("NotAuthenticated", "The session is not authenticated.", "")
        }
        _ => usual(method, true).unwrap(),
    });
    session.content().unwrap();
    time(&session).unwrap();
    let calls = fake.calls.lock().unwrap().clone();
    assert_eq!(calls, ["RetrieveServiceContent", "Login", "CurrentTime", "Login", "CurrentTime"]);
}

#[test]
fn a_server_that_forgets_at_once_is_not_asked_for_ever() {
    let (session, fake) = session(|method, _| match method {
        "CurrentTime" => fault("NotAuthenticated", "The session is not authenticated.", ""),
        _ => usual(method, true).unwrap(),
    });
    session.content().unwrap();
    assert_eq!(time(&session).unwrap_err().kind(), Kind::NotLoggedIn);
    assert_eq!(fake.calls.lock().unwrap().len(), 5);
}

#[test]
fn a_connection_that_the_server_closed_is_made_again() {
    let mut server = fake(|method, _| usual(method, true).unwrap());
    server.requests_each = 2;
    let login = Login::Password { user: "u".to_owned(), password: Secret::new(b"") };
    let (session, fake) = session_with(login, server);
    for _ in 0..3 {
        time(&session).unwrap();
    }
    assert_eq!(*fake.dials.lock().unwrap(), 3);
}

#[test]
fn a_session_of_somebody_else_is_used_and_left_alone() {
    let answer = |inside: &'static str| {
        move |method: &str, request: &str| match method {
            "RetrievePropertiesEx" => {
                assert!(request.contains("\r\nCookie: vmware_soap_session=\"beef\"\r\n"), "{request}");
                (200, "", returns(method, inside))
            }
            _ => usual(method, true).unwrap(),
        }
    };
    let known = "<returnval><objects><obj type=\"SessionManager\">SessionManager</obj><propSet>\
                 <name>currentSession</name><val><key>k</key></val></propSet></objects></returnval>";
    let cookie = || Secret::new(b"beef");
    let (session, calls) = session_with(Login::Cookie { cookie: cookie(), then: None }, fake(answer(known)));
    time(&session).unwrap();
    session.end();
    assert_eq!(
        *calls.calls.lock().unwrap(),
        ["RetrieveServiceContent", "RetrievePropertiesEx", "CurrentTime"]
    );

    let unknown =
        "<returnval><objects><obj type=\"SessionManager\">SessionManager</obj></objects></returnval>";
    let (session, _) = session_with(Login::Cookie { cookie: cookie(), then: None }, fake(answer(unknown)));
    assert_eq!(time(&session).unwrap_err().kind(), Kind::NotLoggedIn);

    let then = Some(("u".to_owned(), Secret::new(b"p")));
    let (session, calls) = session_with(Login::Cookie { cookie: cookie(), then }, fake(answer(unknown)));
    time(&session).unwrap();
    drop(session);
    assert_eq!(calls.calls.lock().unwrap().last().map(String::as_str), Some("Logout"));
}

#[test]
fn an_idle_session_is_kept() {
    let mut server = fake(|method, _| usual(method, true).unwrap());
    server.requests_each = usize::MAX;
    let login = Login::Password { user: "u".to_owned(), password: Secret::new(b"") };
    let (mut session, fake) = session_with(login, server);
    Arc::get_mut(&mut session.inner).unwrap().server.idle_limit = Duration::from_millis(1);
    session.content().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !fake.calls.lock().unwrap().contains(&"CurrentTime".to_owned()) {
        assert!(Instant::now() < end, "no call keeps the session");
        std::thread::sleep(Duration::from_millis(1));
    }
    session.end();
    let calls = fake.calls.lock().unwrap().len();
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(fake.calls.lock().unwrap().len(), calls, "nothing is sent after the end");
}

#[test]
fn servers_that_do_not_serve_are_told_apart() {
    for (status, kind) in [(503, Kind::HostUnavailable), (404, Kind::ServerFault), (403, Kind::NoPermission)]
    {
        let (session, _) = session(move |_, _| (status, "", String::new()));
        assert_eq!(session.content().unwrap_err().kind(), kind, "{status}");
    }
    let (session, _) = session(|method, _| match method {
        "Login" => (200, "", returns(method, "")),
        _ => usual(method, true).unwrap(),
    });
    assert_eq!(session.content().unwrap_err().kind(), Kind::ServerFault, "a login without {SET_COOKIE}");
}

#[test]
fn cookies_are_taken_in_every_form() {
    let whole = |text: &[u8]| whole_cookie(&Secret::new(text)).map(|cookie| cookie.bytes().to_vec());
    for form in [&b"ab"[..], b"\"ab\"", b"vmware_soap_session=\"ab\"", b" ab\n"] {
        assert_eq!(whole(form).unwrap(), b"vmware_soap_session=\"ab\"");
    }
    for bad in [&b""[..], b"a;b", b"a\r\nX: y"] {
        assert_eq!(whole(bad).unwrap_err().kind(), Kind::InvalidArgument);
    }
    assert_eq!(authority("fe80::1", 8443), "[fe80::1]:8443");
    assert_eq!(authority("vc", 443), "vc");
}
