//! The handshake: options until the client goes on to the export, or leaves.

use std::io::{self, Read, Write};

use super::Export;
use super::protocol::{
    BASE_ALLOCATION, CONTEXT, FIXED_NEWSTYLE, INFO_BLOCK_SIZE, INFO_EXPORT, NBD_MAGIC, NO_ZEROES,
    OPTION_MAGIC, broken, option, read_u32, read_u64, reply, reply_to, transmit,
};
use super::transmission::MAX_REQUEST;

/// Longest data of an option: what the longest name takes many times over.
const MAX_OPTION: u32 = 64 << 10;

/// Most options of a handshake, so that a client cannot stay in it for ever.
const MAX_OPTIONS: usize = 256;

/// Least and best size of requests, in bytes.
const MIN_BLOCK: u32 = 512;
const GOOD_BLOCK: u32 = 64 << 10;

/// Zeros that old clients expect behind the answer to EXPORT_NAME.
const OLD_ZEROES: usize = 124;

/// What client and server have agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Replies are structured.
    pub(super) structured: bool,
    /// The client may ask for `base:allocation`.
    pub(super) allocation: bool,
}

/// What an option leads to.
enum Next {
    Option,
    Transmission,
    End,
}

/// Flags that the export has for clients.
pub(super) fn flags(export: &dyn Export, agreed: Agreed) -> u16 {
    let df = if agreed.structured { transmit::SEND_DF } else { 0 };
    let access = if export.writable() {
        transmit::SEND_FLUSH | transmit::SEND_FUA | transmit::SEND_WRITE_ZEROES
    } else {
        transmit::READ_ONLY
    };
    // All connections share one open disk: what one has flushed, all see.
    transmit::HAS_FLAGS | transmit::CAN_MULTI_CONN | access | df
}

/// Leads the handshake; `None` when the client leaves.
pub(super) fn negotiate<S: Read + Write>(stream: &mut S, export: &dyn Export) -> io::Result<Option<Agreed>> {
    let hello = [
        &NBD_MAGIC.to_be_bytes()[..],
        &OPTION_MAGIC.to_be_bytes(),
        &(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes(),
    ];
    stream.write_all(&hello.concat())?;
    let client = read_u32(stream)?;
    if client & !u32::from(FIXED_NEWSTYLE | NO_ZEROES) != 0 {
        return Err(broken("unknown flags of the client"));
    }
    let mut talk =
        Talk { stream, export, agreed: Agreed::default(), zeroes: client & u32::from(NO_ZEROES) == 0 };
    for _ in 0..MAX_OPTIONS {
        match talk.option()? {
            Next::Option => {}
            Next::Transmission => return Ok(Some(talk.agreed)),
            Next::End => return Ok(None),
        }
    }
    Err(broken("too many options"))
}

struct Talk<'a, S> {
    stream: &'a mut S,
    export: &'a dyn Export,
    agreed: Agreed,
    /// The client expects zeros behind the answer to EXPORT_NAME.
    zeroes: bool,
}

