//! Announcing a backup to vCenter, so that the virtual machine is not moved meanwhile.

use super::inventory::VmSpec;
use super::session::{Content, Session};
use super::soap::{Moref, Request};
use crate::error::{Error, Kind, Result};

/// The method that is disabled: moving a machine to another host or datastore.
const METHOD: &str = "RelocateVM_Task";

/// Keeps the virtual machine from being moved, in the name of `identity`.
///
/// # Errors
/// `NotSupported` for a server that is no vCenter, `VmNotFound`, those of [`Session::content`].
pub fn prepare(session: &Session, vm: &VmSpec, identity: &str) -> Result<()> {
    let vm = vm.find(session)?;
    let request = |content: &Content| {
        Ok(Request::new("DisableMethods", manager(content)?)
            .moref("entity", &vm)
            .element("method", |request| request.text("method", METHOD).text("reasonId", identity))
            .text("sourceId", identity)
            .text("sessionScope", "false"))
    };
    session.call(&format!("disabling {METHOD} of virtual machine '{vm}'"), request, |_| Ok(()))
}

/// Takes back what [`prepare`] did with the same identity.
///
/// # Errors
/// As for [`prepare`].
pub fn end(session: &Session, vm: &VmSpec, identity: &str) -> Result<()> {
    let vm = vm.find(session)?;
    let request = |content: &Content| {
        let request = Request::new("EnableMethods", manager(content)?);
        Ok(request.moref("entity", &vm).text("method", METHOD).text("sourceId", identity))
    };
    session.call(&format!("enabling {METHOD} of virtual machine '{vm}'"), request, |_| Ok(()))
}

fn manager(content: &Content) -> Result<&Moref> {
    content.authorization_manager.as_ref().filter(|_| content.is_vcenter).ok_or_else(|| {
        Error::new(Kind::NotSupported, "the server is a single host, and only vCenter moves virtual machines")
    })
}
