//! Methods by name.

use super::inventory::{DATACENTER, Names};
use super::xml::{Node, escape, time};
use super::{Answer, Call, Outcome, Refusal, collector, invalid_argument, reference, refuse, tasks};
use crate::config::Kind;
use crate::fault::Fault;
use crate::host::{Session, now};

/// What writing a disk needs.
const RANDOM_ACCESS: &str = "VirtualMachine.Provisioning.DiskRandomAccess";

/// Answers a call.
pub(super) fn answer(call: &Call<'_>) -> Outcome {
    match call.method {
        "RetrieveServiceContent" => {
            let mut body = String::new();
            service_content(call, "returnval").write(&mut body);
            return Ok(body.into());
        }
        "Fetch" if call.this.0 == "ServiceInstance" => {
            let mut body = String::new();
            if call.text("prop") == Some("content") {
                service_content(call, "content").write_any("returnval", &mut body);
            }
            return Ok(body.into());
        }
        "Login" => return login(call),
        "SessionIsActive" => {
            let active = call.host.session_of_key(call.text("sessionID").unwrap_or_default());
            return Ok(format!("<returnval>{active}</returnval>").into());
        }
        _ => {}
    }
    let Some(session) = &call.session else {
        let fields = format!(
            "<object type=\"{}\">{}</object><privilegeId>System.View</privilegeId>",
            escape(call.this.0),
            escape(call.this.1)
        );
        let text = "The session is not authenticated.".to_owned();
        return Err(Refusal { kind: "NotAuthenticated", text, fields });
    };
    match call.method {
        "Logout" => {
            call.host.logout(call.cookie);
            Ok(Answer::default())
        }
        "CurrentTime" => Ok(format!("<returnval>{}</returnval>", time(now())).into()),
        "RetrieveInternalContent" => Ok(internal_content(call)),
        "Fetch" => collector::fetch(call),
        "RetrievePropertiesEx" => collector::retrieve(call),
        "ContinueRetrievePropertiesEx" => collector::resume(call),
        "CancelRetrievePropertiesEx" | "CancelWaitForUpdates" => Ok(Answer::default()),
        "RetrieveProperties" => collector::retrieve_all(call),
        "CreatePropertyCollector" => {
            Ok("<returnval type=\"PropertyCollector\">propertyCollector</returnval>".to_owned().into())
        }
        "CreateFilter" => collector::create_filter(call),
        "DestroyPropertyFilter" => collector::destroy_filter(call),
        "DestroyPropertyCollector" => Ok(Answer::default()),
        "WaitForUpdatesEx" | "WaitForUpdates" | "CheckForUpdates" => collector::wait(call),
        "CreateContainerView" => collector::create_view(call),
        "DestroyView" => collector::destroy_view(call),
        "FindByUuid" | "FindAllByUuid" => Ok(find(call, |vm| {
            call.text("uuid").is_some_and(|uuid| vm.uuid.eq_ignore_ascii_case(uuid.trim()))
        })),
        "FindByInventoryPath" => Ok(find_by_path(call)),
        "FindByDatastorePath" => Ok(find(call, |vm| {
            let path = call.text("path").unwrap_or_default();
            let state = vm.state();
            let folder = state
                .disks
                .first()
                .and_then(|disk| disk.chain.first()?.parent().map(std::path::Path::to_owned));
            vm.datastore_path(&folder.unwrap_or_default().join(format!("{}.vmx", vm.name))) == path
        })),
        "NfcGetVmFiles" => ticket(call, false, false),
        "NfcRandomAccessOpenDisk" => ticket(call, true, true),
        "NfcRandomAccessOpenReadonly" => ticket(call, true, false),
        "NfcGetServerNfcLibVersion" => {
            host_for_access(call)?;
            Ok(format!("<returnval>{}</returnval>", call.host.config.profile.library_version()).into())
        }
        "HasPrivilegeOnEntity" => has_privileges(call, session),
        "CreateSnapshot_Task" => tasks::create_snapshot(call),
        "RemoveSnapshot_Task" => tasks::remove_snapshot(call),
        "RemoveAllSnapshots_Task" => tasks::remove_all_snapshots(call),
        "ReconfigVM_Task" => tasks::reconfigure(call),
        "QueryChangedDiskAreas" => tasks::changed_areas(call),
        "DisableMethods" => tasks::methods(call, true),
        "EnableMethods" => tasks::methods(call, false),
        method => Err(refuse(
            "InvalidRequest",
            format!("Unable to resolve WSDL method name {method} for {}", call.this.0),
        )),
    }
}

