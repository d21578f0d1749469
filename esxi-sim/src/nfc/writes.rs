//! Writes, which come in fragments.

use std::io::{self, Read as _};

use vixDiskLib::io::SECTOR_SIZE;

use super::aio::{Message, Refusal, Session, code, extra_length, frame, kind, no_memory, refusal};
use super::fragments::{self, PAYLOAD, Read, Scratch};
use super::sender::Sender;
use super::{u32_at, u64_at};
use crate::codec::{self, Method};
use crate::fault::Fault;
use crate::tls::Reader;

/// Most bytes behind one message.
const MAX_EXTRA: u32 = 17 << 20;
/// Most writes that are begun at a time.
const MAX_BEGUN: usize = 4096;

/// A write whose fragments are coming.
pub(super) struct Begun {
    received: u64,
    failed: bool,
}

impl Session<'_> {
    /// One fragment of a write.
    pub(super) fn write(
        &mut self,
        message: &Message,
        reader: &mut Reader,
        sender: &Sender,
    ) -> io::Result<()> {
        let mut scratch = std::mem::take(self.scratch.get_mut());
        let done = self.write_data(message, reader, sender, &mut scratch);
        *self.scratch.get_mut() = scratch;
        done
    }

    fn write_data(
        &mut self,
        message: &Message,
        reader: &mut Reader,
        sender: &Sender,
        scratch: &mut Scratch,
    ) -> io::Result<()> {
        let payload = &message.payload;
        let data = scratch.data(extra_length(u32_at(payload, 36), MAX_EXTRA)?);
        reader.read_exact(data)?;
        let (total, length) = (u64::from(u32_at(payload, 24)), u64::from(u32_at(payload, 32)));
        if self.begun.len() >= MAX_BEGUN || length == 0 || length > total {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a fragment that cannot be"));
        }
        self.answer_held(sender)?;
        let failed_before = self.begun.get(&message.operation).is_some_and(|begun| begun.failed);
        let refused = if failed_before { None } else { self.write_fragment(payload, data).err() };
        let begun = self.begun.entry(message.operation).or_insert(Begun { received: 0, failed: false });
        begun.received += length;
        begun.failed |= refused.is_some();
        let (done, failed) = (begun.received >= total, begun.failed);
        let early = !done && !failed && self.host.faults.happens(&Fault::EarlyAnswer);
        begun.failed |= early; // it is told once
        if done {
            self.begun.remove(&message.operation);
        }
        if let Some(refused) = refused {
            return self.refuse(message.operation, &refused, sender);
        }
        if failed || !done && !early {
            return Ok(());
        }
        let total = total as u32;
        let whole = Read {
            operation: message.operation,
            method: Method::None,
            offset: u64_at(payload, 16),
            length: total,
        };
        let answer = fragments::payload(&whole, 0, 0, (0, total, total));
        sender.send(&frame(kind::IO, message.operation, &answer), None)
    }

    fn write_fragment(&self, payload: &[u8], data: &[u8]) -> Result<(), Refusal> {
        let file = self.file(payload)?;
        if payload.len() < PAYLOAD {
            return Err(refusal(code::FAILED, "the message is too short"));
        }
        let (place, length, total) = (u32_at(payload, 28), u32_at(payload, 32), u32_at(payload, 24));
        if length > self.buffer || place.checked_add(length).is_none_or(|end| end > total) {
            return Err(refusal(code::FAILED, format!("a fragment of {length} bytes at {place} of {total}")));
        }
        if self.host.faults.happens(&Fault::NoMemory) {
            return Err(no_memory(u64::from(length)));
        }
        let offset = u64_at(payload, 16).checked_add(u64::from(place));
        let offset = offset.filter(|at| at % SECTOR_SIZE == 0 && u64::from(length) % SECTOR_SIZE == 0);
        let offset = offset.ok_or_else(|| refusal(code::IO, "not whole sectors"))?;
        let method = Method::from_number(u32_at(payload, 12))
            .ok_or_else(|| refusal(code::NOT_SUPPORTED, "the compression is not known"))?;
        if method == Method::None && data.len() == length as usize {
            file.disk.write(offset / SECTOR_SIZE, data)?;
        } else {
            let mut plain = vec![0; length as usize];
            codec::decode(method, data, &mut plain)
                .ok_or_else(|| refusal(code::IO, format!("a damaged fragment at byte {offset}")))?;
            file.disk.write(offset / SECTOR_SIZE, &plain)?;
        }
        if let Some(machine) = self.host.vms.get(self.ticket.vm) {
            machine.wrote(file.key, offset, u64::from(length));
        }
        Ok(())
    }
}
