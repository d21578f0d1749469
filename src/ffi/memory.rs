//! Memory that clients get and give back.
//!
//! Each answer is one block of libc's `malloc`, strings included, so that clients which release it with plain
//! `free` do no harm. What was given out is written down: the Free functions ignore everything else, because one
//! known client hands back a truncated pointer.

use std::collections::HashMap;
use std::ffi::{c_char, c_void};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::types::{VixDiskLibBlock, VixDiskLibBlockList};
use crate::error::{Error, Kind, Result};

/// What a block was given out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// By GetErrorText.
    ErrorText,
    /// By GetInfo.
    Info,
    /// By QueryAllocatedBlocks.
    BlockList,
    /// By AllocateConnectParams or GetConnectParams.
    ConnectParams,
}

/// Blocks that are out: what as, and how long they are.
fn ledger() -> MutexGuard<'static, HashMap<usize, (Given, usize)>> {
    static LEDGER: OnceLock<Mutex<HashMap<usize, (Given, usize)>>> = OnceLock::new();
    LEDGER.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block of zeros, written down.
fn give(given: Given, length: usize) -> Result<NonNull<u8>> {
    // SAFETY: calloc may be called with any numbers.
    let block = NonNull::new(unsafe { libc::calloc(1, length) }.cast::<u8>())
        .ok_or_else(|| Error::new(Kind::OutOfMemory, format!("no {length} bytes of memory are left")))?;
    ledger().insert(block.addr().get(), (given, length));
    Ok(block)
}

/// Whether a pointer was given out and has not come back.
pub(super) fn is_out<T>(given: Given, pointer: *const T) -> bool {
    ledger().get(&pointer.addr()).is_some_and(|(as_what, _)| *as_what == given)
}

/// Frees a block that was given out as `given`; everything else is ignored.
pub(super) fn take_back<T>(given: Given, pointer: *mut T) {
    let length = {
        let mut ledger = ledger();
        match ledger.get(&pointer.addr()) {
            Some((as_what, length)) if *as_what == given => {
                let length = *length;
                ledger.remove(&pointer.addr());
                length
            }
            _ => return,
        }
    };
    // SAFETY: the block came from calloc with this length and was in the ledger, so it has not been freed here;
    // parameters may hold a password, which must not stay in freed memory.
    unsafe {
        if given == Given::ConnectParams {
            libc::explicit_bzero(pointer.cast::<c_void>(), length);
        }
        libc::free(pointer.cast::<c_void>());
    }
}

/// Gives out a string.
///
/// # Errors
/// `OutOfMemory`.
pub(super) fn give_text(given: Given, text: &[u8]) -> Result<*mut c_char> {
    let block = give(given, text.len() + 1)?;
    // SAFETY: the block is new and one byte longer than the text; its last byte is 0 already.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), block.as_ptr(), text.len()) };
    Ok(block.as_ptr().cast())
}

/// Gives out a struct with its strings behind it in the same block; `link` puts their addresses in. A string that
/// is `None` is NULL.
///
/// # Errors
/// `OutOfMemory`.
pub(super) fn give_with_strings<T: Copy, const N: usize>(
    given: Given,
    head: T,
    strings: [Option<&[u8]>; N],
    link: impl FnOnce(&mut T, [*mut c_char; N]),
) -> Result<*mut T> {
    let lengths = strings.iter().flatten().map(|string| string.len() + 1);
    let block = give(given, size_of::<T>() + lengths.sum::<usize>())?;
    let mut next = size_of::<T>();
    let addresses = strings.map(|string| {
        let Some(string) = string else { return std::ptr::null_mut() };
        // SAFETY: the block was made long enough for all strings and their NULs, which are there already.
        let address = unsafe {
            let address = block.as_ptr().add(next);
            std::ptr::copy_nonoverlapping(string.as_ptr(), address, string.len());
            address
        };
        next += string.len() + 1;
        address.cast::<c_char>()
    });
    let mut head = head;
    link(&mut head, addresses);
    let place = block.as_ptr().cast::<T>();
    // SAFETY: calloc aligns for every C type, and the block is at least as long as T.
    unsafe { place.write(head) };
    Ok(place)
}

/// Gives out a list of blocks.
///
/// # Errors
/// `OutOfMemory`.
pub(super) fn give_block_list(blocks: &[VixDiskLibBlock]) -> Result<*mut VixDiskLibBlockList> {
    let count = u32::try_from(blocks.len()).map_err(|_| {
        Error::new(Kind::OutOfMemory, format!("{} blocks are too many for a list", blocks.len()))
    })?;
    let behind_count = std::mem::offset_of!(VixDiskLibBlockList, blocks);
    let length = behind_count + size_of_val(blocks);
    let list =
        give(Given::BlockList, length.max(size_of::<VixDiskLibBlockList>()))?.cast::<VixDiskLibBlockList>();
    // SAFETY: the block is long enough for the count and all blocks, aligned by calloc, and new.
    unsafe {
        (&raw mut (*list.as_ptr()).numBlocks).write(count);
        let first = list.as_ptr().cast::<u8>().add(behind_count).cast::<VixDiskLibBlock>();
        std::ptr::copy_nonoverlapping(blocks.as_ptr(), first, blocks.len());
    }
    Ok(list.as_ptr())
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn strings_stand_behind_their_struct() {
        #[derive(Clone, Copy)]
        struct Two {
            first: *mut c_char,
            second: *mut c_char,
        }
        let empty = Two { first: std::ptr::null_mut(), second: std::ptr::null_mut() };
        let given =
            give_with_strings(Given::Info, empty, [Some(b"one".as_slice()), None], |two, [first, second]| {
                two.first = first;
                two.second = second;
            });
        let given = given.unwrap();
        // SAFETY: just given out, with one string and one NULL.
        unsafe {
            assert_eq!(CStr::from_ptr((*given).first).to_bytes(), b"one");
            assert!((*given).second.is_null());
        }
        assert!(is_out(Given::Info, given));
        take_back(Given::ErrorText, given);
        assert!(is_out(Given::Info, given), "given back as something else");
        take_back(Given::Info, given);
        assert!(!is_out(Given::Info, given));
        take_back(Given::Info, given);
        take_back(Given::Info, std::ptr::null_mut::<u8>());
    }

    #[test]
    fn block_lists_hold_any_number() {
        for count in [0, 1, 5] {
            let blocks: Vec<_> = (0..count).map(|n| VixDiskLibBlock { offset: n * 10, length: 1 }).collect();
            let list = give_block_list(&blocks).unwrap();
            // SAFETY: just given out with this many blocks.
            let seen = unsafe {
                let first = list.cast::<u8>().add(8).cast::<VixDiskLibBlock>();
                std::slice::from_raw_parts(first, (*list).numBlocks as usize).to_vec()
            };
            assert_eq!(seen, blocks);
            take_back(Given::BlockList, list);
        }
    }
}