/// Ids of managers.
fn managers(call: &Call<'_>) -> [(&'static str, &'static str, &'static str); 6] {
    match call.host.config.kind {
        Kind::Vcenter => [
            ("propertyCollector", "PropertyCollector", "propertyCollector"),
            ("viewManager", "ViewManager", "ViewManager"),
            ("sessionManager", "SessionManager", "SessionManager"),
            ("authorizationManager", "AuthorizationManager", "AuthorizationManager"),
            ("searchIndex", "SearchIndex", "SearchIndex"),
            ("fileManager", "FileManager", "FileManager"),
        ],
        Kind::Esxi => [
            ("propertyCollector", "PropertyCollector", "ha-property-collector"),
            ("viewManager", "ViewManager", "ViewManager"),
            ("sessionManager", "SessionManager", "ha-sessionmgr"),
            ("authorizationManager", "AuthorizationManager", "ha-authmgr"),
            ("searchIndex", "SearchIndex", "ha-searchindex"),
            ("fileManager", "FileManager", "ha-nfc-file-manager"),
        ],
    }
}

fn service_content(call: &Call<'_>, name: &str) -> Node {
    let config = &call.host.config;
    let (product, api, line) = match config.kind {
        Kind::Vcenter => ("VMware vCenter Server", "VirtualCenter", "vpx"),
        Kind::Esxi => ("VMware ESXi", "HostAgent", "embeddedEsx"),
    };
    let version = config.profile.product();
    let about = [
        ("name", product),
        ("fullName", &format!("{product} {version} build-0 (simulated)")),
        ("vendor", "VMware, Inc."),
        ("version", version),
        ("build", "0"),
        ("localeVersion", "INTL"),
        ("localeBuild", "000"),
        ("osType", if config.kind == Kind::Vcenter { "linux-x64" } else { "vmnix-x86" }),
        ("productLineId", line),
        ("apiType", api),
        ("apiVersion", config.profile.api()),
    ];
    let about = about.iter().map(|(name, value)| Node::text(name, value)).collect();
    let mut nodes = vec![Node::object("rootFolder", ("Folder", Names::of(call.host).root))];
    let [collector, view, rest @ ..] = managers(call);
    nodes.extend([collector, view].map(|(name, kind, id)| Node::object(name, (kind, id))));
    nodes.push(Node::data("about", "AboutInfo", about));
    nodes.extend(rest.map(|(name, kind, id)| Node::object(name, (kind, id))));
    Node::data(name, "ServiceContent", nodes)
}

fn internal_content(call: &Call<'_>) -> Answer {
    let service = match call.host.config.kind {
        Kind::Vcenter => "nfcService",
        Kind::Esxi => "ha-nfc-service",
    };
    format!(
        "<returnval xsi:type=\"InternalServiceInstanceContent\"><nfcService type=\"NfcService\">{service}</nfcService>\
         </returnval>"
    )
    .into()
}

pub(super) fn user_session(name: &str, user: &str, session: &Session) -> Node {
    Node::data(
        name,
        "UserSession",
        vec![
            Node::text("key", &session.key),
            Node::text("userName", user),
            Node::text("fullName", user),
            Node::time("loginTime", session.login),
            Node::time("lastActiveTime", now()),
            Node::text("locale", "en"),
            Node::text("messageLocale", "en"),
            Node::flag("extensionSession", false),
            Node::text("ipAddress", "127.0.0.1"),
            Node::text("userAgent", ""),
            Node::int("callCount", 1),
        ],
    )
}

fn login(call: &Call<'_>) -> Outcome {
    let user = call.text("userName").unwrap_or_default();
    let made = call.host.login(user, call.text("password").unwrap_or_default());
    let (cookie, session) = made.ok_or_else(|| {
        refuse("InvalidLogin", "Cannot complete login due to an incorrect user name or password.")
    })?;
    let mut body = String::new();
    user_session("returnval", user, &session).write(&mut body);
    Ok(Answer { body, cookie: Some(cookie) })
}

/// Whether the user has privileges: all but those that the configuration takes away.
fn has_privileges(call: &Call<'_>, session: &Session) -> Outcome {
    let entity = call.child("entity").map(reference).unwrap_or_default();
    call.machine(entity)?;
    if call.text("sessionId") != Some(&session.key) {
        return Err(invalid_argument("sessionId"));
    }
    let answers = super::children(call.element, "privId").map(|privilege| {
        let has = call.host.config.has_privilege(privilege.text().unwrap_or_default().trim());
        format!("<returnval>{has}</returnval>")
    });
    Ok(answers.collect::<String>().into())
}

