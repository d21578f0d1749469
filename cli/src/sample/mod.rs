//! `vix-disklib-sample`: the options that developers of VDDK programs know, when the program is called by that name.
//!
//! ```text
//!   vix-disklib-sample -COMMAND [arguments] [-OPTION [value]].. DISK..
//! ```

mod arguments;
mod bench;
mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

use vixDiskLib::session;

use crate::output::{printable, say};
use arguments::Arguments;

const USAGE: &str = "\
usage: vix-disklib-sample COMMAND [OPTION..] DISK..

commands
  -create                     make a disk of -cap MB
  -redo PARENT                make a child of a disk
  -info                       capacity, adapter, geometry, transport modes
  -dump                       -count sectors from -start on, in hexadecimal
  -fill                       write -val to -count sectors from -start on
  -wmeta KEY VALUE            write a key of the disk database
  -rmeta KEY                  read one
  -meta                       list all
  -clone SOURCE               copy a disk
  -readbench SECTORS          read the disk in blocks of so many sectors
  -writebench SECTORS         write it; what it holds is lost
  -readasyncbench SECTORS, -writeasyncbench SECTORS
                              the same with asynchronous requests
  -multithread N              copy with N threads into files of /tmp
  -check 0|1                  check a disk, and repair it with 1
  -getallocatedblocks         list what is allocated, in chunks of -chunksize
  -mount                      not supported: 'vixen serve' lets NBD tools mount it

options
  -adapter ide|scsi           (scsi)    -start N, -count N, -val BYTE  (0, 1, 255)
  -cap MB                     (100)     -chunksize SECTORS             (128)
  -single, -unbuffered        open one link only; past the host's cache
  -initex FILE                configuration file, '' for none
  -compress zlib|fastlz|skipz how a server packs what it sends
  -lssize, -pssize BYTES      sector sizes of a new disk: 512, nothing else
  -host, -user, -password, -port, -nfchostport, -thumb, -cookie, -vm, -ssmoref,
  -fcdid, -ds, -fcdssid, -mode, -libdir, -vimapiver
                              as the original; VIXEN_PASSWORD is better than
                              -password, which others on this host can see
";

/// Runs with the arguments of the process.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let words: Vec<String> =
        arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let arguments = match Arguments::parse(&words) {
        Ok(arguments) => arguments,
        Err(why) => {
            // The original tells of errors on standard output, and programs look for them there.
            drop(say(&format!("Error: {why}\n\n{USAGE}")));
            return ExitCode::FAILURE;
        }
    };
    let done = session::library::init(8, 0, None, arguments.config.as_deref(), || ())
        .map_err(Into::into)
        .and_then(|()| commands::run(&arguments));
    session::library::exit(|| ());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = printable(failure.to_string().as_bytes());
            drop(say(&format!("Error: [vixen]  {:x} {text}\n", failure.vix_error())));
            ExitCode::FAILURE
        }
    }
}