impl<S: Read + Write> Talk<'_, S> {
    fn option(&mut self) -> io::Result<Next> {
        if read_u64(self.stream)? != OPTION_MAGIC {
            return Err(broken("no option where one must be"));
        }
        let (number, length) = (read_u32(self.stream)?, read_u32(self.stream)?);
        if length > MAX_OPTION {
            return self.too_long(number, length);
        }
        let mut data = vec![0; length as usize];
        self.stream.read_exact(&mut data)?;
        match number {
            option::EXPORT_NAME => return self.export_name(&data),
            option::ABORT => {
                // The client may be gone already.
                drop(reply_to(self.stream, number, reply::ACK, &[]));
                return Ok(Next::End);
            }
            option::LIST if data.is_empty() => self.list()?,
            option::STRUCTURED_REPLY if data.is_empty() => {
                self.agreed.structured = true;
                reply_to(self.stream, number, reply::ACK, &[])?;
            }
            option::LIST | option::STRUCTURED_REPLY => {
                self.refuse(number, reply::INVALID, "it takes no data")?
            }
            option::INFO | option::GO => return self.info(number, &data),
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => self.contexts(number, &data)?,
            _ => self.refuse(number, reply::UNSUPPORTED, "this option is not offered")?,
        }
        Ok(Next::Option)
    }

    /// Passes over the data of an option that is too long.
    fn too_long(&mut self, number: u32, length: u32) -> io::Result<Next> {
        if number == option::EXPORT_NAME {
            return Err(broken("the name of the export is too long"));
        }
        io::copy(&mut self.stream.take(length.into()), &mut io::sink())?;
        self.refuse(number, reply::TOO_BIG, "the data is too long")?;
        Ok(Next::Option)
    }

    fn refuse(&mut self, number: u32, kind: u32, why: &str) -> io::Result<()> {
        reply_to(self.stream, number, kind, why.as_bytes())
    }

    fn knows(&self, name: &[u8]) -> bool {
        name.is_empty() || name == self.export.name().as_bytes()
    }

    /// The old way into the transmission phase, which has no answer for an error.
    fn export_name(&mut self, name: &[u8]) -> io::Result<Next> {
        if !self.knows(name) {
            return Err(broken("there is no export of this name"));
        }
        let mut answer = self.size_and_flags();
        if self.zeroes {
            answer.extend([0; OLD_ZEROES]);
        }
        self.stream.write_all(&answer)?;
        Ok(Next::Transmission)
    }

    fn size_and_flags(&self) -> Vec<u8> {
        let flags = flags(self.export, self.agreed);
        [&self.export.bytes().to_be_bytes()[..], &flags.to_be_bytes()].concat()
    }

    fn list(&mut self) -> io::Result<()> {
        let name = self.export.name().as_bytes();
        let server = [&(name.len() as u32).to_be_bytes()[..], name].concat();
        reply_to(self.stream, option::LIST, reply::SERVER, &server)?;
        reply_to(self.stream, option::LIST, reply::ACK, &[])
    }

    fn info(&mut self, number: u32, data: &[u8]) -> io::Result<Next> {
        let mut fields = Fields(data);
        let name = fields.text();
        let requests = fields.u16();
        let (Some(name), Some(requests)) = (name, requests) else {
            self.refuse(number, reply::INVALID, "the data is cut off")?;
            return Ok(Next::Option);
        };
        if fields.0.len() != usize::from(requests) * 2 {
            self.refuse(number, reply::INVALID, "the number of requests is wrong")?;
            return Ok(Next::Option);
        }
        if !self.knows(name) {
            self.refuse(number, reply::UNKNOWN, "there is no export of this name")?;
            return Ok(Next::Option);
        }
        let export = [&INFO_EXPORT.to_be_bytes()[..], &self.size_and_flags()].concat();
        reply_to(self.stream, number, reply::INFO, &export)?;
        let sizes = [MIN_BLOCK, GOOD_BLOCK, MAX_REQUEST].map(u32::to_be_bytes).concat();
        let sizes = [&INFO_BLOCK_SIZE.to_be_bytes()[..], &sizes].concat();
        reply_to(self.stream, number, reply::INFO, &sizes)?;
        reply_to(self.stream, number, reply::ACK, &[])?;
        Ok(if number == option::GO { Next::Transmission } else { Next::Option })
    }

    fn contexts(&mut self, number: u32, data: &[u8]) -> io::Result<()> {
        let setting = number == option::SET_META_CONTEXT;
        if setting {
            // Whatever was set before is gone, also when this fails.
            self.agreed.allocation = false;
        }
        if !self.agreed.structured {
            return self.refuse(number, reply::INVALID, "structured replies come first");
        }
        let mut fields = Fields(data);
        let (Some(name), Some(count)) = (fields.text(), fields.u32()) else {
            return self.refuse(number, reply::INVALID, "the data is cut off");
        };
        if !self.knows(name) {
            return self.refuse(number, reply::UNKNOWN, "there is no export of this name");
        }
        // Without a query a list is of everything, and nothing is set.
        let mut wanted = !setting && count == 0;
        for _ in 0..count {
            let Some(query) = fields.text() else {
                return self.refuse(number, reply::INVALID, "a query is cut off");
            };
            wanted |= query == BASE_ALLOCATION || (!setting && query == b"base:");
        }
        if !fields.0.is_empty() {
            return self.refuse(number, reply::INVALID, "there is something behind the queries");
        }
        if wanted {
            // In a list the number has no meaning.
            let context = if setting { CONTEXT } else { 0 };
            let context = [&context.to_be_bytes()[..], BASE_ALLOCATION].concat();
            reply_to(self.stream, number, reply::META_CONTEXT, &context)?;
            self.agreed.allocation |= setting;
        }
        reply_to(self.stream, number, reply::ACK, &[])
    }
}

/// The fields of an option's data.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// A length and so many bytes.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}
