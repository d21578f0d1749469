package vixdisklib

// #include "shim.h"
import "C"

import (
	"runtime/cgo"
	"strings"
	"sync"
)

// LogLevel is the weight of what the library logs.
type LogLevel int

// The levels.
const (
	LogInfo    LogLevel = iota // what is done
	LogWarning                 // calls that failed
	LogPanic                   // VDDK is about to end the process
)

// String returns "info", "warning" or "panic".
func (l LogLevel) String() string {
	return [...]string{"info", "warning", "panic"}[l]
}

// LogFunc gets a message of the library, without a newline at its end, on any goroutine.
type LogFunc func(level LogLevel, message string)

// ProgressFunc is told the per cent that are done, 0 to 100, during the call that it was passed to. Clone ends with
// ErrCancelled when it returns false; other calls ignore what it returns.
type ProgressFunc func(percent int) bool

// The loggers of the libraries that are started.
var loggers struct {
	sync.RWMutex
	functions map[*Library]LogFunc
}

func setLogger(library *Library, function LogFunc) {
	loggers.Lock()
	defer loggers.Unlock()
	if loggers.functions == nil {
		loggers.functions = map[*Library]LogFunc{}
	}
	if function == nil {
		delete(loggers.functions, library)
	} else {
		loggers.functions[library] = function
	}
}

//export goLog
func goLog(listener C.uintptr_t, level C.int, message *C.char) {
	text := strings.TrimSuffix(C.GoString(message), "\n")
	if listener != 0 {
		heard := cgo.Handle(listener).Value().(*[]string)
		*heard = append(*heard, text)
	}
	loggers.RLock()
	functions := make([]LogFunc, 0, len(loggers.functions))
	for _, function := range loggers.functions {
		functions = append(functions, function)
	}
	loggers.RUnlock()
	for _, function := range functions {
		function(LogLevel(level), text)
	}
}

// progress is a client's function for the time of one call.
type progress struct {
	function ProgressFunc
	panicked any
}

//export goProgress
func goProgress(handle C.uintptr_t, percent C.int) (goOn C.int) {
	report := cgo.Handle(handle).Value().(*progress)
	if report.panicked != nil {
		return 0
	}
	// Nothing may unwind through the frames of C; withProgress goes on with it.
	defer func() {
		if report.panicked = recover(); report.panicked != nil {
			goOn = 0
		}
	}()
	if report.function(int(percent)) {
		return 1
	}
	return 0
}

// withProgress makes a call of C that tells its progress; 0 stands for nobody to tell.
func withProgress(function ProgressFunc, run func(told C.uintptr_t) C.VixError) error {
	if function == nil {
		return call(func() C.VixError { return run(0) })
	}
	report := &progress{function: function}
	handle := cgo.NewHandle(report)
	defer handle.Delete()
	err := call(func() C.VixError { return run(C.uintptr_t(handle)) })
	if report.panicked != nil {
		panic(report.panicked)
	}
	return err
}