/// A refusal for want of a privilege on a machine.
fn no_permission(machine: &str, privilege: &str) -> Refusal {
    let fields = format!(
        "<object type=\"VirtualMachine\">{}</object><privilegeId>{}</privilegeId>",
        escape(machine),
        escape(privilege)
    );
    let text = "Permission to perform this operation was denied.".to_owned();
    Refusal { kind: "NoPermission", text, fields }
}

fn find(call: &Call<'_>, matches: impl Fn(&crate::vm::Vm) -> bool) -> Answer {
    let found = call.host.vms.iter().find(|vm| matches(vm));
    let text = found.map(|vm| format!("<returnval type=\"VirtualMachine\">{}</returnval>", vm.id));
    text.unwrap_or_default().into()
}

fn find_by_path(call: &Call<'_>) -> Answer {
    let path = call.text("inventoryPath").unwrap_or_default().trim_matches('/');
    let names = Names::of(call.host);
    let found = match path.split_once('/') {
        None if path == DATACENTER => Some(("Datacenter", names.datacenter)),
        Some((DATACENTER, "vm")) => Some(("Folder", names.vms)),
        Some((DATACENTER, "host")) => Some(("Folder", names.hosts)),
        Some((DATACENTER, "datastore")) => Some(("Folder", names.stores)),
        Some((DATACENTER, rest)) => rest.strip_prefix("vm/").and_then(|name| {
            call.host.vms.iter().find(|vm| vm.name == name).map(|vm| ("VirtualMachine", vm.id.as_str()))
        }),
        _ => None,
    };
    let text = found.map(|(kind, id)| format!("<returnval type=\"{kind}\">{id}</returnval>"));
    text.unwrap_or_default().into()
}

fn host_for_access(call: &Call<'_>) -> Result<(), Refusal> {
    let host = call.child("hostForAccess").map(reference);
    let known = host.is_some_and(|(_, id)| id == Names::of(call.host).host);
    if known { Ok(()) } else { Err(invalid_argument("hostForAccess")) }
}

/// A ticket for all files of a machine, or for one of its disks.
fn ticket(call: &Call<'_>, one_disk: bool, writable: bool) -> Outcome {
    let host = call.host;
    let service = if host.config.kind == Kind::Vcenter { "nfcService" } else { "ha-nfc-service" };
    if call.this.1 != service {
        return Err(super::not_found("NfcService", call.this.1));
    }
    let (kind, vm) = call.child("vm").map(reference).unwrap_or_default();
    let machine = call.machine((kind, vm))?;
    if host.faults.happens(&Fault::NoPermission) {
        return Err(no_permission(vm, RANDOM_ACCESS));
    }
    let needed = if writable { RANDOM_ACCESS } else { "VirtualMachine.Provisioning.GetVmFiles" };
    if !host.config.has_privilege(needed) {
        return Err(no_permission(vm, needed));
    }
    if host.faults.happens(&Fault::Maintenance) {
        let text = "The operation is not allowed in the current state of the host.";
        return Err(refuse("InvalidState", text));
    }
    let disk = if one_disk {
        host_for_access(call)?;
        let key: Option<i32> = call.text("diskDeviceKey").and_then(|key| key.trim().parse().ok());
        let known =
            host.vms.get(machine).is_some_and(|vm| vm.state().disks.iter().any(|disk| Some(disk.key) == key));
        Some(key.filter(|_| known).ok_or_else(|| invalid_argument("diskDeviceKey"))?)
    } else {
        None
    };
    let session = host.new_ticket(machine, disk, writable);
    let wrong = host.faults.happens(&Fault::WrongThumbprint);
    let thumbprint = if wrong { &host.impostor.sha1 } else { &host.identity.sha1 };
    let (address, name) = match host.config.kind {
        Kind::Vcenter => (format!("<host>{}</host>", escape(&host.config.listen)), "vpxa-nfc"),
        Kind::Esxi => (String::new(), "nfc"),
    };
    Ok(format!(
        "<returnval xsi:type=\"HostServiceTicket\">{address}<port>{}</port><sslThumbprint>{thumbprint}</sslThumbprint>\
         <service>{name}</service><serviceVersion>1.1</serviceVersion><sessionId>{session}</sessionId></returnval>",
        host.authd_port
    )
    .into())
}
