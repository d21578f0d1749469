//! The threads that decompress, so that the one that receives does not wait for that.

use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use super::aio::garbled;
use super::compress::Codec;
use super::flow::{Flow, lock};
use super::inlet::Packed;
use super::job::{Piece, Work};
use crate::error::{Error, Kind, Result};

/// A piece whose data has come, compressed.
pub(super) type ToDecode = (Piece, Vec<Packed>);

/// Starts threads, and the channel that leads to them. They end when the channel does.
pub(super) fn start(
    flow: &Arc<Flow>,
    count: usize,
) -> Result<(mpsc::SyncSender<ToDecode>, Vec<JoinHandle<()>>)> {
    let (sender, receiver) = mpsc::sync_channel::<ToDecode>(count);
    let receiver = Arc::new(Mutex::new(receiver));
    let one = |_| {
        let (flow, receiver) = (Arc::clone(flow), Arc::clone(&receiver));
        let work = move || {
            let mut codec = Codec::default();
            loop {
                let next = lock(&receiver).recv();
                let Ok((mut piece, packed)) = next else { return };
                match decode(&mut codec, &mut piece, packed) {
                    Ok(()) => flow.answered(piece),
                    failed => flow.end(piece, failed),
                }
            }
        };
        let thread = thread::Builder::new().name("vixen-nfc-unpack".to_owned());
        thread.spawn(work).map_err(|error| Error::from_io(error, "starting a thread"))
    };
    Ok((sender, (0..count).map(one).collect::<Result<_>>()?))
}

/// Decompresses what came for a piece into its place.
pub(super) fn decode(codec: &mut Codec, piece: &mut Piece, packed: Vec<Packed>) -> Result<()> {
    let Work::Read { offset, into } = &mut piece.work else { return Ok(()) };
    for fragment in packed {
        let place = into.bytes().get_mut(fragment.start..fragment.start.saturating_add(fragment.length));
        let place = place.ok_or_else(|| garbled("a fragment that leaves its request"))?;
        codec
            .decode(fragment.compression, &fragment.data, place)
            .map_err(|error| error.with_kind(Kind::Io).context(format!("NFC: data of byte {offset}")))?;
    }
    Ok(())
}
