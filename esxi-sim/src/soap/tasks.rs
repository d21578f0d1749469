//! What changes machines. A task is over when the call that began it returns.

use super::xml::Node;
use super::{Answer, Call, Outcome, child, children, invalid_argument, not_found, reference};
use crate::host::now;

/// Most tasks that are remembered.
const MAX_TASKS: usize = 10000;

/// Notes the end of a task.
fn task(call: &Call<'_>, machine: usize, name: &str, result: Result<Option<Node>, String>) -> Outcome {
    let id = format!("task-{}", call.host.next());
    let vm = call.host.vms.get(machine).ok_or_else(|| not_found("VirtualMachine", ""))?;
    let mut info = vec![
        Node::text("key", &id),
        Node::object("task", ("Task", &id)),
        Node::text("name", name),
        Node::text("descriptionId", format!("VirtualMachine.{name}")),
        Node::object("entity", ("VirtualMachine", &vm.id)),
        Node::text("entityName", &vm.name),
        Node::scalar("state", "TaskInfoState", if result.is_ok() { "success" } else { "error" }),
        Node::flag("cancelled", false),
        Node::flag("cancelable", false),
    ];
    match result {
        Ok(result) => info.extend(result),
        Err(text) => {
            let fault = Node::data("fault", "GenericVmConfigFault", vec![Node::text("reason", &text)]);
            let fields = vec![fault, Node::text("localizedMessage", &text)];
            info.push(Node::data("error", "LocalizedMethodFault", fields));
        }
    }
    let user = Node::text("userName", &call.host.config.user);
    info.push(Node::data("reason", "TaskReasonUser", vec![user]));
    info.extend([
        Node::time("queueTime", now()),
        Node::time("startTime", now()),
        Node::time("completeTime", now()),
    ]);
    info.push(Node::int("eventChainId", 1));
    let mut memory = call.memory();
    if memory.tasks.len() >= MAX_TASKS {
        memory.tasks.clear();
    }
    memory.tasks.insert(id.clone(), Node::data("info", "TaskInfo", info));
    Ok(format!("<returnval type=\"Task\">{id}</returnval>").into())
}

pub(super) fn create_snapshot(call: &Call<'_>) -> Outcome {
    let machine = call.machine(call.this)?;
    let vm = call.host.vms.get(machine).ok_or_else(|| not_found("VirtualMachine", call.this.1))?;
    let id = format!("snapshot-{}", call.host.next());
    let (name, description) =
        (call.text("name").unwrap_or_default(), call.text("description").unwrap_or_default());
    let result = vm.create_snapshot(id.clone(), name, description, now());
    let result = result.map_err(|error| error.to_string());
    // The result may be of any type, so it says which.
    let result = result.map(|()| Some(Node::object("result", ("VirtualMachineSnapshot", &id)).of_any_type()));
    task(call, machine, "createSnapshot", result)
}

pub(super) fn remove_snapshot(call: &Call<'_>) -> Outcome {
    let id = call.this.1;
    let machine =
        call.host.vms.iter().position(|vm| vm.state().snapshots.iter().any(|snapshot| snapshot.id == id));
    let machine = machine.ok_or_else(|| not_found("VirtualMachineSnapshot", id))?;
    let vm = call.host.vms.get(machine).ok_or_else(|| not_found("VirtualMachineSnapshot", id))?;
    let with_children = matches!(call.text("removeChildren"), Some("true" | "1"));
    let ids: Vec<String> = vm.state().snapshots.iter().map(|snapshot| snapshot.id.clone()).collect();
    let place = ids.iter().position(|known| known == id).unwrap_or(0);
    let count = if with_children { ids.len() - place } else { 1 };
    let doomed = ids.into_iter().skip(place).take(count);
    task(call, machine, "removeSnapshot", remove(vm, doomed))
}

pub(super) fn remove_all_snapshots(call: &Call<'_>) -> Outcome {
    let machine = call.machine(call.this)?;
    let vm = call.host.vms.get(machine).ok_or_else(|| not_found("VirtualMachine", call.this.1))?;
    let ids: Vec<String> = vm.state().snapshots.iter().map(|snapshot| snapshot.id.clone()).collect();
    task(call, machine, "removeAllSnapshots", remove(vm, ids.into_iter()))
}

/// Removes snapshots, the newest first: no link is copied that goes anyway.
fn remove(vm: &crate::vm::Vm, ids: impl DoubleEndedIterator<Item = String>) -> Result<Option<Node>, String> {
    for id in ids.rev() {
        vm.remove_snapshot(&id).map_err(|error| error.to_string())?;
    }
    Ok(None)
}

pub(super) fn reconfigure(call: &Call<'_>) -> Outcome {
    let machine = call.machine(call.this)?;
    let vm = call.host.vms.get(machine).ok_or_else(|| not_found("VirtualMachine", call.this.1))?;
    let spec = call.child("spec").ok_or_else(|| invalid_argument("spec"))?;
    if let Some(tracked) = child(spec, "changeTrackingEnabled").and_then(|flag| flag.text()) {
        vm.track(matches!(tracked.trim(), "true" | "1"));
    }
    task(call, machine, "reconfigure", Ok(None))
}

pub(super) fn changed_areas(call: &Call<'_>) -> Outcome {
    let machine = call.machine(call.this)?;
    let vm = call.host.vms.get(machine).ok_or_else(|| not_found("VirtualMachine", call.this.1))?;
    let key = call.text("deviceKey").and_then(|key| key.trim().parse().ok());
    let key: i32 = key.ok_or_else(|| invalid_argument("deviceKey"))?;
    let start = call.text("startOffset").and_then(|start| start.trim().parse().ok());
    let start: u64 = start.ok_or_else(|| invalid_argument("startOffset"))?;
    let snapshot = call.child("snapshot").map(|snapshot| reference(snapshot).1);
    let areas = vm.changed(key, snapshot, start, call.text("changeId").unwrap_or_default().trim());
    let areas = areas.map_err(invalid_argument)?;
    let capacity = vm.state().disks.iter().find(|disk| disk.key == key).map_or(0, |disk| disk.capacity * 512);
    let mut body = format!(
        "<returnval xsi:type=\"DiskChangeInfo\"><startOffset>{start}</startOffset><length>{}</length>",
        capacity.saturating_sub(start)
    );
    for (first, length) in areas {
        body.push_str(&format!("<changedArea><start>{first}</start><length>{length}</length></changedArea>"));
    }
    body.push_str("</returnval>");
    Ok(body.into())
}

/// Disables methods of machines, or enables them again.
pub(super) fn methods(call: &Call<'_>, disable: bool) -> Outcome {
    let source = call.text("sourceId").unwrap_or_default();
    let entities = children(call.element, "entity").map(reference).collect::<Vec<_>>();
    for (kind, id) in entities {
        let machine = call.machine((kind, id))?;
        let Some(vm) = call.host.vms.get(machine) else { continue };
        let mut state = vm.state();
        for element in children(call.element, "method") {
            let name = child(element, "method").unwrap_or(element).text().unwrap_or_default().trim();
            state.disabled.retain(|(method, by)| (method.as_str(), by.as_str()) != (name, source));
            if disable {
                state.disabled.push((name.to_owned(), source.to_owned()));
            }
        }
    }
    Ok(Answer::default())
}
